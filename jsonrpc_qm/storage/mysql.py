"""MySQL and MariaDB: several managers, on any number of machines, share one queue."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import msgspec
import peewee
import pymysql
from msgspec.structs import astuple
from pymysql.constants import CLIENT, ER

from jsonrpc_qm.errors import Unavailable
from jsonrpc_qm.record import Record
from jsonrpc_qm.storage import mysql_statements, statements
from jsonrpc_qm.storage.base import WORKER_GONE, Claim, News, Overtaken, Sighting
from jsonrpc_qm.storage.mysql_news import MysqlNews
from jsonrpc_qm.storage.mysql_schema import collation, create_tables
from jsonrpc_qm.storage.mysql_url import options_of, without_credentials
from jsonrpc_qm.storage.schema import create_schema
from jsonrpc_qm.storage.sql import SqlStorage
from jsonrpc_qm.storage.upgrade import Upgrade
from jsonrpc_qm.transitions import claimed

logger = logging.getLogger("jsonrpc_qm.storage")

ASK_TIME_EVERY = 30.0
"""Seconds after which the server is asked anew how far its clock is from ours."""

CONNECTION: dict[str, Any] = {
    "connect_timeout": 5,
    "read_timeout": 30,
    "write_timeout": 30,
    "charset": "utf8mb4",
    "autocommit": True,
    "program_name": "jsonrpc-qm",
    # The number of rows of an UPDATE is of those that it found, not only of those that it changed.
    "client_flag": CLIENT.FOUND_ROWS,
    "sql_mode": "STRICT_ALL_TABLES",
    # Threads may be idle for long.
    "init_command": "SET SESSION innodb_lock_wait_timeout = 10, lock_wait_timeout = 10, "
    "wait_timeout = 2147483",
}

SCHEMA_LOCK_SECONDS = 30

MOST_ROWS = 500
"""How many rows one statement carries."""

MOST_BYTES = 4 * 1024 * 1024
"""How long the texts are together that one statement carries; less if the server takes less."""

COLLISIONS = (ER.LOCK_DEADLOCK, ER.LOCK_WAIT_TIMEOUT, ER.DUP_ENTRY)


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
        self.url = without_credentials(url)
        options = options_of(url)
        self._connections = _Connections(options)
        self._news = MysqlNews(lambda: pymysql.connect(**CONNECTION | options))
        self._ahead = 0
        self._asked_at = -ASK_TIME_EVERY
        self._most_bytes = MOST_BYTES
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
        # Quotes and backslashes are sent as two bytes.
        self._most_bytes = min(MOST_BYTES, int(packet) // 4)
        if flush != 1:
            logger.warning(
                "%s: innodb_flush_log_at_trx_commit is %s, not 1: when the server or its machine "
                "breaks down, answered calls of the last second may be lost",
                self.url,
                flush,
            )
        self._warn_of_binlog()
        lock = self.run(
            "SELECT get_lock(concat('jsonrpc_qm:', left(md5(database()), 32)), ?)",
            (SCHEMA_LOCK_SECONDS,),
        )
        if lock.fetchone()[0] != 1:
            raise Unavailable.of("another manager is busy with the schema")
        try:
            if upgrade is not Upgrade.NONE:
                create_tables(self.run, collation(version))
            self.upgraded = create_schema(self.database, upgrade)
        finally:
            self.run("SELECT release_lock(concat('jsonrpc_qm:', left(md5(database()), 32)))")

    def _warn_of_binlog(self) -> None:
        log_bin, sync_binlog = self.run("SELECT @@log_bin, @@sync_binlog").fetchone()
        if log_bin and sync_binlog != 1:
            logger.info(
                "%s: sync_binlog is %s, not 1: a replica that takes over may lack answered calls",
                self.url,
                sync_binlog,
            )

    def now(self) -> int:
        if time.monotonic() - self._asked_at >= ASK_TIME_EVERY:
            with self.translated():
                row = self.run("SELECT unix_timestamp(now(6)) * 1000000").fetchone()
            self._ahead = int(row[0]) - time.time_ns() // 1000
            self._asked_at = time.monotonic()
        return time.time_ns() // 1000 + self._ahead

    # -- running statements -------------------------------------------------------------------

    def run(self, sql: str, params: Sequence[Any] = ()) -> Any:
        return self._run(_in_mysql(sql), params)

    def _run(self, sql: str, params: Sequence[Any] = ()) -> Any:
        """Execute a statement that is in the driver's words already."""
        try:
            return super().run(sql, params)
        except (peewee.OperationalError, peewee.InterfaceError) as error:
            if self._in_transaction or _code(error) in COLLISIONS:
                raise
            # The server was restarted since this connection was used; nothing has been done yet.
            self._connections.drop()
            return super().run(sql, params)

    @property
    def _in_transaction(self) -> bool:
        return getattr(self._local, "in_transaction", False)

    def _chunks(self, rows: Sequence[Sequence[Any]]) -> Iterator[Sequence[Sequence[Any]]]:
        """The rows in runs that a statement may carry."""
        start = size = 0
        for place, row in enumerate(rows):
            length = sum(len(value) for value in row if isinstance(value, str))
            if place > start and (place - start >= MOST_ROWS or size + length > self._most_bytes):
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
            # The values are in it, and may look like a mark for one.
            found += self._run(statement(chunk).replace("%", "%%")).rowcount
        return found

    def _read(self, ids: Sequence[str], lock: str = "") -> list[Record]:
        found: list[Record] = []
        for chunk in _in_turns(ids):
            rows = self.run(mysql_statements.read(len(chunk), lock), chunk)
            found.extend(_record(row) for (row,) in rows)
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

    def begin(self) -> None:
        self.run("BEGIN")
        self._local.in_transaction = True

    def roll_back(self) -> None:
        if not self._in_transaction or self._connections.is_closed():
            return
        try:
            self.run("ROLLBACK")
        except (peewee.DatabaseError, peewee.InterfaceError):
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
            reason = _reason(error)
            logger.warning("%s: %s", self.url, reason)
            self._connections.drop()
            raise Unavailable.of(f"the database {self.url} can't be used ({reason})") from error

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
        except peewee.IntegrityError as error:
            if _code(error) != ER.DUP_ENTRY:
                raise
            return 0

    def _add_to_tally(self, changed: Sequence[tuple[str, str, int]]) -> None:
        self._run_rows(mysql_statements.count, changed)

    def _taken(self, claim: Claim, names: Sequence[str], now: int) -> list[Record]:
        found: list[tuple[int, Record]] = []
        for name in names:
            rows = self.run(mysql_statements.CANDIDATES, (name, now, claim.max_tasks))
            found.extend((seq, _record(row)) for seq, row in rows)
        if not found:
            return []
        if len(names) > 1:
            found.sort(key=_claim_order)
        del found[claim.max_tasks :]
        params = [*statements.claimed_params(claim, now), *[seq for seq, _ in found]]
        self.run(mysql_statements.take(len(found)), params)
        return [claimed(record, now, worker=claim.worker, lease=claim.lease) for _, record in found]

    def _completed(
        self, rows: Sequence[tuple[str, int, str | None]], now: int
    ) -> Iterator[tuple[str, str, int]]:
        held: dict[tuple[str, int], tuple[str, int]] = {}
        for ids in _in_turns([id for id, *_ in rows]):
            locked = self.run(mysql_statements.held(len(ids)), ids)
            held.update({(id, token): (name, began) for id, token, name, began in locked})
        done = [(id, result, now) for id, token, result in rows if (id, token) in held]
        self._run_rows(mysql_statements.complete, done)
        for id, token, _ in rows:
            if (id, token) in held:
                yield id, *held[id, token]

    def _write(self, rows: Sequence[tuple[Any, ...]]) -> int:
        return self._run_rows(mysql_statements.save, rows)

    def _purged(self, params: Sequence[Sequence[Any]], limit: int) -> list[tuple[str, str]]:
        found: list[tuple[int, int, str, str]] = []
        for of_status in params:
            sql = mysql_statements.finished(by_name=len(of_status) > 3)
            found.extend(self.run(sql, of_status).fetchall())
        found = sorted(found)[:limit]
        if found:
            self.run(mysql_statements.remove(len(found)), [seq for _, seq, *_ in found])
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


_decode = msgspec.json.Decoder(tuple[Any, ...]).decode

BROKEN = (peewee.IntegrityError, peewee.DataError, peewee.ProgrammingError)
"""Errors of the program, not of the database."""


class _Connections(peewee.MySQLDatabase):
    """A connection a thread, all of which any thread may close."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = CONNECTION | options
        self._opened: list[pymysql.Connection] = []
        super().__init__(options["database"])

    def _connect(self) -> Any:
        # Not peewee's own way: that would prefer another driver where it is installed.
        connection = pymysql.connect(**self._options)
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
            # Moments of the server are read without it changing the hour.
            cursor.execute("SET SESSION time_zone = '+00:00'")
            version = connection.get_server_info()
            cursor.execute(f"SET NAMES utf8mb4 COLLATE {collation(version)}")
        self._opened.append(connection)
        return connection

    def drop(self) -> None:
        """Forget this thread's connection; the next statement makes a new one."""
        if not self.is_closed():
            connection = self.connection()
            # Without a word to the server, which may not listen.
            connection._force_close()
            if connection in self._opened:
                self._opened.remove(connection)
        self.dispose()

    def close_all(self) -> None:
        self.dispose()
        while self._opened:
            self._opened.pop()._force_close()


def _in_mysql(sql: str) -> str:
    """The statement in MySQL's words, with the driver's marks for parameters."""
    return mysql_statements.OTHER_WORDS.get(sql, sql).replace("?", "%s")


def _record(row: str) -> Record:
    return Record(*_decode(row))


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
