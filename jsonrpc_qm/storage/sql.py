"""The verbs of storage/base.py in SQL.

What differs from one database to another is in a subclass; see sqlite.py. The statements are in
statements.py.
"""

import threading
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import msgspec
import peewee

from jsonrpc_qm.errors import Conflict, InvalidState, QueueError, TaskNotFound
from jsonrpc_qm.jsontext import same
from jsonrpc_qm.record import UNFINISHED, Record, public_status
from jsonrpc_qm.storage import reads, statements
from jsonrpc_qm.storage.alone import Alone
from jsonrpc_qm.storage.base import (
    SWEEP_LIMIT,
    WORKER_GONE,
    Claim,
    Filter,
    NameStats,
    Overtaken,
    Sighting,
    Swept,
    WorkerRow,
)
from jsonrpc_qm.storage.cursors import FOREVER
from jsonrpc_qm.storage.migrations import Migration
from jsonrpc_qm.storage.moves import GONE, NEW, Moves, TellsMoves
from jsonrpc_qm.storage.sql_copy import SqlCopy
from jsonrpc_qm.storage.sql_lists import SqlLists
from jsonrpc_qm.storage.sql_transitions import SqlTransitions
from jsonrpc_qm.transitions import Elapse


class SqlStorage(Alone, SqlTransitions, SqlLists, SqlCopy, TellsMoves):
    """A storage on a database that peewee connects to, one connection a thread."""

    url: str

    locking = ""
    """What a query ends with so that others wait to change what it found."""

    skipping = ""
    """What a query ends with so that it locks what it finds, and passes over what others have."""

    among = "seq IN ({})"
    """That a row is one of those that a query gives."""

    upgraded: Sequence[Migration] = ()
    """The changes of the schema that opening it has made, or with Upgrade.NONE would make."""

    def __init__(self, database: peewee.Database) -> None:
        self.database = database
        self._local = threading.local()

    # -- running statements -------------------------------------------------------------------

    def run(self, sql: str, params: Sequence[Any] = ()) -> Any:
        """Execute one statement and return its cursor."""
        return self.database.execute_sql(sql, params)

    def run_soon(self, sql: str, params: Sequence[Any] = ()) -> None:
        """Execute a statement whose answer nobody needs; a database may wait for the next one."""
        self.run(sql, params)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self.exclusive(), self.translated():
            self.begin()
            self._local.moves = Moves()
            self._local.stored = Counter()
            try:
                yield
                self._store_tally()
                self.commit()
            except BaseException:
                self.roll_back()
                raise
        self._tell(self._local.moves)

    def begin(self) -> None:
        """Begin a transaction that may write."""
        self.run("BEGIN")

    def commit(self) -> None:
        """Have it all on stable storage."""
        self.run("COMMIT")

    def roll_back(self) -> None:
        """Undo the open transaction, if there still is one."""
        self.run("ROLLBACK")

    @abstractmethod
    def exclusive(self) -> AbstractContextManager[Any]:
        """Keep other threads of this process from writing, where that helps the database."""

    @abstractmethod
    def translated(self) -> AbstractContextManager[None]:
        """Turn the database's errors into Unavailable."""

    @property
    def _moves(self) -> Moves:
        """What this thread's transaction has done."""
        moves: Moves = self._local.moves
        return moves

    def _undone_moves(self) -> Callable[[], None]:
        """What puts the counts back to how they are now."""
        counted = self._moves.copy()
        return lambda: setattr(self._local, "moves", counted)

    def _store_tally(self) -> None:
        tally = self._moves.tally()
        unstored = tally.copy()
        unstored.subtract(self._local.stored)
        changed = [(*key, tasks) for key, tasks in sorted(unstored.items()) if tasks]
        if changed:
            self._add_to_tally(changed)
        self._local.stored = tally

    def _add_to_tally(self, changed: Sequence[tuple[str, str, int]]) -> None:
        for row in changed:
            self.run(statements.COUNT, row)

    # -- producers ----------------------------------------------------------------------------

    def add(self, groups: Sequence[Sequence[Record]], now: int) -> list[list[Record] | QueueError]:
        records = [record for group in groups for record in group]
        self.run_soon("SAVEPOINT adding")
        if self._insert(records) == len(records):
            self.run_soon("RELEASE SAVEPOINT adding")
            self._count_added(records)
            return [list(group) for group in groups]
        # Some are there already: undo, and look at each.
        self.run_soon("ROLLBACK TO adding")
        self.run_soon("RELEASE SAVEPOINT adding")
        return [self._add_group(group) for group in groups]

    @abstractmethod
    def _insert(self, records: Sequence[Record]) -> int:
        """Insert rows, but for those that meet an id or a unique key; how many."""

    def _count_added(self, records: Iterable[Record]) -> None:
        for (name, status), tasks in Counter((r.name, r.status) for r in records).items():
            self._moves.tasks[name, NEW, status] += tasks

    def _add_group(self, group: Sequence[Record]) -> list[Record] | QueueError:
        stored = {record.id: record for record in self._read([r.id for r in group], self.locking)}
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
        if self._insert(new) != len(new):
            raise Overtaken.of("another transaction has just stored one of these")
        self._count_added(new)
        return answer

    def _holder(self, name: str, unique_key: str) -> Record | None:
        """The unfinished task of the name that has the unique key."""
        row = self.run(statements.HOLDER, (name, unique_key)).fetchone()
        return Record(*row) if row else None

    # -- workers ------------------------------------------------------------------------------

    def claim(self, claims: Sequence[Claim], now: int) -> list[list[Record]]:
        paused, draining = self._prepare_claims(now)
        return [
            [] if claim.worker in draining else self._take(claim, paused, now) for claim in claims
        ]

    def _prepare_claims(self, now: int) -> tuple[set[str], set[str]]:
        """Sweep; the names that are paused, and the workers that are asked to finish."""
        found = self.run(statements.BEFORE_CLAIMS, (now,)).fetchall()
        looked: dict[str, set[str]] = {kind: set() for kind in ("paused", "drained", "due")}
        for kind, value in found:
            looked[kind].add(value)
        if looked["due"]:
            self._sweep(now, SWEEP_LIMIT)
        return looked["paused"], looked["drained"]

    def _take(self, claim: Claim, paused: set[str], now: int) -> list[Record]:
        names = [name for name in dict.fromkeys(claim.names) if name not in paused]
        if not names:
            return []
        taken = self._taken(claim, names, now)
        self._moves.claim(taken)
        return taken

    def _taken(self, claim: Claim, names: Sequence[str], now: int) -> list[Record]:
        """The tasks that a claim gets of those names, which it has taken."""
        sql = statements.claim(len(names), self.skipping, self.among)
        rows = self.run(sql, statements.claim_params(claim, names, now)).fetchall()
        # RETURNING gives rows in any order.
        rows.sort(key=statements.claim_order)
        return [Record(*row[1:]) for row in rows]

    def sweep(self, now: int, limit: int = SWEEP_LIMIT) -> Swept:
        moved = self._sweep(now, limit)
        # What this transaction has changed is not counted in the table yet.
        self._store_tally()
        return Swept(
            records=moved,
            ready=dict(self.run(statements.READY).fetchall()),
            next_due=self.run(statements.NEXT_DUE).fetchone()[0],
        )

    def _sweep(self, now: int, limit: int) -> list[Record]:
        due = [Record(*row) for row in self.run(statements.due(self.skipping), (now, limit))]
        moved = [(record, Elapse(id=record.id).apply(record, now)) for record in due]
        self._save((record, after) for record, after in moved if after is not record)
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
        return bool(self.run(statements.DRAIN, (worker, now - WORKER_GONE)).rowcount)

    def forget_workers(self, before: int) -> None:
        self.run(statements.FORGET_WORKERS, (before,))

    def pause(self, name: str, paused: bool) -> None:
        self.run(statements.PAUSE if paused else statements.RESUME, (name,))

    def delete(self, ids: Sequence[str]) -> list[bool | QueueError]:
        stored = {record.id: record for record in self._read(ids, self.locking)}
        answers: list[bool | QueueError] = []
        for id in ids:
            record = stored.get(id)
            if record is None:
                answers.append(TaskNotFound.of(id))
            elif record.status in UNFINISHED:
                answers.append(InvalidState.of(id, public_status(record.status)))
            else:
                self.run_soon(statements.DELETE, (id,))
                self._moves.see(stored.pop(id), None)
                answers.append(True)
        return answers

    def purge(self, filter: Filter, limit: int) -> int:
        before = filter.finished_before
        until = FOREVER if before is None else before
        named = () if filter.name is None else (filter.name,)
        statuses = reads.finished_statuses(filter.status)
        params = [(status, until, *named, limit) for status in statuses]
        purged = [(name, status, GONE) for name, status in self._purged(params, limit)]
        self._moves.tasks.update(purged)
        return len(purged)

    def _purged(self, params: Sequence[Sequence[Any]], limit: int) -> list[tuple[str, str]]:
        """Delete finished tasks; the name and status of each.

        `params` has for each status: itself, a moment, the name if only of one, and `limit`.
        """
        sql = statements.purge(len(params), self.among, by_name=len(params[0]) > 3)
        values = [value for of_status in params for value in of_status]
        found: list[tuple[str, str]] = self.run(sql, [*values, limit]).fetchall()
        return found

    # -- reads --------------------------------------------------------------------------------

    @abstractmethod
    def _read(self, ids: Sequence[str], lock: str = "") -> list[Record]:
        """Tasks by id; with `locking`, nobody else changes them before this transaction ends."""

    def get(self, ids: Sequence[str]) -> list[Record | None]:
        with self.translated():
            found = {record.id: record for record in self._read(ids)}
            return [found.get(id) for id in ids]

    def stats(self, now: int) -> dict[str, NameStats]:
        with self.translated():
            return reads.stats(self.run, now)

    def workers(self) -> list[WorkerRow]:
        with self.translated():
            return reads.workers(self.run)
