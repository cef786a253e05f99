"""PostgreSQL: several managers, on any number of machines, share one queue."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import peewee
import psycopg

from jsonrpc_qm.errors import Unavailable
from jsonrpc_qm.record import Record
from jsonrpc_qm.storage import statements
from jsonrpc_qm.storage.base import News
from jsonrpc_qm.storage.notices import Notices
from jsonrpc_qm.storage.schema import create_schema
from jsonrpc_qm.storage.sql import SqlStorage
from jsonrpc_qm.storage.upgrade import Upgrade

logger = logging.getLogger("jsonrpc_qm.storage")

ASK_TIME_EVERY = 30.0
"""Seconds after which the server is asked anew how far its clock is from ours."""

CONNECTION: dict[str, Any] = {
    "connect_timeout": 5,
    # Milliseconds that sent data may stay unacknowledged.
    "tcp_user_timeout": 10_000,
    "application_name": "jsonrpc-qm",
}

SESSION = """
    SET statement_timeout = '30s';
    SET lock_timeout = '10s';
    SET idle_in_transaction_session_timeout = '60s'"""

SCHEMA_LOCK = 0x6A72716D
"""The advisory lock under which a manager looks after the schema."""


class PostgresqlStorage(SqlStorage):
    """Tasks in a PostgreSQL database, 12 or later.

    `url` like `postgresql://user:password@host:5432/database?sslmode=verify-full`.

    Raises:
        Unavailable: the server can't be reached or used, or the schema is of a newer version.
    """

    writers = 4

    locking = " FOR UPDATE"
    skipping = " FOR UPDATE SKIP LOCKED"

    def __init__(self, url: str, *, upgrade: Upgrade = Upgrade.AT_START) -> None:
        self.url = _without_credentials(url)
        self._connections = _Connections(url)
        self._notices = Notices(lambda: psycopg.connect(url, autocommit=True, **CONNECTION))
        self._ahead = 0
        self._asked_at = -ASK_TIME_EVERY
        super().__init__(self._connections)
        with self.transaction():
            self.run("SELECT pg_advisory_xact_lock(?)", (SCHEMA_LOCK,))
            self.upgraded = create_schema(self.database, upgrade)

    def now(self) -> int:
        if time.monotonic() - self._asked_at >= ASK_TIME_EVERY:
            with self.translated():
                row = self.run("SELECT extract(epoch FROM clock_timestamp()) * 1000000").fetchone()
            self._ahead = int(row[0]) - time.time_ns() // 1000
            self._asked_at = time.monotonic()
        return time.time_ns() // 1000 + self._ahead

    def run(self, sql: str, params: Sequence[Any] = ()) -> Any:
        return super().run(_with_marks(sql), params)

    def run_rows(
        self,
        statement: Callable[[str], str],
        columns: Sequence[str],
        rows: Sequence[Sequence[Any]],
        params: Sequence[Any] = (),
    ) -> Iterator[Any]:
        if rows:
            arrays = [list(values) for values in zip(*rows, strict=True)]
            yield self.run(statement(_unnested(tuple(columns))), [*params, *arrays])

    def _read(self, ids: Sequence[str], lock: str = "") -> list[Record]:
        if not ids:
            return []
        rows = self.run(statements.read("SELECT unnest(?::text[])", lock), (list(ids),))
        return [Record(*row) for row in rows]

    def exclusive(self) -> nullcontext[None]:
        return nullcontext()

    def begin(self) -> None:
        try:
            self.run("BEGIN")
        except (peewee.OperationalError, peewee.InterfaceError):
            # The server was restarted since this connection was used; nothing has been done yet.
            self._connections.drop()
            self.run("BEGIN")

    def roll_back(self) -> None:
        if not self._connections.is_usable():
            self._connections.drop()
        else:
            self.run("ROLLBACK")

    @contextmanager
    def translated(self) -> Iterator[None]:
        try:
            yield
        except (peewee.IntegrityError, peewee.DataError, peewee.ProgrammingError):
            raise
        except (peewee.DatabaseError, peewee.InterfaceError, psycopg.Error) as error:
            logger.warning("%s: %s", self.url, error)
            if not self._connections.is_usable():
                self._connections.drop()
            raise Unavailable.of(f"the database {self.url} can't be used") from error

    def changes(self) -> int:
        return 0

    def announce(self, news: News) -> None:
        self._notices.announce(news)

    def subscribe(self, heard: Callable[[News], None]) -> None:
        self._notices.subscribe(heard)

    def close(self) -> None:
        self._notices.close()
        self._connections.close_all()


class _Connections(peewee.PostgresqlDatabase):
    """A connection a thread, all of which any thread may close."""

    def __init__(self, url: str) -> None:
        self._opened: list[psycopg.Connection[Any]] = []
        super().__init__(url, prefer_psycopg3=True, **CONNECTION)

    def _connect(self) -> Any:
        connection = super()._connect()  # type: ignore[misc]
        connection.execute(SESSION)
        self._opened.append(connection)
        return connection

    def get_tables(self, schema: str | None = None) -> list[str]:
        """Those that a statement finds without naming a schema."""
        [found] = self.execute_sql("SELECT current_schema()").fetchone()
        tables: list[str] = super().get_tables(schema or found)
        return tables

    def is_usable(self) -> bool:
        """Whether this thread's connection can still be used."""
        return not self.is_closed() and not self.connection().closed

    def drop(self) -> None:
        """Forget this thread's connection; the next statement makes a new one."""
        if not self.is_closed():
            connection = self.connection()
            connection.close()
            if connection in self._opened:
                self._opened.remove(connection)
        self.dispose()

    def close_all(self) -> None:
        self.dispose()
        while self._opened:
            self._opened.pop().close()


@cache
def _with_marks(sql: str) -> str:
    """The statement with psycopg's marks for parameters."""
    return sql.replace("?", "%s")


@cache
def _unnested(columns: tuple[str, ...]) -> str:
    arrays = ", ".join(f"?::{_type_of(column)}[]" for column in columns)
    names = ", ".join(f"column{number}" for number in range(1, len(columns) + 1))
    return f"SELECT * FROM unnest({arrays}) AS given({names})"  # noqa: S608


def _type_of(column: str) -> str:
    return "text" if Record.__annotations__[column] in (str, str | None) else "bigint"


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))
