"""Carries operations out: any number of them in one transaction, each verb called once for all."""

import logging
import random
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from jsonrpc_qm.errors import InternalError, QueueError, Unavailable
from jsonrpc_qm.operations import PURGE_BATCH, Operation
from jsonrpc_qm.record import Record
from jsonrpc_qm.storage.base import Overtaken, Storage
from jsonrpc_qm.transitions import Complete

logger = logging.getLogger("jsonrpc_qm.execution")

TRIES = 20
"""How often a transaction is run that others are in the way of."""

AGAIN_WITHIN = 0.003
"""Seconds within which such a transaction is run again; as many more each time."""


def _each(verb: Callable[..., None], calls: Sequence[tuple[Any, ...]]) -> list[None]:
    """Call a verb that answers nothing once for each tuple of arguments."""
    for call in calls:
        verb(*call)
    return [None] * len(calls)


def _complete(
    storage: Storage, outcomes: Sequence[Complete], now: int
) -> list[Record | QueueError | bool]:
    """Complete the quick way what can be, which is answered with True, and the rest otherwise."""
    done = storage.complete(outcomes, now)
    left = [outcome for outcome, quick in zip(outcomes, done, strict=True) if not quick]
    if not left:
        return [*done]
    answers = iter(storage.transition(left, now))
    return [quick or next(answers) for quick in done]


Verb = Callable[[Storage, Sequence[Any], int], list[Any]]

VERBS: dict[str, Verb] = {
    "complete": _complete,
    "transition": lambda storage, events, now: storage.transition(events, now),
    "add": lambda storage, groups, now: storage.add(groups, now),
    "delete": lambda storage, ids, now: storage.delete(ids),
    "purge": lambda storage, filters, now: [storage.purge(f, PURGE_BATCH) for f in filters],
    "pause": lambda storage, pauses, now: _each(storage.pause, pauses),
    "saw": lambda storage, sightings, now: storage.saw(sightings, now),
    "drain": lambda storage, workers, now: [storage.drain(w, now) for w in workers],
    "forget": lambda storage, moments, now: _each(storage.forget_workers, moments),
    "sweep": lambda storage, limits, now: [storage.sweep(now, limit) for limit in limits],
    # Last, so that a claim finds what the others have made due.
    "claim": lambda storage, claims, now: storage.claim(claims, now),
}
"""The verbs in the order in which one transaction carries them out."""


class _Batch:
    """The members of one verb's list, and to whom the answers belong."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self._owners: list[tuple[list[list[Any]], int, int]] = []

    def take(self, items: Sequence[Any], answer: list[list[Any]], place: int) -> None:
        self.items.extend(items)
        self._owners.append((answer, place, len(items)))

    def give(self, found: list[Any]) -> None:
        start = 0
        for answer, place, length in self._owners:
            answer[place] = found[start : start + length]
            start += length


Transaction = Callable[[], AbstractContextManager[None]]


def execute(
    storage: Storage,
    operations: Sequence[Operation[Any]],
    transaction: Transaction | None = None,
) -> list[list[list[Any]]]:
    """Carry all out in one transaction; for each operation the answers to its steps.

    One that is overtaken is run again. Raises whatever the storage raises; nothing has happened
    then. `transaction` begins one; by default the storage's.
    """
    begin = transaction or storage.transaction
    for failures in range(1, TRIES):
        try:
            return _execute(storage, operations, begin)
        except Overtaken:
            # Not for secrets: two that met are not to meet again.
            time.sleep(random.random() * AGAIN_WITHIN * failures)  # noqa: S311
    return _execute(storage, operations, begin)


def _execute(
    storage: Storage, operations: Sequence[Operation[Any]], begin: Transaction
) -> list[list[list[Any]]]:
    answers: list[list[list[Any]]] = [[[]] * len(operation.steps) for operation in operations]
    batches: dict[str, _Batch] = defaultdict(_Batch)
    for operation, answer in zip(operations, answers, strict=True):
        for place, step in enumerate(operation.steps):
            batches[step.verb].take(step.items, answer, place)
    with begin():
        now = storage.now()
        for verb, run in VERBS.items():
            if verb in batches:
                batches[verb].give(run(storage, batches[verb].items, now))
    return answers


def execute_apart(
    storage: Storage,
    operations: Sequence[Operation[Any]],
    transaction: Transaction | None = None,
) -> list[list[list[Any]] | QueueError]:
    """Like execute, but an operation that breaks takes none of its neighbours down.

    When the storage can't be used, all are Unavailable and nothing was done.
    """
    try:
        return [*execute(storage, operations, transaction)]
    except Unavailable as error:
        return [error] * len(operations)
    except Exception as error:
        if len(operations) == 1:
            if isinstance(error, QueueError):
                return [error]
            logger.exception("an operation failed: %s", [s.verb for s in operations[0].steps])
            return [InternalError()]
    return [
        answer
        for operation in operations
        for answer in execute_apart(storage, [operation], transaction)
    ]
