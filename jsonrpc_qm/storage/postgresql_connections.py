"""Connections to PostgreSQL: how they are made, how long they may take, and how they end."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import peewee
import psycopg
from psycopg.conninfo import conninfo_to_dict

from jsonrpc_qm.errors import InvalidParams
from jsonrpc_qm.storage import tcp
from jsonrpc_qm.storage.addresses import shown, taken_apart
from jsonrpc_qm.storage.postgresql_watch import Watch

CONNECTION: dict[str, Any] = {
    "connect_timeout": 5,
    "tcp_user_timeout": tcp.USER_TIMEOUT,
    "keepalives_idle": tcp.IDLE,
    "keepalives_interval": tcp.INTERVAL,
    "keepalives_count": tcp.COUNT,
    # Of several hosts, the one that is no standby.
    "target_session_attrs": "read-write",
    "application_name": "jsonrpc-qm",
    "client_encoding": "UTF8",
}
"""What holds unless the URL says otherwise."""

PREPARED = "prepared_statements"
"""The member of a URL's query that is ours: `off` for a PgBouncer that can't do them."""


class Place:
    """What a URL says: where the database is, and how to connect to it.

    Raises:
        InvalidParams: it is no such URL.
    """

    def __init__(self, url: str) -> None:
        parts = taken_apart(url)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        prepared = query.pop(PREPARED, "on")
        libpqs = f"{parts.scheme}://{parts.netloc}{parts.path}?{urlencode(query, quote_via=quote)}"
        try:
            given = conninfo_to_dict(libpqs)
        except (ValueError, psycopg.Error):
            # The driver's words have the URL in them, with its password.
            raise InvalidParams.of(
                "storage", "no URL like postgresql://user:password@host:5432/database"
            ) from None
        if prepared not in ("on", "off"):
            raise InvalidParams.of("storage", f"{PREPARED} is on or off")
        self.shown = shown(parts)
        """The URL without credentials."""
        self.options = {**CONNECTION, **given}
        """What libpq is told."""
        self._prepare_threshold = 5 if prepared == "on" else None

    def connect(self) -> "psycopg.Connection[Any]":
        """A new connection, on which each statement is a transaction unless one was begun."""
        connection = psycopg.connect(
            autocommit=True, prepare_threshold=self._prepare_threshold, **self.options
        )
        connection.add_notify_handler(forget)
        return connection


def forget(notice: psycopg.Notify) -> None:
    """Do nothing with a notice on a connection that does not listen.

    Behind PgBouncer a session that somebody has made listen may come to any connection, and the
    driver would keep for ever what nobody takes.
    """


class Connections(peewee.PostgresqlDatabase):
    """A connection a thread, all of which any thread may close."""

    def __init__(self, place: Place, watch: Watch) -> None:
        self._place = place
        self._watch = watch
        self._opened: list[psycopg.Connection[Any]] = []
        self._inherited: list[psycopg.Connection[Any]] = []
        self._closed = False
        super().__init__(place.shown, prefer_psycopg3=True)
        # Each thread has its own: none waits while another one connects.
        self._lock = nullcontext()

    def _connect(self) -> Any:
        connection = self._place.connect()
        self._opened.append(connection)
        if self._closed:
            # Whoever was left behind while it waited for the server.
            self.close_all()
            raise psycopg.InterfaceError("the storage is closed")
        return connection

    def get_tables(self, schema: str | None = None) -> list[str]:
        """Those that a statement finds without naming a schema."""
        [found] = self.execute_sql("SELECT current_schema()").fetchone()
        tables: list[str] = super().get_tables(schema or found)
        return tables

    def execute_sql(self, sql: str, params: Any = None) -> Any:
        with self._in_use():
            return super().execute_sql(sql, params)

    def execute_all(self, statements: Sequence[tuple[str, Sequence[Any]]]) -> Any:
        """Execute statements in one round trip; the last one's cursor.

        One that fails ends it: those after it are not executed. Raises psycopg's errors.
        """
        with self._in_use() as connection, _together(connection, len(statements)):
            for sql, params in statements:
                cursor = connection.execute(sql, params)
        return cursor

    def copy(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Execute a COPY that takes rows. Raises psycopg's errors."""
        with self._in_use() as connection, connection.cursor().copy(sql) as copying:
            for row in rows:
                copying.write_row(row)

    @contextmanager
    def _in_use(self) -> "Iterator[psycopg.Connection[Any]]":
        """This thread's connection, which is looked after while statements are under way."""
        connection = self.connection()
        self._watch.begin(connection)
        try:
            yield connection
        finally:
            self._watch.end(connection)

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

    def disown(self) -> None:
        """Never use or close the connections of a parent process: they are in use there."""
        self._inherited.extend(self._opened)
        self._opened.clear()
        self.dispose()
        self._watch.start()

    def close_all(self) -> None:
        """Close the connections of all threads, and make no more."""
        self._closed = True
        self.dispose()
        while self._opened:
            self._opened.pop().close()


def _together(
    connection: "psycopg.Connection[Any]", statements: int
) -> AbstractContextManager[Any]:
    """Have the answers to several statements awaited together, where libpq can do that."""
    if statements > 1 and psycopg.Pipeline.is_supported():
        return connection.pipeline()
    return nullcontext()
