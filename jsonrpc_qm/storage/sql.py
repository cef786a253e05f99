"""The verbs of storage/base.py in SQL.

What differs from one database to another is in a subclass; see sqlite.py. The statements are in
statements.py.
"""

import heapq
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import msgspec
import peewee
from msgspec.structs import astuple

from jsonrpc_qm.errors import Conflict, InvalidState, QueueError, TaskNotFound
from jsonrpc_qm.jsontext import same
from jsonrpc_qm.record import UNFINISHED, Record, public_status
from jsonrpc_qm.storage import reads, statements
from jsonrpc_qm.storage.base import (
    SWEEP_LIMIT,
    WORKER_GONE,
    Claim,
    Filter,
    NameStats,
    Page,
    Sighting,
    Swept,
    WorkerRow,
)
from jsonrpc_qm.transitions import Complete, Elapse, Event, Retry


class SqlStorage:
    """A storage on a database that peewee connects to, one connection a thread."""

    url: str

    def __init__(self, database: peewee.Database) -> None:
        self.database = database
        self._local = threading.local()

    # -- running statements -------------------------------------------------------------------

    def run(self, sql: str, params: Sequence[Any] = ()) -> Any:
        """Execute one statement and return its cursor."""
        return self.database.execute_sql(sql, params)

    def run_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        """Execute one statement for each row, and say how many rows of the table changed."""
        return int(self.database.cursor().executemany(sql, rows).rowcount)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self.exclusive(), self.translated():
            self.begin()
            self._local.tally = Counter()
            try:
                yield
                self._store_tally()
                self.run("COMMIT")
            except BaseException:
                self.roll_back()
                raise

    def begin(self) -> None:
        """Begin a transaction that may write."""
        self.run("BEGIN")

    def roll_back(self) -> None:
        """Undo the open transaction, if there still is one."""
        self.run("ROLLBACK")

    def exclusive(self) -> AbstractContextManager[Any]:
        """Keep other threads of this process from writing, where that helps the database."""
        raise NotImplementedError

    def translated(self) -> AbstractContextManager[None]:
        """Turn the database's errors into Unavailable."""
        raise NotImplementedError

    def _count(self, name: str, status: str, tasks: int = 1) -> None:
        self._local.tally[name, status] += tasks

    def _moved(self, before: Record, after: Record) -> None:
        if before.status != after.status:
            self._count(before.name, before.status, -1)
            self._count(after.name, after.status)

    def _store_tally(self) -> None:
        changed = [(*key, tasks) for key, tasks in sorted(self._local.tally.items()) if tasks]
        if changed:
            self.run_many(statements.COUNT, changed)

    # -- producers ----------------------------------------------------------------------------

    def add(self, groups: Sequence[Sequence[Record]], now: int) -> list[list[Record] | QueueError]:
        records = [record for group in groups for record in group]
        self.run("SAVEPOINT adding")
        if self._insert(records) == len(records):
            self.run("RELEASE adding")
            self._count_added(records)
            return [list(group) for group in groups]
        # Some are there already: undo, and look at each.
        self.run("ROLLBACK TO adding")
        self.run("RELEASE adding")
        return [self._add_group(group) for group in groups]

    def _insert(self, records: Sequence[Record]) -> int:
        """Insert rows, but for those that meet an id or a unique key; how many."""
        width = statements.INSERT_WIDTH
        rows = [astuple(record)[:width] for record in records]
        inserted = 0
        for chunk in statements.chunks(rows):
            values = [value for row in chunk for value in row]
            inserted += self.run(statements.insert(len(chunk)), values).rowcount
        return inserted

    def _count_added(self, records: Iterable[Record]) -> None:
        for (name, status), tasks in Counter((r.name, r.status) for r in records).items():
            self._count(name, status, tasks)

    def _add_group(self, group: Sequence[Record]) -> list[Record] | QueueError:
        stored = {record.id: record for record in self._read([r.id for r in group])}
        keyed: dict[tuple[str, str], Record] = {}
        answer: list[Record] = []
        new: list[Record] = []
        for record in group:
            known = stored.get(record.id)
            if known is not None:
                if known.name != record.name or not same(known.parameters, record.parameters):
                    return Conflict.of(record.id)
            elif record.unique_key is not None:
                key = (record.name, record.unique_key)
                known = keyed.get(key) or self._holder(*key)
            if known is None:
                known = record
                new.append(record)
            stored[known.id] = known
            if known.unique_key is not None and known.status in UNFINISHED:
                keyed[known.name, known.unique_key] = known
            answer.append(known)
        self._insert(new)
        self._count_added(new)
        return answer

    def _holder(self, name: str, unique_key: str) -> Record | None:
        """The unfinished task of the name that has the unique key."""
        row = self.run(statements.HOLDER, (name, unique_key)).fetchone()
        return Record(*row) if row else None

    # -- workers ------------------------------------------------------------------------------

    def claim(self, claims: Sequence[Claim], now: int) -> list[list[Record]]:
        self._sweep(now, SWEEP_LIMIT)
        paused = {name for (name,) in self.run(statements.PAUSED)}
        draining = {worker for (worker,) in self.run(statements.DRAINING)}
        return [
            [] if claim.worker in draining else self._take(claim, paused, now) for claim in claims
        ]

    def _take(self, claim: Claim, paused: set[str], now: int) -> list[Record]:
        names = [name for name in dict.fromkeys(claim.names) if name not in paused]
        if not names:
            return []
        rows = self.run(
            statements.claim(len(names)), statements.claim_params(claim, names, now)
        ).fetchall()
        # RETURNING gives rows in any order.
        rows.sort(key=statements.claim_order)
        taken = [Record(*row[1:]) for row in rows]
        for name, tasks in Counter(record.name for record in taken).items():
            self._count(name, "queued", -tasks)
            self._count(name, "started", tasks)
        return taken

    def transition(self, events: Sequence[Event], now: int) -> list[Record | QueueError]:
        answers: list[Record | QueueError | None] = [None] * len(events)
        waiting = list(enumerate(events))
        while waiting:
            # Events of one task go one after the other, so that each sees the one before.
            turn: dict[str, tuple[int, Event]] = {}
            later = []
            for place, event in waiting:
                if event.id in turn:
                    later.append((place, event))
                else:
                    turn[event.id] = (place, event)
            for place, answer in self._apply(self._complete(turn, answers, now), now):
                answers[place] = answer
            waiting = later
        return [answer for answer in answers if answer is not None]

    def _complete(
        self,
        turn: dict[str, tuple[int, Event]],
        answers: list[Record | QueueError | None],
        now: int,
    ) -> list[tuple[int, Event]]:
        """Complete what is as plain as nearly always, and give back the other events."""
        plain = [
            event for _, event in turn.values() if isinstance(event, Complete) and not event.queue
        ]
        for chunk in statements.chunks(plain):
            values = [value for event in chunk for value in (event.id, event.token, event.result)]
            for row in self.run(statements.complete(len(chunk)), (now, now, *values)):
                record = Record(*row)
                self._count(record.name, "started", -1)
                self._count(record.name, "completed")
                answers[turn.pop(record.id)[0]] = record
        return list(turn.values())

    def _apply(
        self, events: list[tuple[int, Event]], now: int
    ) -> Iterator[tuple[int, Record | QueueError]]:
        stored = {record.id: record for record in self._read([event.id for _, event in events])}
        answers: dict[int, Record | QueueError] = {}
        followed: list[tuple[int, Complete]] = []
        for place, event in events:
            answers[place] = self._decide(stored.get(event.id), event, now)
            changed = answers[place] is not stored.get(event.id)
            if isinstance(event, Complete) and event.queue and changed:
                followed.append((place, event))
        self._add_followers(followed, answers, now)
        self._save(
            [
                (stored[answer.id], answer)
                for answer in answers.values()
                if isinstance(answer, Record)
            ]
        )
        return iter(answers.items())

    def _decide(self, record: Record | None, event: Event, now: int) -> Record | QueueError:
        if record is None:
            return TaskNotFound.of(event.id)
        try:
            after = event.apply(record, now)
        except QueueError as refusal:
            return refusal
        if isinstance(event, Retry) and after.unique_key is not None:
            holder = self._holder(after.name, after.unique_key)
            if holder is not None:
                return Conflict.of(holder.id)
        return after

    def _add_followers(
        self,
        followed: list[tuple[int, Complete]],
        answers: dict[int, Record | QueueError],
        now: int,
    ) -> None:
        """Store what goes with each taken outcome; a conflict there refuses the outcome."""
        taken = [(place, event) for place, event in followed if isinstance(answers[place], Record)]
        if not taken:
            return
        added = self.add([event.queue for _, event in taken], now)
        for (place, _), group in zip(taken, added, strict=True):
            if isinstance(group, QueueError):
                answers[place] = group

    def _save(self, changes: Iterable[tuple[Record, Record]]) -> None:
        """Write each record's new state, if it still is as it was when it was read."""
        rows = []
        for before, after in changes:
            if after is not before:
                rows.append(statements.save_params(before, after))
                self._moved(before, after)
        if rows and self.run_many(statements.SAVE, rows) != len(rows):
            raise RuntimeError("a task changed between its read and its write")

    def sweep(self, now: int, limit: int = SWEEP_LIMIT) -> Swept:
        moved = self._sweep(now, limit)
        # What this transaction has changed is not counted in the table yet.
        self._store_tally()
        self._local.tally.clear()
        return Swept(
            records=moved,
            ready=dict(self.run(statements.READY).fetchall()),
            next_due=self.run(statements.NEXT_DUE).fetchone()[0],
        )

    def _sweep(self, now: int, limit: int) -> list[Record]:
        due = [Record(*row) for row in self.run(statements.DUE, (now, limit))]
        moved = [(record, Elapse(id=record.id).apply(record, now)) for record in due]
        self._save(moved)
        return [after for _, after in moved]

    def saw(self, sightings: Sequence[Sighting], now: int) -> list[bool]:
        answers = []
        for sighting in sightings:
            names = msgspec.json.encode(sighting.names).decode()
            params = (sighting.worker, names, now, "[]", now - WORKER_GONE)
            answers.append(bool(self.run(statements.SAW, params).fetchone()[0]))
        return answers

    # -- operators ----------------------------------------------------------------------------

    def drain(self, worker: str, now: int) -> bool:
        return bool(self.run(statements.DRAIN, (worker,)).rowcount)

    def forget_workers(self, before: int) -> None:
        self.run(statements.FORGET_WORKERS, (before,))

    def pause(self, name: str, paused: bool) -> None:
        self.run(statements.PAUSE if paused else statements.RESUME, (name,))

    def delete(self, ids: Sequence[str]) -> list[bool | QueueError]:
        answers: list[bool | QueueError] = []
        for id in ids:
            record = next(iter(self._read([id])), None)
            if record is None:
                answers.append(TaskNotFound.of(id))
            elif record.status in UNFINISHED:
                answers.append(InvalidState.of(id, public_status(record.status)))
            else:
                self.run(statements.DELETE, (id,))
                self._count(record.name, record.status, -1)
                answers.append(True)
        return answers

    def purge(self, filter: Filter, limit: int) -> int:
        purged = 0
        for status in reads.finished_statuses(filter.status):
            params: list[Any] = [status, filter.finished_before or statements.FOREVER]
            if filter.name is not None:
                params.append(filter.name)
            sql = statements.purge(by_name=filter.name is not None)
            names = Counter(name for (name,) in self.run(sql, [*params, limit - purged]))
            for name, tasks in names.items():
                self._count(name, status, -tasks)
            purged += names.total()
        return purged

    # -- reads --------------------------------------------------------------------------------

    def _read(self, ids: Sequence[str]) -> list[Record]:
        found: list[Record] = []
        for chunk in statements.chunks(ids):
            found.extend(Record(*row) for row in self.run(statements.read(len(chunk)), chunk))
        return found

    def get(self, ids: Sequence[str]) -> list[Record | None]:
        with self.translated():
            found = {record.id: record for record in self._read(ids)}
            return [found.get(id) for id in ids]

    def page(self, name: str | None, status: str | None, limit: int, cursor: str | None) -> Page:
        before = reads.position(cursor)
        with self.translated():
            branches = reads.branches(self.run, name, status)
            pages = [self.run(sql, (*params, before, limit + 1)) for sql, params in branches]
            newest = heapq.merge(*pages, key=lambda row: -row[0])
            seqs = [seq for (seq,), _ in zip(newest, range(limit + 1), strict=False)]
            page = seqs[:limit]
            rows = [self.run(statements.BY_SEQ, (seq,)).fetchone() for seq in page]
            # Another thread may have purged one meanwhile.
            records = [Record(*row) for row in rows if row]
        return Page(records=records, next_cursor=str(page[-1]) if len(seqs) > limit else None)

    def stats(self, now: int) -> dict[str, NameStats]:
        with self.translated():
            return reads.stats(self.run, now)

    def workers(self) -> list[WorkerRow]:
        with self.translated():
            return reads.workers(self.run)
