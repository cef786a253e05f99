"""Carries operations out on a storage in parts: apart, what concerns one part each.

So a part that is busy, or away, is in nobody's way in the others, and a transaction is as quick as
one part can be. What belongs together stays together: the tasks of a group, an outcome and the
tasks that follow it, and outcomes that depend on each other. What that leaves in several parts is
one transaction over all of them.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Any, TypeVar

from jsonrpc_qm.errors import QueueError, Unavailable
from jsonrpc_qm.execution import execute_apart
from jsonrpc_qm.operations import Operation, Step
from jsonrpc_qm.storage.base import Parts, Storage
from jsonrpc_qm.transitions import Fail, Release, Retry

Answer = list[list[Any]] | QueueError
Answers = list[Answer]

T = TypeVar("T")


def told(operation: Operation[T], answer: Answer) -> T:
    """What an operation answers its caller; a refusal is raised."""
    if isinstance(answer, QueueError):
        raise answer
    return operation.answer(*answer)


class Share:
    """What one operation wants of some parts."""

    def __init__(self, number: int) -> None:
        self.number = number
        """The operation's, among all."""
        self.places: dict[int, list[int]] = defaultdict(list)
        """By the number of a step, which members of its list."""

    def of(self, operation: Operation[Any]) -> Operation[Any]:
        """An operation that does only this."""
        steps = [operation.steps[step] for step in self.places]
        wanted = zip(steps, self.places.values(), strict=True)
        return Operation(
            tuple(Step(step.verb, [step.items[at] for at in places]) for step, places in wanted),
            operation.answer,
        )


Shares = dict[int, Share]
"""By the numbers of the operations."""


class Division:
    """Carries out operations on a storage, whatever it is divided into."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._parts = storage.parts

    def execute(self, operations: Sequence[Operation[Any]]) -> Answers:
        """Like execute_apart; when a part can't be used, that concerns those who want something of
        it. A claim comes after all of the operation right before it: those of a `report` are two.
        """
        if self._parts is None:
            return execute_apart(self._storage, operations)
        run = _Run(self._storage, self._parts, operations)
        whole, single, late, claims = _divided(self._parts, operations)
        if whole:
            run.carry_out(range(self._parts.count), whole)
        for apart in (single, late):
            self._parts.together(
                [partial(run.carry_out, [part], shares) for part, shares in apart.items()]
            )
        if claims:
            run.carry_out(_all_parts(self._parts, operations, claims), claims)
        return run.answers()


class _Run:
    """The operations of one call, and what has come of them so far."""

    def __init__(
        self, storage: Storage, parts: Parts, operations: Sequence[Operation[Any]]
    ) -> None:
        self._storage = storage
        self._parts = parts
        self._operations = operations
        self._found: list[list[list[Any]]] = [
            [[None] * len(step.items) for step in operation.steps] for operation in operations
        ]
        self._done = [False] * len(operations)
        self._errors: list[list[QueueError]] = [[] for _ in operations]

    def carry_out(self, parts: Collection[int], shares: Shares) -> None:
        """Do what some parts have to do, in one transaction."""
        asked = [share.of(self._operations[share.number]) for share in shares.values()]
        transaction = partial(self._parts.transaction, parts)
        ended = execute_apart(self._storage, asked, transaction)
        for share, answer in zip(shares.values(), ended, strict=True):
            if isinstance(answer, QueueError):
                self._errors[share.number].append(answer)
                continue
            self._done[share.number] = True
            for (step, places), found in zip(share.places.items(), answer, strict=True):
                for place, value in zip(places, found, strict=True):
                    self._found[share.number][step][place] = value

    def answers(self) -> Answers:
        """What has come of each operation."""
        return [
            _error_of(errors, is_done=done) if errors else found
            for found, errors, done in zip(self._found, self._errors, self._done, strict=True)
        ]


def _error_of(errors: Sequence[QueueError], *, is_done: bool) -> QueueError:
    """The error of an operation, of which some may be done."""
    may_be = is_done or any("answer_lost" in error.data for error in errors)
    for error in errors:
        if may_be and isinstance(error, Unavailable):
            return Unavailable.in_doubt(f"some of it may be done: {error.detail}")
    return errors[0]


# -- dividing ---------------------------------------------------------------------------------


def _divided(
    parts: Parts, operations: Sequence[Operation[Any]]
) -> tuple[Shares, dict[int, Shares], dict[int, Shares], Shares]:
    """What is about several parts, what is about each one alone, claims about each one that find
    what others made due, and claims about several."""
    whole: Shares = {}
    single: dict[int, Shares] = defaultdict(dict)
    late: dict[int, Shares] = defaultdict(dict)
    claims: Shares = {}
    before: set[int] = set()
    for number, operation in enumerate(operations):
        for step, wanted in enumerate(operation.steps):
            for place, about in enumerate(_about_each(parts, wanted)):
                is_claim = wanted.verb == "claim"
                shares = claims if is_claim else whole
                if len(about) == 1:
                    apart = late if is_claim and before - about else single
                    shares = apart[next(iter(about))]
                if number not in shares:
                    shares[number] = Share(number)
                shares[number].places[step].append(place)
        if not any(step.items for step in operation.steps):
            # Who asks for nothing wants to know whether the storage can be used.
            whole[number] = Share(number)
        before = _making_due(parts, operation)
    return whole, single, late, claims


def _making_due(parts: Parts, operation: Operation[Any]) -> set[int]:
    """The parts that know the ids of tasks which an operation may make due. Other parts may hold
    these tasks, so a claim there can't be carried out at the same time."""
    return {
        parts.of_id(event.id)
        for step in operation.steps
        if step.verb == "transition"
        for event in step.items
        if isinstance(event, Fail | Release | Retry)
    }


def _about_each(parts: Parts, step: Step) -> list[set[int]]:
    """Which parts each member of a step's list is about; none, where nobody knows."""
    about = _ABOUT.get(step.verb)
    if about is None:
        return [set()] * len(step.items)
    each = [about(parts, item) for item in step.items]
    if step.verb == "transition" and any(getattr(event, "queue", ()) for event in step.items):
        # They may depend on each other.
        return [set().union(*each)] * len(each)
    return each


def _of_tasks(parts: Parts, records: Iterable[Any]) -> set[int]:
    return {part for r in records for part in (parts.of_name(r.name), parts.of_id(r.id))}


def _of_event(parts: Parts, event: Any) -> set[int]:
    return {parts.of_id(event.id), *_of_tasks(parts, getattr(event, "queue", ()))}


_ABOUT: dict[str, Callable[[Parts, Any], set[int]]] = {
    "complete": _of_event,
    "transition": _of_event,
    "add": _of_tasks,
    "delete": lambda parts, task: {parts.of_id(task)},
    "pause": lambda parts, pause: {parts.of_name(pause[0])},
    "claim": lambda parts, claim: {parts.of_name(name) for name in claim.names},
}
"""For each verb what tells about which parts a member of its list is; others are about all."""


def _all_parts(
    parts: Parts, operations: Sequence[Operation[Any]], claims: Shares
) -> Collection[int]:
    """All parts that some claims are about."""
    return {
        part
        for share in claims.values()
        for step in share.of(operations[share.number]).steps
        for about in _about_each(parts, step)
        for part in about
    }
