"""The embedded default: one SQLite file, several processes may use it at the same time."""

import os
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import peewee

from jsonrpc_qm.errors import Unavailable
from jsonrpc_qm.record import Record
from jsonrpc_qm.storage import statements
from jsonrpc_qm.storage.complaints import Complaints
from jsonrpc_qm.storage.schema import create_schema
from jsonrpc_qm.storage.sql_rows import SqlRowsStorage
from jsonrpc_qm.storage.upgrade import Upgrade
from jsonrpc_qm.storage.wal import RETRY_EVERY, WriteAheadLog
from jsonrpc_qm.transitions import Complete

DEFAULT_PATH = "jsonrpc-qm.db"
"""Where `QueueManager()` keeps its tasks, in the current folder."""

PRAGMAS = {
    "journal_mode": "wal",
    # A commit returns when the log is on the disk, not only in the system's memory.
    "synchronous": "full",
    # Kibibytes, when negative.
    "cache_size": -24 * 1024,
    # Pages of log before it is copied into the database; fewer, longer copies than the default.
    "wal_autocheckpoint": 4000,
    # Bytes to which the log shrinks again when a long read has kept it from being copied.
    "journal_size_limit": 32 * 1024 * 1024,
    "temp_store": "memory",
}

WIDTHS = (100, 30, 10, 3, 1)
"""How many rows one statement carries: few sizes, so that each is prepared once and kept."""

OLDEST_SQLITE = (3, 35, 0)
"""The first release with RETURNING."""


class SqliteStorage(SqlRowsStorage):
    """Tasks in the SQLite file at `path`, made when it is not there.

    Every commit is on the disk when it returns (WAL, synchronous=FULL). `timeout` is how many
    seconds a write waits for another process that is writing.

    Raises:
        Unavailable: the file can't be opened or written, is no database, or is of a newer version.
    """

    def __init__(
        self,
        path: str | Path = DEFAULT_PATH,
        *,
        timeout: float = 10.0,
        upgrade: Upgrade = Upgrade.AT_START,
    ) -> None:
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            raise Unavailable.of(f"SQLite {sqlite3.sqlite_version} is too old, 3.35 is needed")
        self.path = Path(path)
        self.url = f"sqlite:///{path}"
        self._writing = threading.Lock()
        self._pid = os.getpid()
        self._timeout = timeout
        # Threads that connect later must find the same file, wherever the process has moved to.
        self._file = os.path.realpath(path)
        if Path(self._file).exists() and not os.access(self._file, os.W_OK):
            # SQLite would put a read-only log beside it, which outlives the cause.
            raise Unavailable.of(f"the database {self.path} is read-only")
        if upgrade is Upgrade.NONE and not Path(self._file).exists():
            raise Unavailable.of(f"there is no database {self.path}")
        self._log: WriteAheadLog | None = None
        self._complaints = Complaints(str(self.path))
        self._connections = _Connections(self._file, timeout=timeout, check=self._check_place)
        super().__init__(self._connections)
        try:
            with self.transaction():
                self.upgraded = create_schema(self.database, upgrade)
        except BaseException:
            self.close()
            raise

    def now(self) -> int:
        return time.time_ns() // 1000

    def exclusive(self) -> threading.Lock:
        self._leave_parents_alone()
        # SQLite has one writer; waiting for a lock wakes sooner than its own retries.
        return self._writing

    def run(self, sql: str, params: Sequence[Any] = ()) -> Any:
        deadline = 0.0
        while True:
            try:
                return super().run(sql, params)
            except peewee.OperationalError as error:
                deadline = deadline or time.monotonic() + self._timeout
                if not _is_busy(error) or time.monotonic() >= deadline:
                    raise
            time.sleep(RETRY_EVERY)

    def run_rows(
        self,
        statement: Callable[[str], str],
        columns: Sequence[str],
        rows: Sequence[Sequence[Any]],
        params: Sequence[Any] = (),
    ) -> Iterator[Any]:
        for chunk in _chunks(rows):
            values = [value for row in chunk for value in row]
            yield self.run(statement(_values(len(columns), len(chunk))), [*params, *values])

    def complete(self, outcomes: Sequence[Complete], now: int) -> list[bool]:
        if len({outcome.id for outcome in outcomes}) < len(outcomes):
            return [False] * len(outcomes)
        done: list[bool] = []
        for chunk in _chunks(outcomes):
            done.extend([self._complete_all(chunk, now)] * len(chunk))
        return done

    def _complete_all(self, outcomes: Sequence[Complete], now: int) -> bool:
        """Complete all, if all are as simple as nearly always: rows that a statement returns cost
        more than looking first."""
        if any(outcome.queue for outcome in outcomes):
            return False
        claims = [(outcome.id, outcome.token) for outcome in outcomes]
        found = self.run_rows(statements.held, ("id", "token"), claims)
        held = [row for cursor in found for row in cursor.fetchall()]
        if sum(tasks for *_, tasks in held) < len(outcomes):
            return False
        rows = [(outcome.id, outcome.token, outcome.result) for outcome in outcomes]
        written = self.run_rows(statements.complete, statements.COMPLETED, rows, (now, now))
        if sum(cursor.rowcount for cursor in written) != len(outcomes):
            raise RuntimeError("a task changed between its read and its write")
        ran: Counter[tuple[str, int]] = Counter()
        for name, started_at, tasks in held:
            ran[name, now - started_at] += tasks
        self._moves.complete(ran)
        return True

    def _read(self, ids: Sequence[str], lock: str = "") -> list[Record]:
        found: list[Record] = []
        for chunk in _chunks(ids):
            sql = statements.read(f"IN ({_marks(len(chunk))})", lock)
            found.extend(Record(*row) for row in self.run(sql, chunk))
        return found

    def begin(self) -> None:
        # A deferred transaction that reads first could not become a writing one later.
        begin = "BEGIN IMMEDIATE"
        if self._log is None:
            self.run(begin)
            self._log = self._opened_log()
        else:
            self._check_place()
            with self._log.turn(self._timeout):
                self.run(begin)

    def _check_place(self) -> None:
        if self._log is not None and not self._log.is_in_place():
            raise peewee.OperationalError("it or its log is not the file that was opened")

    def _opened_log(self) -> WriteAheadLog | None:
        try:
            return WriteAheadLog(self._file)
        except OSError:
            # Some network file systems allow none.
            return None

    def roll_back(self) -> None:
        # A full disk makes SQLite roll back by itself.
        if not self.database.is_closed() and self.database.connection().in_transaction:
            self.run("ROLLBACK")

    @contextmanager
    def translated(self) -> Iterator[None]:
        self._leave_parents_alone()
        try:
            yield
        except (peewee.IntegrityError, sqlite3.IntegrityError):
            raise
        except (peewee.DatabaseError, peewee.InterfaceError, sqlite3.Error) as error:
            self._complaints.warn(str(error))
            raise Unavailable.of(f"the database {self.path} can't be used ({error})") from error

    def _leave_parents_alone(self) -> None:
        """After a fork: the connections and the lock are the parent's."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._writing = threading.Lock()
            self._connections.disown()
            self._close_log()

    def changes(self) -> int:
        with self.translated():
            return int(self.run("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        self._connections.close_all()
        self._close_log()

    def _close_log(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None


class _Connections(peewee.SqliteDatabase):
    """A connection a thread, all of which any thread may close."""

    def __init__(self, path: str, *, timeout: float, check: Callable[[], None]) -> None:
        self._check = check
        self._opened: list[sqlite3.Connection] = []
        self._inherited: list[sqlite3.Connection] = []
        super().__init__(path, pragmas=PRAGMAS, timeout=timeout, check_same_thread=False)

    def _connect(self) -> Any:
        # Without this a file that was moved would be made anew, empty.
        self._check()
        connection = self._opened_file()
        # From here on SqliteStorage.run does the waiting.
        connection.execute("PRAGMA busy_timeout = 0")
        self._opened.append(connection)
        return connection

    def _opened_file(self) -> sqlite3.Connection:
        """A connection, when no other process is just making the file."""
        # peewee's stubs leave the method out.
        database: Any = super()
        deadline = time.monotonic() + self.timeout
        while True:
            try:
                opened: sqlite3.Connection = database._connect()
            except sqlite3.OperationalError as error:
                # SQLite does not wait by itself for the change to a write-ahead log.
                busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not busy or time.monotonic() >= deadline:
                    raise
                time.sleep(RETRY_EVERY)
            else:
                return opened

    def disown(self) -> None:
        """Never use or close the connections of a parent process: SQLite forbids it."""
        self._inherited.extend(self._opened)
        self._opened.clear()
        self.dispose()

    def close_all(self) -> None:
        self.close()
        while self._opened:
            self._opened.pop().close()


T = TypeVar("T")


def _chunks(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    """The rows in runs of WIDTHS, the widest first."""
    start = 0
    for width in WIDTHS:
        while len(rows) - start >= width:
            yield rows[start : start + width]
            start += width


@cache
def _marks(values: int) -> str:
    return ", ".join("?" * values)


@cache
def _values(columns: int, rows: int) -> str:
    return "VALUES " + ", ".join([f"({_marks(columns)})"] * rows)


def _is_busy(error: peewee.OperationalError) -> bool:
    """Whether another process holds the lock."""
    code: int = getattr(getattr(error, "orig", None), "sqlite_errorcode", 0)
    return code & 0xFF == sqlite3.SQLITE_BUSY
