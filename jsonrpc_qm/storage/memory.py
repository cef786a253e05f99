"""Tasks in memory: the executable specification of storage/base.py, and a storage for tests."""

import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from heapq import merge
from itertools import count, islice, takewhile

from msgspec.structs import replace

from jsonrpc_qm.errors import Conflict, InvalidState, QueueError, TaskNotFound
from jsonrpc_qm.jsontext import same
from jsonrpc_qm.moments import SECOND
from jsonrpc_qm.record import SCHEDULED, UNFINISHED, Record, public_status
from jsonrpc_qm.storage.alone import Alone
from jsonrpc_qm.storage.base import (
    SWEEP_LIMIT,
    WORKER_GONE,
    Claim,
    Filter,
    Listing,
    NameStats,
    Page,
    Sighting,
    Swept,
    WorkerRow,
)
from jsonrpc_qm.storage.cursors import position
from jsonrpc_qm.storage.moves import Moves, TellsMoves
from jsonrpc_qm.storage.orders import Stored, Tasks
from jsonrpc_qm.task import FINISHED
from jsonrpc_qm.transitions import Complete, Elapse, Event, Retry, claimed


class MemoryStorage(Alone, TellsMoves):
    """Tasks that last as long as this object; for tests, and for work that may be lost.

    One lock serves all threads: who reads while another thread's transaction is open waits until it
    has ended, so nobody sees half of it.
    """

    url = "memory:"

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._undo: list[Callable[[], object]] | None = None
        self._changed: list[tuple[Record | None, Record | None]] = []
        """What the transaction has made of tasks: the records before and after."""
        self._numbers = count(1)
        self._tasks = Tasks()
        self._paused: set[str] = set()
        self._workers: dict[str, WorkerRow] = {}

    def now(self) -> int:
        return time.time_ns() // 1000

    # -- transactions -------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._lock:
            if self._undo is not None:
                raise RuntimeError("transactions do not nest")
            self._undo = []
            self._changed = []
            try:
                yield
            except BaseException:
                self._roll_back_to(0)
                raise
            finally:
                self._undo = None
            changed = self._changed
        moves = Moves()
        for before, after in changed:
            moves.see(before, after)
        self._tell(moves)

    def _remember(self, undo: Callable[[], object]) -> None:
        """Keep what takes the change back that is made next."""
        if self._undo is None:
            raise RuntimeError("a verb that writes needs a transaction around it")
        self._undo.append(undo)

    def _savepoint(self) -> int:
        return len(self._undo or ())

    def _roll_back_to(self, savepoint: int) -> None:
        while self._undo and len(self._undo) > savepoint:
            self._undo.pop()()

    def _put(self, id: str, stored: Stored | None) -> None:
        before = self._tasks.by_id.get(id)
        self._remember(partial(self._tasks.put, id, before))
        self._remember(self._changed.pop)
        self._changed.append((before and before.record, stored and stored.record))
        self._tasks.put(id, stored)

    def _save(self, record: Record) -> Record:
        """Write the new state of a task that is there."""
        self._put(record.id, Stored(record, self._tasks.by_id[record.id].number))
        return record

    def _put_worker(self, row: WorkerRow) -> None:
        before = self._workers.get(row.worker)
        if before is None:
            self._remember(partial(self._workers.pop, row.worker))
        else:
            self._remember(partial(self._workers.__setitem__, row.worker, before))
        self._workers[row.worker] = row

    # -- producers ----------------------------------------------------------------------------

    def add(self, groups: Sequence[Sequence[Record]], now: int) -> list[list[Record] | QueueError]:
        with self._lock:
            return [self._add_group(group) for group in groups]

    def _add_group(self, group: Sequence[Record]) -> list[Record] | QueueError:
        savepoint = self._savepoint()
        records = []
        for record in group:
            answer = self._add(record)
            if isinstance(answer, QueueError):
                self._roll_back_to(savepoint)
                return answer
            records.append(answer)
        return records

    def _add(self, record: Record) -> Record | QueueError:
        known = self._tasks.get(record.id)
        if known is not None:
            if known.name == record.name and same(known.parameters, record.parameters):
                return known
            return Conflict.of(record.id)
        holder = self._tasks.holder(record)
        if holder is not None:
            return holder
        self._put(record.id, Stored(record, next(self._numbers)))
        return record

    # -- workers ------------------------------------------------------------------------------

    def claim(self, claims: Sequence[Claim], now: int) -> list[list[Record]]:
        with self._lock:
            self._sweep(now, SWEEP_LIMIT)
            return [self._claim(claim, now) for claim in claims]

    def _claim(self, claim: Claim, now: int) -> list[Record]:
        worker = self._workers.get(claim.worker) if claim.worker is not None else None
        if worker is not None and worker.drain:
            return []
        names = set(claim.names) - self._paused
        in_order = merge(*(self._tasks.claimable[name] for name in names))
        candidates = (self._tasks.by_id[id].record for *_, id in in_order)
        # One that has expired, but that the sweep did not come to, is nobody's any more.
        valid = (r for r in candidates if r.due_at is None or r.due_at > now)
        return [
            self._save(claimed(record, now, worker=claim.worker, lease=claim.lease))
            for record in list(islice(valid, claim.max_tasks))
        ]

    def transition(self, events: Sequence[Event], now: int) -> list[Record | QueueError]:
        with self._lock:
            return [self._apply(event, now) for event in events]

    def _apply(self, event: Event, now: int) -> Record | QueueError:
        before = self._tasks.get(event.id)
        if before is None:
            return TaskNotFound.of(event.id)
        try:
            after = event.apply(before, now)
        except QueueError as refusal:
            return refusal
        if after is before:
            return before
        if isinstance(event, Retry):
            holder = self._tasks.holder(before)
            if holder is not None:
                return Conflict.of(holder.id)
        savepoint = self._savepoint()
        self._save(after)
        if isinstance(event, Complete):
            # The task is finished by now, so one that follows it may have its unique key.
            followers = self._add_group(event.queue)
            if isinstance(followers, QueueError):
                self._roll_back_to(savepoint)
                return followers
        return after

    def complete(self, outcomes: Sequence[Complete], now: int) -> list[bool]:
        times = Counter(outcome.id for outcome in outcomes)
        with self._lock:
            return [times[o.id] == 1 and self._complete(o, now) for o in outcomes]

    def _complete(self, outcome: Complete, now: int) -> bool:
        record = self._tasks.get(outcome.id)
        if record is None or outcome.queue:
            return False
        if record.status != "started" or record.token != outcome.token:
            return False
        self._save(outcome.apply(record, now))
        return True

    def sweep(self, now: int, limit: int = SWEEP_LIMIT) -> Swept:
        with self._lock:
            return Swept(
                records=self._sweep(now, limit),
                ready={
                    name: len(entries)
                    for name, entries in self._tasks.claimable.groups.items()
                    if name not in self._paused
                },
                next_due=next((due_at for due_at, *_ in self._tasks.due[None]), None),
            )

    def _sweep(self, now: int, limit: int) -> list[Record]:
        due = takewhile(lambda entry: entry[0] <= now, self._tasks.due[None])
        records = [self._tasks.by_id[id].record for *_, id in islice(due, limit)]
        return [self._save(Elapse(id=record.id).apply(record, now)) for record in records]

    def saw(self, sightings: Sequence[Sighting], now: int) -> list[bool]:
        with self._lock:
            return [self._saw(sighting, now) for sighting in sightings]

    def _saw(self, sighting: Sighting, now: int) -> bool:
        known = self._workers.get(sighting.worker)
        row = WorkerRow(
            worker=sighting.worker,
            names=sighting.names or (known.names if known is not None else ()),
            last_seen=now,
            running=0,
            drain=known is not None and known.drain and not _is_gone(known, now),
        )
        self._put_worker(row)
        return row.drain

    # -- operators ----------------------------------------------------------------------------

    def drain(self, worker: str, now: int) -> bool:
        with self._lock:
            known = self._workers.get(worker)
            if known is None or _is_gone(known, now):
                return False
            self._put_worker(replace(known, drain=True))
            return True

    def forget_workers(self, before: int) -> None:
        with self._lock:
            for row in list(self._workers.values()):
                if row.last_seen < before:
                    self._remember(partial(self._workers.__setitem__, row.worker, row))
                    del self._workers[row.worker]

    def pause(self, name: str, paused: bool) -> None:
        with self._lock:
            if paused and name not in self._paused:
                self._remember(partial(self._paused.remove, name))
                self._paused.add(name)
            elif not paused and name in self._paused:
                self._remember(partial(self._paused.add, name))
                self._paused.remove(name)

    def delete(self, ids: Sequence[str]) -> list[bool | QueueError]:
        with self._lock:
            return [self._delete(id) for id in ids]

    def _delete(self, id: str) -> bool | QueueError:
        record = self._tasks.get(id)
        if record is None:
            return TaskNotFound.of(id)
        if record.status in UNFINISHED:
            return InvalidState.of(id, public_status(record.status))
        self._put(id, None)
        return True

    def purge(self, filter: Filter, limit: int) -> int:
        with self._lock:
            groups = [
                entries
                for (name, status), entries in self._tasks.states.groups.items()
                if status in FINISHED
                and filter.name in (None, name)
                and filter.status in (None, status)
            ]
            old = takewhile(
                lambda entry: filter.finished_before is None or entry[0] < filter.finished_before,
                merge(*groups),
            )
            ids = [id for *_, id in islice(old, limit)]
            for id in ids:
                self._put(id, None)
            return len(ids)

    def load(self, records: Sequence[Record]) -> list[bool | QueueError]:
        with self._lock:
            return [self._load(record) for record in records]

    def _load(self, record: Record) -> bool | QueueError:
        known = self._tasks.get(record.id)
        if known == record:
            return False
        holds = record.unique_key is not None and record.status in UNFINISHED
        if known is not None or (holds and self._tasks.holder(record) is not None):
            return Conflict.of(record.id)
        self._put(record.id, Stored(record, next(self._numbers)))
        return True

    # -- reads --------------------------------------------------------------------------------

    def get(self, ids: Sequence[str]) -> list[Record | None]:
        with self._lock:
            return [self._tasks.get(id) for id in ids]

    def page(self, listing: Listing, limit: int, cursor: str | None) -> Page:
        with self._lock:
            listed = self._tasks.listed[None]
            end = bisect_left(listed, (position(cursor),))
            stored = (self._tasks.by_id[listed[place][-1]] for place in range(end - 1, -1, -1))
            matching = (
                (record, number)
                for record, number in stored
                if listing.name in (None, record.name)
                and (listing.reach is None or listing.reach(record.name))
                and listing.status in (None, public_status(record.status))
                and listing.matches(record)
            )
            found = list(islice(matching, limit + 1))
        more = len(found) > limit
        return Page(
            records=[record for record, _ in found[:limit]],
            next_cursor=str(found[limit - 1][1]) if more else None,
        )

    def dump(self, cursor: str | None, limit: int) -> Page:
        with self._lock:
            listed = self._tasks.listed[None]
            start = 0 if cursor is None else bisect_left(listed, (int(cursor) + 1,))
            found = [self._tasks.by_id[id] for _, id in listed[start : start + limit]]
        return Page(
            records=[record for record, _ in found],
            next_cursor=str(found[-1].number) if len(found) == limit else None,
        )

    def stats(self, now: int) -> dict[str, NameStats]:
        with self._lock:
            names = self._paused.union(name for name, _ in self._tasks.states.groups)
            return {name: self._stats(name, now) for name in sorted(names)}

    def _stats(self, name: str, now: int) -> NameStats:
        states = self._tasks.states
        queued = states[name, "queued"]
        scheduled = states[name, SCHEDULED]
        # Ripe, but no sweep has come by yet.
        ripe = bisect_left(scheduled, (now + 1,))
        first = [*queued[:1], *scheduled[: min(ripe, 1)]]
        oldest = min((run_at for run_at, *_ in first), default=None)
        return NameStats(
            queued=len(queued) + ripe,
            scheduled=len(scheduled) - ripe,
            started=len(states[name, "started"]),
            completed=len(states[name, "completed"]),
            failed=len(states[name, "failed"]),
            cancelled=len(states[name, "cancelled"]),
            oldest_queued_age=None if oldest is None else max(0, now - oldest) / SECOND,
            paused=name in self._paused,
        )

    def workers(self) -> list[WorkerRow]:
        with self._lock:
            return [
                replace(row, running=len(self._tasks.running[worker]))
                for worker, row in sorted(self._workers.items())
            ]

    def changes(self) -> int:
        return 0

    def close(self) -> None:
        """Nothing is held that would need releasing; the tasks stay readable."""


def _is_gone(row: WorkerRow, now: int) -> bool:
    return row.last_seen < now - WORKER_GONE
