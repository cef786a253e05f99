"""What a transaction has brought about, for those who wait here and at other managers."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from jsonrpc_qm.errors import QueueError
from jsonrpc_qm.operations import Step
from jsonrpc_qm.record import UNFINISHED, Record
from jsonrpc_qm.server.committer import Committed
from jsonrpc_qm.server.entry import Entry
from jsonrpc_qm.storage.base import News, Swept
from jsonrpc_qm.transitions import Complete

MOST_FINISHED = 100
"""Of how many finished tasks others are told by id."""

MOST_NAMES = 20
"""Of how many names others are told."""

MOST_DRAINED = 100
"""Of how many drained workers others are told."""


class Outcome:
    """The tasks of a transaction, sorted by what has become of them."""

    def __init__(self, *, shared: bool) -> None:
        """Without other managers on the storage, what only concerns them is passed over."""
        self._shared = shared
        self.due: Counter[str] = Counter()
        """How many tasks of each name became due by an event."""
        self._ripened: Counter[str] = Counter()
        """How many of each name sweeps found to have become due by time."""
        self.ready: dict[str, int] = {}
        """How many tasks of each name a claim could take after the last sweep."""
        self.has_swept = False
        self._added: dict[str, str] = {}
        """The names of the due tasks that were stored, by id."""
        self._claimed: set[str] = set()
        self.finished: list[Record] = []
        self.completed: list[str] = []
        """The ids of those that were completed without their record."""
        self.drained: list[str] = []
        """The workers that were asked to drain."""
        self.next_due: int | None = None
        """When time alone changes one of them next."""

    def see(self, step: Step, found: list[Any]) -> None:
        """Take in what the storage answered to a step."""
        if step.verb == "add":
            self._add(task for group in found if isinstance(group, list) for task in group)
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
            for swept in found:
                self._sweep(swept)
        elif step.verb == "drain":
            asked = zip(step.items, found, strict=True)
            self.drained.extend(worker for worker, is_known in asked if is_known)

    @property
    def added(self) -> Counter[str]:
        """How many due tasks of each name were stored, and not claimed in the same transaction."""
        return Counter(name for id, name in self._added.items() if id not in self._claimed)

    def news(self) -> News | None:
        """What others are to hear of it; None for nothing."""
        due = self.due + self._ripened + self.added
        finished = [*self.completed, *(record.id for record in self.finished)]
        sizes = (len(due), len(finished), len(self.drained))
        if not any(sizes):
            return None
        limits = (MOST_NAMES, MOST_FINISHED, MOST_DRAINED)
        if any(size > limit for size, limit in zip(sizes, limits, strict=True)):
            return News(more=True)
        return News(due=dict(due), finished=finished, drained=self.drained)

    def _add(self, records: Iterable[Record]) -> None:
        for record in records:
            self._expect(record.due_at)
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

    def _sweep(self, swept: Swept) -> None:
        self.has_swept = True
        # What has ripened is among it.
        self.ready = swept.ready
        self._expect(swept.next_due)
        self._sort(swept.records, self._ripened)

    def _take(self, records: Iterable[Record]) -> None:
        self._sort(records, self.due)

    def _sort(self, records: Iterable[Record], due: Counter[str]) -> None:
        for record in records:
            self._expect(record.due_at)
            if record.status == "queued":
                due[record.name] += 1
            elif record.status not in UNFINISHED:
                self.finished.append(record)

    def _expect(self, moment: int | None) -> None:
        if moment is not None and (self.next_due is None or moment < self.next_due):
            self.next_due = moment


def new_tasks(step: Step) -> Iterator[Sequence[Record]]:
    """The groups of tasks that a step stores unless it is refused."""
    if step.verb == "add":
        yield from step.items
    elif step.verb == "transition":
        yield from (event.queue for event in step.items if isinstance(event, Complete))


def claimed_tasks(entry: Entry, answers: list[list[Any]]) -> list[Record]:
    """The tasks that an entry has taken."""
    return [
        record
        for step, found in zip(entry.operation.steps, answers, strict=True)
        if step.verb == "claim"
        for group in found
        for record in group
    ]


def due_names(group: Sequence[Record]) -> Counter[str]:
    """How many due tasks of each name are among some that are stored."""
    return Counter(record.name for record in group if record.status == "queued")


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
        return any(swept.records for swept in found)
    # All others were asked for, and are seldom refused.
    return True
