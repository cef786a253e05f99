"""PostgreSQL: several managers, on any number of machines, share one queue."""

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import Any

import peewee
import psycopg

from jsonrpc_qm.errors import InvalidParams, QueueError, Unavailable
from jsonrpc_qm.record import Record
from jsonrpc_qm.storage import statements
from jsonrpc_qm.storage.base import Claim, Filter, Listing, News, Overtaken, Page, Sighting
from jsonrpc_qm.storage.clock import ServerClock
from jsonrpc_qm.storage.notices import Notices
from jsonrpc_qm.storage.postgresql_connections import PREPARED, Connections, Place
from jsonrpc_qm.storage.postgresql_watch import Watch
from jsonrpc_qm.storage.schema import create_schema
from jsonrpc_qm.storage.sql_rows import SqlRowsStorage
from jsonrpc_qm.storage.upgrade import Upgrade

logger = logging.getLogger("jsonrpc_qm.storage")

BEGIN = """
    BEGIN ISOLATION LEVEL READ COMMITTED;
    SET LOCAL statement_timeout = '30s';
    SET LOCAL lock_timeout = '10s';
    SET LOCAL idle_in_transaction_session_timeout = '60s'"""
"""The settings go with the transaction: behind PgBouncer a session is anybody's. The statements are
made for this isolation, whatever the database's default is."""

BEGIN_SCHEMA = "BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0"
"""Others may look after the schema first, and a new one of many tasks takes its time."""

SCHEMA_LOCK = 0x6A72716D
"""The advisory lock under which a manager looks after the schema."""

OVERTAKEN = ("40001", "40P01", "23505")
"""Serialization failure, deadlock, and a unique key that another transaction was first to take."""

UNPREPARED = ("26000", "42P05")
"""A prepared statement is missing, or there already: a pooler has given us another session."""

TALLY = (
    """
    CREATE TABLE IF NOT EXISTS tally_part (
        name text, status text, part integer, tasks bigint NOT NULL,
        PRIMARY KEY (name, status, part))""",
    """
    CREATE OR REPLACE VIEW tally AS
        SELECT name, status, sum(tasks)::bigint AS tasks FROM tally_part GROUP BY name, status""",
)
"""A count is a sum of parts: one row would let no two transactions of a name commit together."""

PARTS = 16

COUNT = f"""
    INSERT INTO tally_part (name, status, tasks, part)
    SELECT column1, column2, column3, pg_backend_pid() % {PARTS} FROM ({{rows}}) AS changed
    ON CONFLICT (name, status, part) DO UPDATE SET tasks = tally_part.tasks + excluded.tasks"""
"""Add to the number of tasks that names have in statuses."""

COUNTED = ("name", "status", "priority")
"""The types of the columns of the rows that `COUNT` takes."""


class PostgresqlStorage(SqlRowsStorage):
    """Tasks in a PostgreSQL database, 12 or later.

    `url` like `postgresql://user:password@host:5432/database?sslmode=verify-full`, with the query
    that libpq takes. Names, unique keys and workers' names with U+0000 in them are refused as
    InvalidParams: PostgreSQL's text can't hold that character.

    Raises:
        InvalidParams: it is no such URL.
        Unavailable: the server can't be reached or used, or the schema is of a newer version.
    """

    shared = True
    writers = 4

    locking = " FOR UPDATE"
    skipping = " FOR UPDATE SKIP LOCKED"
    contains = "strpos({column}, ?) > 0"

    def __init__(self, url: str, *, upgrade: Upgrade = Upgrade.AT_START) -> None:
        place = Place(url)
        self.url = place.shown
        self._watch = Watch()
        self._connections = Connections(place, self._watch)
        self._notices = Notices(place.connect, self._watch)
        self._pid = os.getpid()
        self._clock = ServerClock(self._server_time)
        super().__init__(self._connections)
        try:
            with self.translated():
                self._create_schema(upgrade)
                self._clock.set()
                self._warn_of_losses()
        except BaseException as error:
            self.close()
            if isinstance(error, peewee.DatabaseError):
                # What it may not do, for one.
                raise Unavailable.of(self._given_up(error)) from error
            raise
        self._watch.start()

    def _create_schema(self, upgrade: Upgrade) -> None:
        self._connections.execute_many(BEGIN_SCHEMA)
        try:
            self.run("SELECT pg_advisory_xact_lock(?)", (SCHEMA_LOCK,))
            if upgrade is not Upgrade.NONE:
                for statement in TALLY:
                    self.run(statement)
            # It passes over the table that the view stands in for.
            self.upgraded = create_schema(self.database, upgrade)
            self.run("COMMIT")
        except BaseException:
            self.roll_back()
            raise

    def _server_time(self) -> int:
        row = self.run("SELECT extract(epoch FROM clock_timestamp()) * 1000000").fetchone()
        return int(row[0])

    def _warn_of_losses(self) -> None:
        for setting in ("fsync", "synchronous_commit"):
            if self.run(f"SHOW {setting}").fetchone()[0] == "off":
                logger.warning(
                    "%s: %s is off, so a crash of the database can lose what was answered",
                    self.url,
                    setting,
                )

    def now(self) -> int:
        return self._clock.now()

    # -- running statements -------------------------------------------------------------------

    def run(self, sql: str, params: Sequence[Any] = ()) -> Any:
        marked = _with_marks(sql)
        try:
            return super().run(marked, params)
        except (peewee.OperationalError, peewee.InterfaceError):
            if self._is_open or self._connections.is_usable():
                raise
        # The server was restarted since this connection was used; nothing has been done yet.
        self._connections.drop()
        return super().run(marked, params)

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

    @property
    def _is_open(self) -> bool:
        """Whether this thread is in a transaction."""
        return getattr(self._local, "is_open", False)

    def begin(self) -> None:
        try:
            self._connections.execute_many(BEGIN)
        except (psycopg.OperationalError, psycopg.InterfaceError):
            if self._connections.is_usable():
                raise
            self._connections.drop()
            self._connections.execute_many(BEGIN)
        self._local.is_open = True
        self._clock.set_now_and_then()

    def commit(self) -> None:
        try:
            super().commit()
        except (peewee.OperationalError, peewee.InterfaceError) as error:
            if self._connections.is_usable():
                raise
            raise Unavailable.in_doubt(self._given_up(error)) from error
        self._local.is_open = False

    def roll_back(self) -> None:
        try:
            if self._connections.is_usable():
                self.run("ROLLBACK")
        except (peewee.DatabaseError, peewee.InterfaceError):
            self._connections.drop()
        finally:
            self._local.is_open = False

    @contextmanager
    def translated(self) -> Iterator[None]:
        self._leave_parents_alone()
        try:
            yield
        except (peewee.DatabaseError, peewee.InterfaceError, psycopg.Error) as error:
            state = getattr(getattr(error, "orig", error), "sqlstate", None)
            if state in OVERTAKEN:
                raise Overtaken.of("another transaction was faster") from error
            if state in UNPREPARED:
                hint = f"; put {PREPARED}=off into its URL"
                raise Unavailable.of(self._given_up(error, hint)) from error
            if isinstance(
                error, peewee.IntegrityError | peewee.DataError | peewee.ProgrammingError
            ):
                raise
            raise Unavailable.of(self._given_up(error)) from error

    def _given_up(self, error: Exception, hint: str = "") -> str:
        """What a caller is told; the connection is not used again, for the server may be a standby
        by now."""
        reason = (str(error).strip() or type(error).__name__).splitlines()[0] + hint
        logger.warning("%s: %s", self.url, reason)
        self._connections.drop()
        return f"the database {self.url} can't be used ({reason})"

    def _leave_parents_alone(self) -> None:
        """After a fork: the connections are the parent's."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._connections.disown()

    def _add_to_tally(self, changed: Sequence[tuple[str, str, int]]) -> None:
        for _ in self.run_rows(lambda rows: COUNT.format(rows=rows), COUNTED, changed):
            pass

    # -- verbs: what PostgreSQL's text can't hold ----------------------------------------------

    def add(self, groups: Sequence[Sequence[Record]], now: int) -> list[list[Record] | QueueError]:
        if any(_unstorable(record) for group in groups for record in group):
            return [self._add_group(group) for group in groups]
        return super().add(groups, now)

    def _add_group(self, group: Sequence[Record]) -> list[Record] | QueueError:
        for record in group:
            if param := _unstorable(record):
                return _refusal(param)
        return super()._add_group(group)

    def claim(self, claims: Sequence[Claim], now: int) -> list[list[Record]]:
        for claim in claims:
            _check("names", claim.names)
            _check("worker", (claim.worker,))
        return super().claim(claims, now)

    def saw(self, sightings: Sequence[Sighting], now: int) -> list[bool]:
        _check("worker", (sighting.worker for sighting in sightings))
        return super().saw(sightings, now)

    def drain(self, worker: str, now: int) -> bool:
        _check("worker", (worker,))
        return super().drain(worker, now)

    def pause(self, name: str, paused: bool) -> None:
        _check("name", (name,))
        super().pause(name, paused)

    def purge(self, filter: Filter, limit: int) -> int:
        _check("name", (filter.name,))
        return super().purge(filter, limit)

    def page(self, listing: Listing, limit: int, cursor: str | None) -> Page:
        _check("name", (listing.name,))
        _check("query", (listing.text,))
        return super().page(listing, limit, cursor)

    def load(self, records: Sequence[Record]) -> list[bool | QueueError]:
        answers = iter(super().load([each for each in records if not _unstorable(each)]))
        return [
            _refusal(param) if (param := _unstorable(record)) else next(answers)
            for record in records
        ]

    # -- other managers -----------------------------------------------------------------------

    def changes(self) -> int:
        return 0

    def announce(self, news: News) -> None:
        self._notices.announce(news)

    def subscribe(self, heard: Callable[[News], None]) -> None:
        self._notices.subscribe(heard)

    def close(self) -> None:
        self._leave_parents_alone()
        self._watch.close()
        self._notices.close()
        self._connections.close_all()


@cache
def _with_marks(sql: str) -> str:
    """The statement with psycopg's marks for parameters."""
    return sql.replace("%", "%%").replace("?", "%s") if "?" in sql else sql


@cache
def _unnested(columns: tuple[str, ...]) -> str:
    arrays = ", ".join(f"?::{_type_of(column)}[]" for column in columns)
    names = ", ".join(f"column{number}" for number in range(1, len(columns) + 1))
    return f"SELECT * FROM unnest({arrays}) AS given({names})"


def _type_of(column: str) -> str:
    return "text" if Record.__annotations__[column] in (str, str | None) else "bigint"


def _unstorable(record: Record) -> str:
    """The field that PostgreSQL can't store; empty for none."""
    if "\0" in record.name:
        return "name"
    if record.unique_key is not None and "\0" in record.unique_key:
        return "unique_key"
    return "worker" if record.worker is not None and "\0" in record.worker else ""


def _refusal(param: str) -> InvalidParams:
    return InvalidParams.of(param, "PostgreSQL can't store the character U+0000")


def _check(param: str, texts: Iterable[str | None]) -> None:
    for text in texts:
        if text is not None and "\0" in text:
            raise _refusal(param)
