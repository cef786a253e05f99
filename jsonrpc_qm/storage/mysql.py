"""MySQL and MariaDB: several managers, on any number of machines, share one queue."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import msgspec
import peewee
import pymysql
from msgspec.structs import astuple
from pymysql.constants import ER

from jsonrpc_qm.errors import Unavailable
from jsonrpc_qm.record import Record
from jsonrpc_qm.storage import mysql_statements, statements
from jsonrpc_qm.storage.addresses import shown, taken_apart
from jsonrpc_qm.storage.base import WORKER_GONE, Claim, News, Overtaken, Sighting
from jsonrpc_qm.storage.clock import ServerClock
from jsonrpc_qm.storage.complaints import Complaints
from jsonrpc_qm.storage.mysql_connections import Connections, connect
from jsonrpc_qm.storage.mysql_news import MysqlNews
from jsonrpc_qm.storage.mysql_rows import decode, numbered
from jsonrpc_qm.storage.mysql_schema import collation, create_tables
from jsonrpc_qm.storage.mysql_url import options_of
from jsonrpc_qm.storage.schema import create_schema
from jsonrpc_qm.storage.sql import SqlStorage
from jsonrpc_qm.storage.upgrade import Upgrade
from jsonrpc_qm.transitions import claimed

logger = logging.getLogger("jsonrpc_qm.storage")

SCHEMA_LOCK_SECONDS = 30

MOST_ROWS = 500
"""How many rows one statement carries."""

MOST_TEXT = 4 * 1024 * 1024
"""Characters of all texts that one statement carries; less if the server takes less."""

BEGIN = "BEGIN"
COMMIT = "COMMIT"

COLLISIONS = (ER.LOCK_DEADLOCK, ER.DUP_ENTRY)
"""What ends a transaction that another one was in the way of: it is run again. A lock that another
keeps for as long as innodb_lock_wait_timeout is no collision: that would be waited for many times.
"""


class MysqlStorage(SqlStorage):
    """Tasks in a database of MySQL 8.0.21 or MariaDB 10.6, or later.

    `url` like `mysql://user:password@host:3306/database?ssl-mode=verify-identity`; see
    docs/storages/mysql.md.

    Raises:
        InvalidParams: the URL is none.
        Unavailable: the server can't be reached or used, or the schema is of a newer version.
    """

    shared = True
    writers = 4

    locking = " FOR UPDATE"
    skipping = mysql_statements.SKIPPING

    def __init__(self, url: str, *, upgrade: Upgrade = Upgrade.AT_START) -> None:
        self.url = shown(taken_apart(url))
        self._complaints = Complaints(self.url)
        options = options_of(url)
        self._connections = Connections(options)
        self._news = MysqlNews(lambda: connect(options))
        self._clock = ServerClock(self._server_time)
        self._most_text = MOST_TEXT
        super().__init__(self._connections)
        try:
            with self.translated():
                self._open(upgrade)
        except BaseException:
            self.close()
            raise

    def _open(self, upgrade: Upgrade) -> None:
        version, packet, flush = self.run(
            "SELECT version(), @@max_allowed_packet, @@innodb_flush_log_at_trx_commit"
        ).fetchone()
        # MariaDB takes one byte less than it says.
        self._connections.most_bytes = int(packet) - 1
        # A character is sent as up to four bytes, and a statement has more in it than texts.
        self._most_text = min(MOST_TEXT, int(packet) // 8)
        if flush != 1:
            logger.warning(
                "%s: innodb_flush_log_at_trx_commit is %s, not 1: when the server or its machine "
                "breaks down, answered calls of the last second may be lost",
                self.url,
                flush,
            )
        self._warn_of_binlog()
        self._clock.set()
        lock = self.run(
            "SELECT get_lock(concat('jsonrpc_qm:', left(sha2(database(), 256), 32)), ?)",
            (SCHEMA_LOCK_SECONDS,),
        )
        if lock.fetchone()[0] != 1:
            raise Unavailable.of("another manager is busy with the schema")
        try:
            if upgrade is not Upgrade.NONE:
                create_tables(self.run, collation(version))
            self.upgraded = create_schema(self.database, upgrade)
        finally:
            self.run("SELECT release_lock(concat('jsonrpc_qm:', left(sha2(database(), 256), 32)))")

    def _warn_of_binlog(self) -> None:
        log_bin, sync_binlog = self.run("SELECT @@log_bin, @@sync_binlog").fetchone()
        if log_bin and sync_binlog != 1:
            logger.info(
                "%s: sync_binlog is %s, not 1: a replica that takes over may lack answered calls",
                self.url,
                sync_binlog,
            )

    def _server_time(self) -> int:
        return int(self.run("SELECT unix_timestamp(now(6)) * 1000000").fetchone()[0])

    def now(self) -> int:
        return self._clock.now()

    # -- running statements -------------------------------------------------------------------

    def run(self, sql: str, params: Sequence[Any] = ()) -> Any:
        return self._run(_in_mysql(sql, params))

    def run_soon(self, sql: str, params: Sequence[Any] = ()) -> None:
        self._run_soon(_in_mysql(sql, params))

    def _run(self, sql: str) -> Any:
        """Execute a statement that has its values in it, after those that wait."""
        waiting = self._waiting
        if waiting and sum(map(len, waiting)) + len(sql) > self._most_text:
            self._run_all(waiting)
            waiting = []
        return self._run_all([*waiting, sql])

    def _run_soon(self, sql: str) -> None:
        if sum(map(len, self._waiting)) + len(sql) > self._most_text:
            self._run(sql)
        else:
            self._local.waiting = [*self._waiting, sql]

    def _run_all(self, sql: Sequence[str]) -> Any:
        self._local.waiting = []
        begun = self._in_transaction
        self._local.in_transaction = begun or BEGIN in sql
        try:
            return self._connections.execute_all(sql)
        except (pymysql.OperationalError, pymysql.InterfaceError):
            # Whether it was committed nobody knows.
            if begun or COMMIT in sql or self._connections.is_usable():
                raise
        # The server was restarted since this connection was used; nothing has been done yet.
        self._connections.drop()
        return self._connections.execute_all(sql)

    @property
    def _waiting(self) -> list[str]:
        """The statements that go to the server with this thread's next one."""
        return getattr(self._local, "waiting", [])

    @property
    def _in_transaction(self) -> bool:
        return getattr(self._local, "in_transaction", False)

    def _chunks(self, rows: Sequence[Sequence[Any]]) -> Iterator[Sequence[Sequence[Any]]]:
        """The rows in runs that a statement may carry."""
        start = size = 0
        for place, row in enumerate(rows):
            length = sum(len(value) for value in row if isinstance(value, str))
            if place > start and (place - start >= MOST_ROWS or size + length > self._most_text):
                yield rows[start:place]
                start, size = place, 0
            size += length
        if start < len(rows):
            yield rows[start:]

    def _run_rows(
        self, statement: Callable[[Sequence[Sequence[Any]]], str], rows: Sequence[Sequence[Any]]
    ) -> int:
        """Execute a statement that is made for rows; how many it found."""
        found = 0
        for chunk in self._chunks(rows):
            found += self._run(statement(chunk)).rowcount
        return found

    def _read(self, ids: Sequence[str], lock: str = "") -> list[Record]:
        found: list[Record] = []
        for chunk in _in_turns(ids):
            rows = numbered(self._run, partial(mysql_statements.read, chunk, lock))
            found.extend(record for _, record in rows)
        return found

    # -- transactions -------------------------------------------------------------------------

    def exclusive(self) -> nullcontext[None]:
        return nullcontext()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        try:
            with super().transaction():
                yield
        finally:
            self._local.in_transaction = False
            self._local.waiting = []

    def begin(self) -> None:
        self.run_soon(BEGIN)
        self._clock.set_now_and_then()

    def commit(self) -> None:
        try:
            self.run(COMMIT)
        except (pymysql.OperationalError, pymysql.InterfaceError) as error:
            if self._connections.is_usable():
                raise
            raise Unavailable.in_doubt(self._given_up(error)) from error

    def roll_back(self) -> None:
        self._local.waiting = []
        if not self._in_transaction or self._connections.is_closed():
            return
        try:
            self.run("ROLLBACK")
        except pymysql.Error:
            # The server rolls back what has lost its connection.
            self._connections.drop()

    @contextmanager
    def translated(self) -> Iterator[None]:
        try:
            yield
        except (peewee.DatabaseError, peewee.InterfaceError, pymysql.Error) as error:
            if _code(error) in COLLISIONS:
                logger.info("%s: %s", self.url, error)
                raise Overtaken.of("transactions were in each other's way") from error
            if isinstance(error, BROKEN):
                raise
            raise Unavailable.of(self._given_up(error)) from error

    def _given_up(self, error: Exception) -> str:
        """What a caller is told; the connection is not used again, for the server may be a replica
        by now."""
        reason = _reason(error)
        self._complaints.warn(reason)
        self._connections.drop()
        return f"the database {self.url} can't be used ({reason})"

    # -- verbs --------------------------------------------------------------------------------

    def _insert(self, records: Sequence[Record]) -> int:
        width = statements.INSERT_WIDTH
        return self._inserted(
            mysql_statements.insert, [astuple(record)[:width] for record in records]
        )

    def _insert_whole(self, rows: Sequence[tuple[Any, ...]]) -> int:
        return self._inserted(mysql_statements.load, rows)

    def _inserted(self, statement: Callable[..., str], rows: Sequence[tuple[Any, ...]]) -> int:
        try:
            return self._run_rows(statement, rows)
        except pymysql.IntegrityError as error:
            if _code(error) != ER.DUP_ENTRY:
                raise
            return 0

    def _add_to_tally(self, changed: Sequence[tuple[str, str, int]]) -> None:
        for chunk in self._chunks(changed):
            self._run_soon(mysql_statements.count(chunk))

    def _taken(self, claim: Claim, names: Sequence[str], now: int) -> list[Record]:
        found: list[tuple[int, Record]] = []
        for name in names:
            run = partial(self.run, params=(name, now, claim.max_tasks))
            found.extend(numbered(run, mysql_statements.candidates))
        if not found:
            return []
        if len(names) > 1:
            found.sort(key=_claim_order)
        del found[claim.max_tasks :]
        take = mysql_statements.take([seq for seq, _ in found])
        self.run_soon(take, statements.claimed_params(claim, now))
        return [claimed(record, now, worker=claim.worker, lease=claim.lease) for _, record in found]

    def _completed(
        self, rows: Sequence[tuple[str, int, str | None]], now: int
    ) -> Iterator[tuple[str, str, int]]:
        held: dict[tuple[str, int], tuple[int, str, int]] = {}
        for ids in _in_turns([id for id, *_ in rows]):
            for (row,) in self._run(mysql_statements.held(ids)):
                seq, id, token, name, began = decode(row)
                held[id, token] = (seq, name, began)
        done = sorted(
            (held[id, token][0], result) for id, token, result in rows if (id, token) in held
        )
        for chunk in self._chunks(done):
            self._run_soon(mysql_statements.complete(chunk, now))
        for id, token, _ in rows:
            if (id, token) in held:
                yield id, *held[id, token][1:]

    def _write(self, rows: Sequence[tuple[Any, ...]]) -> int:
        return self._run_rows(mysql_statements.save, rows)

    def _purged(self, params: Sequence[Sequence[Any]], limit: int) -> list[tuple[str, str]]:
        found: list[tuple[int, int, str, str]] = []
        for of_status in params:
            sql = mysql_statements.finished(by_name=len(of_status) > 3)
            found.extend(self.run(sql, of_status).fetchall())
        found = sorted(found)[:limit]
        if found:
            self._run_soon(mysql_statements.remove([seq for _, seq, *_ in found]))
        return [(name, status) for _, _, name, status in found]

    def saw(self, sightings: Sequence[Sighting], now: int) -> list[bool]:
        for sighting in sightings:
            names = msgspec.json.encode(sighting.names).decode()
            params = (sighting.worker, names, now, "[]", now - WORKER_GONE)
            self.run(mysql_statements.SAW, params)
        return [
            bool(self.run(mysql_statements.IS_DRAINING, (sighting.worker,)).fetchone()[0])
            for sighting in sightings
        ]

    # -- other managers -----------------------------------------------------------------------

    def changes(self) -> int:
        return 0

    def announce(self, news: News) -> None:
        self._news.announce(news)

    def subscribe(self, heard: Callable[[News], None]) -> None:
        self._news.subscribe(heard)

    def close(self) -> None:
        self._news.close()
        self._connections.close_all()


BROKEN = (
    peewee.IntegrityError,
    peewee.DataError,
    peewee.ProgrammingError,
    pymysql.IntegrityError,
    pymysql.DataError,
    pymysql.ProgrammingError,
)
"""Errors of the program, not of the database."""


def _in_mysql(sql: str, params: Sequence[Any]) -> str:
    """The statement in MySQL's words, with the values in it."""
    return mysql_statements.filled(mysql_statements.OTHER_WORDS.get(sql, sql), params)


def _claim_order(found: tuple[int, Record]) -> tuple[int, int, int]:
    seq, record = found
    return (-record.priority, record.run_at, seq)


def _code(error: Exception) -> int:
    """The server's or the driver's number of an error; 0 when there is none."""
    numbers = [value for value in error.args if isinstance(value, int)]
    return numbers[0] if numbers else 0


def _reason(error: Exception) -> str:
    """What the server or the driver says, in one line."""
    said = [value for value in error.args if isinstance(value, str)]
    return " ".join((said[-1] if said else str(error)).split()) or type(error).__name__


def _in_turns(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """Different ids, as many as a statement takes, in their order over all turns: so two who lock
    some do not wait in a circle."""
    ordered = sorted(set(ids))
    for start in range(0, len(ordered), MOST_ROWS):
        yield ordered[start : start + MOST_ROWS]
