"""storage/base.py's `transition` in SQL: read, decide (transitions.py), write under a fence.

Most events concern one task each and are carried out as a set. Those that may store tasks or take a
unique key can depend on each other, and go one by one.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from jsonrpc_qm.errors import Conflict, QueueError, TaskNotFound
from jsonrpc_qm.record import Record
from jsonrpc_qm.storage import statements
from jsonrpc_qm.storage.moves import Moves
from jsonrpc_qm.transitions import Complete, Event, Retry

Answer = Record | QueueError
Placed = tuple[int, Event]
"""An event and its place in the list that was given."""


class SqlTransitions(ABC):
    """The part of SqlStorage that changes tasks by events."""

    run_soon: Callable[..., None]
    locking: str
    _read: Callable[..., list[Record]]
    _holder: Callable[[str, str], Record | None]
    _add_group: Callable[[Sequence[Record]], list[Record] | QueueError]
    _undone_moves: Callable[[], Callable[[], None]]

    @property
    @abstractmethod
    def _moves(self) -> Moves: ...

    def transition(self, events: Sequence[Event], now: int) -> list[Answer]:
        answers: dict[int, Answer] = {}
        ids = {event.id for event in events}
        # A unique key never changes, so the tasks need no lock for this.
        retried = self._read([event.id for event in events if isinstance(event, Retry)])
        keyed = {record.id for record in retried if record.unique_key is not None}

        def depends(placed: Placed) -> bool:
            return _depends(placed[1], ids, keyed)

        for alone, run in groupby(enumerate(events), depends):
            if alone:
                answers.update((place, self._apply_alone(event, now)) for place, event in run)
            else:
                for turn in _turns(run):
                    answers.update(self._apply(list(turn.values()), now))
        return [answers[place] for place in range(len(events))]

    def complete(self, outcomes: Sequence[Complete], now: int) -> list[bool]:
        if len({outcome.id for outcome in outcomes}) < len(outcomes):
            return [False] * len(outcomes)
        rows = [(o.id, o.token, o.result) for o in outcomes if not o.queue]
        ran = {id: (name, now - started_at) for id, name, started_at in self._completed(rows, now)}
        self._moves.complete(Counter(ran.values()))
        return [outcome.id in ran for outcome in outcomes]

    @abstractmethod
    def _completed(
        self, rows: Sequence[tuple[str, int, str | None]], now: int
    ) -> Iterable[tuple[str, str, int]]:
        """Complete the tasks, given by id, token and result, that are held by that token; the id,
        the name and the start of each."""

    def _apply(self, events: list[Placed], now: int) -> dict[int, Answer]:
        """Apply events of different tasks."""
        ids = [event.id for _, event in events]
        stored = {record.id: record for record in self._read(ids, self.locking)}
        answers = {place: _decided(event, stored.get(event.id), now) for place, event in events}
        changed = {
            place: event
            for place, event in events
            if isinstance(answers[place], Record) and answers[place] is not stored[event.id]
        }
        self._add_followers(changed, answers)
        after = [answers[place] for place in changed]
        self._save((stored[record.id], record) for record in after if isinstance(record, Record))
        return answers

    def _add_followers(self, changed: dict[int, Event], answers: dict[int, Answer]) -> None:
        """Store what goes with each outcome; a conflict there refuses the outcome."""
        for place, event in changed.items():
            if isinstance(event, Complete) and event.queue:
                added = self._add_group(event.queue)
                if isinstance(added, QueueError):
                    answers[place] = added

    def _apply_alone(self, event: Event, now: int) -> Answer:
        before = next(iter(self._read([event.id], self.locking)), None)
        after = _decided(event, before, now)
        if before is None or after is before or isinstance(after, QueueError):
            return after
        if isinstance(event, Retry) and after.unique_key is not None:
            holder = self._holder(after.name, after.unique_key)
            if holder is not None:
                return Conflict.of(holder.id)
        uncount = self._undone_moves()
        self.run_soon("SAVEPOINT ending")
        # First, since a task that follows may have the unique key of the one that ends.
        self._save([(before, after)])
        added = self._add_group(event.queue) if isinstance(event, Complete) else []
        if isinstance(added, QueueError):
            self.run_soon("ROLLBACK TO ending")
            uncount()
        self.run_soon("RELEASE SAVEPOINT ending")
        return added if isinstance(added, QueueError) else after

    def _save(self, changes: Iterable[tuple[Record, Record]]) -> None:
        """Write each record's new state, if it still is as it was when it was read."""
        rows = []
        for before, after in changes:
            rows.append(statements.save_params(before, after))
            self._moves.see(before, after)
        if self._write(rows) != len(rows):
            raise RuntimeError("a task changed between its read and its write")

    @abstractmethod
    def _write(self, rows: Sequence[tuple[Any, ...]]) -> int:
        """Write rows of statements.SAVED, each under its fence; how many were written."""


def _depends(event: Event, ids: set[str], keyed: set[str]) -> bool:
    """Whether what becomes of the event may depend on others of its batch, or theirs on it.

    The batch is about the tasks `ids`, of which `keyed` have a unique key to take again.
    """
    if isinstance(event, Complete):
        return any(task.unique_key is not None or task.id in ids for task in event.queue)
    return isinstance(event, Retry) and event.id in keyed


def _turns(events: Iterable[Placed]) -> Iterator[dict[str, Placed]]:
    """Split events, in their order, so that no turn has two of one task."""
    turn: dict[str, Placed] = {}
    for place, event in events:
        if event.id in turn:
            yield turn
            turn = {}
        turn[event.id] = (place, event)
    yield turn


def _decided(event: Event, record: Record | None, now: int) -> Answer:
    if record is None:
        return TaskNotFound.of(event.id)
    try:
        return event.apply(record, now)
    except QueueError as refusal:
        return refusal
