"""What a transaction has brought about, for those who wait here and at other managers."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from jsonrpc_qm.errors import QueueError
from jsonrpc_qm.operations import Step
from jsonrpc_qm.record import UNFINISHED, Record
from jsonrpc_qm.server.committer import Committed
from jsonrpc_qm.storage.base import News
from jsonrpc_qm.transitions import Complete

MOST_FINISHED = 100
"""Of how many finished tasks others are told by id."""

MOST_NAMES = 20
"""Of how many names others are told."""


class Outcome:
    """The tasks of a transaction, sorted by what has become of them."""

    def __init__(self, *, shared: bool) -> None:
        """Without other managers on the storage, what only concerns them is passed over."""
        self._shared = shared
        self.due: Counter[str] = Counter()
        """How many tasks of each name became due by an event, or by time."""
        self._added: dict[str, str] = {}
        """The names of the due tasks that were stored, by id."""
        self._claimed: set[str] = set()
        self.finished: list[Record] = []
        self.completed: list[str] = []
        """The ids of those that were completed without their record."""
        self.next_due: int | None = None
        """When time alone changes one of them next."""

    def see(self, step: Step, found: list[Any]) -> None:
        """Take in what the storage answered to a step."""
        if step.verb == "add":
            for group in found:
                if not isinstance(group, QueueError):
                    self._add(group)
        elif step.verb == "claim":
            for group in found:
                self._claim(group)
        elif step.verb == "transition":
            self._take(each for each in found if isinstance(each, Record))
            for followers in new_tasks(step):
                self._add(followers)
        elif step.verb == "complete":
            self._complete(step.items, found)
        elif step.verb == "sweep":
            self._take(found[0].records)

    @property
    def added(self) -> Counter[str]:
        """How many due tasks of each name were stored, and not claimed in the same transaction."""
        return Counter(name for id, name in self._added.items() if id not in self._claimed)

    def news(self) -> News | None:
        """What others are to hear of it; None for nothing."""
        due = self.due + self.added
        finished = [*self.completed, *(record.id for record in self.finished)]
        if not due and not finished:
            return None
        if len(due) > MOST_NAMES or len(finished) > MOST_FINISHED:
            return News(more=True)
        return News(due=dict(due), finished=finished)

    def _add(self, records: Sequence[Record]) -> None:
        for record in records:
            if record.due_at is not None:
                self.next_due = min(record.due_at, self.next_due or record.due_at)
            if self._shared and record.status == "queued":
                self._added[record.id] = record.name

    def _claim(self, records: Sequence[Record]) -> None:
        self._take(records)
        if self._shared:
            self._claimed.update(record.id for record in records)

    def _complete(self, outcomes: Sequence[Complete], found: Sequence[Any]) -> None:
        self._take(each for each in found if isinstance(each, Record))
        if self._shared:
            done = zip(outcomes, found, strict=True)
            self.completed.extend(outcome.id for outcome, ended in done if ended is True)

    def _take(self, records: Iterable[Record]) -> None:
        for record in records:
            if record.due_at is not None:
                self.next_due = min(record.due_at, self.next_due or record.due_at)
            if record.status == "queued":
                self.due[record.name] += 1
            elif record.status not in UNFINISHED:
                self.finished.append(record)


def new_tasks(step: Step) -> Iterator[Sequence[Record]]:
    """The groups of tasks that a step stores unless it is refused."""
    if step.verb == "add":
        yield from step.items
    elif step.verb == "transition":
        yield from (event.queue for event in step.items if isinstance(event, Complete))


def has_changed(done: Committed) -> bool:
    """Whether a transaction has left anything else than it was before."""
    return any(
        _changes(step, answer)
        for entry, answers in done
        if not isinstance(answers, QueueError)
        for step, answer in zip(entry.operation.steps, answers, strict=True)
    )


def _changes(step: Step, found: list[Any]) -> bool:
    if step.verb in ("claim", "purge", "forget"):
        return any(found)
    if step.verb == "sweep":
        return bool(found[0].records)
    # All others were asked for, and are seldom refused.
    return True
