"""PostgreSQL: several managers, on any number of machines, share one queue."""

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import peewee
import psycopg
from msgspec.structs import astuple

from jsonrpc_qm.errors import InvalidParams, QueueError, Unavailable
from jsonrpc_qm.record import FIELDS, Record
from jsonrpc_qm.storage import statements
from jsonrpc_qm.storage.base import Claim, Filter, Listing, News, Overtaken, Page, Sighting
from jsonrpc_qm.storage.clock import ServerClock
from jsonrpc_qm.storage.complaints import Complaints
from jsonrpc_qm.storage.notices import Notices
from jsonrpc_qm.storage.postgresql_connections import PREPARED, Connections, Place
from jsonrpc_qm.storage.postgresql_statements import (
    AMONG,
    COUNT,
    NO_LIMITS,
    SETTINGS,
    TALLY,
    unnested,
    with_marks,
)
from jsonrpc_qm.storage.postgresql_watch import Watch
from jsonrpc_qm.storage.schema import create_schema
from jsonrpc_qm.storage.sql_rows import SqlRowsStorage
from jsonrpc_qm.storage.upgrade import Upgrade

logger = logging.getLogger("jsonrpc_qm.storage")

BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED"
"""The statements are made for this isolation, whatever the database's default is."""

SCHEMA_LOCK = 0x6A72716D
"""The advisory lock under which a manager looks after the schema."""

OVERTAKEN = ("40001", "40P01", "23505")
"""Serialization failure, deadlock, and a unique key that another transaction was first to take."""

UNPREPARED = ("26000", "42P05")
"""A prepared statement is missing, or there already: a pooler has given us another session."""

COPIED = 50
"""So many rows are stored by COPY: it costs less for each, and more round trips."""


class PostgresqlStorage(SqlRowsStorage):
    """Tasks in a PostgreSQL database, 13 or later.

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
    # An array is made once, however the rest is planned.
    among = "seq = ANY (ARRAY({}))"
    contains = "strpos({column}, ?) > 0"

    def __init__(self, url: str, *, upgrade: Upgrade = Upgrade.AT_START) -> None:
        place = Place(url)
        self.url = place.shown
        self._complaints = Complaints(self.url)
        self._watch = Watch()
        self._connections = Connections(place, self._watch)
        self._notices = Notices(place.connect, self._watch)
        self._pid = os.getpid()
        self._clock = ServerClock(self._server_time)
        super().__init__(self._connections)
        try:
            with self.translated():
                self._check_encoding()
                self._create_schema(upgrade)
                self._clock.set()
                self._warn_of_losses()
        except BaseException as error:
            self.close()
            if isinstance(error, ERRORS):
                # What it may not do, for one.
                raise Unavailable.of(self._given_up(error)) from error
            raise
        self._watch.start()

    def _check_encoding(self) -> None:
        encoding = self.run("SHOW server_encoding").fetchone()[0]
        # Without an encoding it keeps what it gets.
        if encoding not in ("UTF8", "SQL_ASCII"):
            raise Unavailable.of(
                f"the database {self.url} has the encoding {encoding}, which can't hold every text:"
                " create it with ENCODING 'UTF8' TEMPLATE template0"
            )

    def _create_schema(self, upgrade: Upgrade) -> None:
        self.run_soon(BEGIN)
        self.run_soon(NO_LIMITS)
        try:
            self.run("SELECT pg_advisory_xact_lock(?)", (SCHEMA_LOCK,))
            # Where they are there, a manager may have no right to create any.
            if upgrade is not Upgrade.NONE and "tally_part" not in self.database.get_tables():
                for statement in TALLY:
                    self.run(statement)
            # It passes over the table that the view stands in for.
            self.upgraded = create_schema(self.database, upgrade)
            self.commit()
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
        self.run_soon(sql, params)
        return self._run_waiting()

    def run_soon(self, sql: str, params: Sequence[Any] = ()) -> None:
        self._local.waiting = [*self._waiting, (with_marks(sql), params)]

    def _run_waiting(self) -> Any:
        """Execute the statements that wait; the last one's cursor."""
        waiting = self._waiting
        self._local.waiting = []
        begun = self._is_open
        self._local.is_open = begun or waiting[0] == (BEGIN, ())
        try:
            return self._connections.execute_all(waiting)
        except LOST:
            if begun or self._connections.is_usable():
                raise
        # The server was restarted since this connection was used; nothing has been done yet.
        self._connections.drop()
        return self._connections.execute_all(waiting)

    @property
    def _waiting(self) -> list[tuple[str, Sequence[Any]]]:
        """The statements that go to the server with this thread's next one."""
        return getattr(self._local, "waiting", [])

    @property
    def _is_open(self) -> bool:
        """Whether the server was told of this thread's transaction."""
        return getattr(self._local, "is_open", False)

    def run_rows(
        self,
        statement: Callable[[str], str],
        columns: Sequence[str],
        rows: Sequence[Sequence[Any]],
        params: Sequence[Any] = (),
    ) -> Iterator[Any]:
        if rows:
            arrays = [list(values) for values in zip(*rows, strict=True)]
            yield self.run(statement(unnested(tuple(columns))), [*params, *arrays])

    def _insert(self, records: Sequence[Record]) -> int:
        # A key is often taken, and a COPY that fails leaves a line in the server's log.
        if len(records) < COPIED or any(record.unique_key is not None for record in records):
            return super()._insert(records)
        width = statements.INSERT_WIDTH
        return self._copied(statements.INSERTED, [astuple(record)[:width] for record in records])

    def _insert_whole(self, rows: Sequence[tuple[Any, ...]]) -> int:
        return self._copied(FIELDS, rows)

    def _copied(self, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> int:
        """Insert rows, or none if one meets an id or a unique key; how many."""
        if self._waiting:
            self._run_waiting()
        try:
            self._connections.copy(f"COPY task ({', '.join(columns)}) FROM STDIN", rows)
        except psycopg.errors.UniqueViolation:
            return 0
        return len(rows)

    def _read(self, ids: Sequence[str], lock: str = "") -> list[Record]:
        if not ids:
            return []
        rows = self.run(statements.read(AMONG, lock), (list(ids),))
        return [Record(*row) for row in rows]

    def exclusive(self) -> nullcontext[None]:
        return nullcontext()

    def begin(self) -> None:
        self.run_soon(BEGIN)
        self.run_soon(SETTINGS)
        self._clock.set_now_and_then()

    def commit(self) -> None:
        try:
            super().commit()
        except LOST as error:
            if self._connections.is_usable():
                raise
            raise Unavailable.in_doubt(self._given_up(error)) from error
        self._local.is_open = False

    def roll_back(self) -> None:
        self._local.waiting = []
        try:
            if self._is_open and self._connections.is_usable():
                self.run("ROLLBACK")
        except ERRORS:
            self._connections.drop()
        finally:
            self._local.is_open = False

    @contextmanager
    def translated(self) -> Iterator[None]:
        self._leave_parents_alone()
        try:
            yield
        except ERRORS as error:
            state = getattr(getattr(error, "orig", error), "sqlstate", None)
            if state in OVERTAKEN:
                raise Overtaken.of("another transaction was faster") from error
            if state in UNPREPARED:
                hint = f"; put {PREPARED}=off into its URL"
                raise Unavailable.of(self._given_up(error, hint)) from error
            if isinstance(error, BROKEN):
                raise
            raise Unavailable.of(self._given_up(error)) from error

    def _given_up(self, error: Exception, hint: str = "") -> str:
        """What a caller is told; the connection is not used again, for the server may be a standby
        by now."""
        reason = (str(error).strip() or type(error).__name__).splitlines()[0] + hint
        self._complaints.warn(reason)
        self._connections.drop()
        return f"the database {self.url} can't be used ({reason})"

    def _leave_parents_alone(self) -> None:
        """After a fork: the connections are the parent's."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._connections.disown()

    def _add_to_tally(self, changed: Sequence[tuple[str, str, int]]) -> None:
        arrays = [list(values) for values in zip(*changed, strict=True)]
        self.run_soon(COUNT, arrays)

    # -- verbs: what PostgreSQL's text can't hold ----------------------------------------------

    def add(self, groups: Sequence[Sequence[Record]], now: int) -> list[list[Record] | QueueError]:
        refused = [_refused(group, "tasks" if len(group) > 1 else "") for group in groups]
        if not any(refused):
            return super().add(groups, now)
        return [
            refusal or self._add_group(group)
            for group, refusal in zip(groups, refused, strict=True)
        ]

    def _add_group(self, group: Sequence[Record]) -> list[Record] | QueueError:
        # Those of `add` have been looked at: here are others that follow a task.
        return _refused(group, "queue") or super()._add_group(group)

    def claim(self, claims: Sequence[Claim], now: int) -> list[list[Record]]:
        for claim in claims:
            for place, name in enumerate(claim.names):
                if "\0" in name:
                    raise _refusal(f"names[{place}]")
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


ERRORS = (peewee.DatabaseError, peewee.InterfaceError, psycopg.Error)

LOST = (
    peewee.OperationalError,
    peewee.InterfaceError,
    psycopg.OperationalError,
    psycopg.InterfaceError,
)
"""Errors of the connection, and others that pass."""

BROKEN = (
    peewee.IntegrityError,
    peewee.DataError,
    peewee.ProgrammingError,
    psycopg.IntegrityError,
    psycopg.DataError,
    psycopg.ProgrammingError,
)
"""Errors of the program, not of the database."""


def _unstorable(record: Record) -> str:
    """The field that PostgreSQL can't store; empty for none."""
    if "\0" in record.name:
        return "name"
    if record.unique_key is not None and "\0" in record.unique_key:
        return "unique_key"
    return "worker" if record.worker is not None and "\0" in record.worker else ""


def _refused(group: Sequence[Record], param: str) -> InvalidParams | None:
    """Why a group can't be stored; it is what a list has that is given as `param`, if any is."""
    for place, record in enumerate(group):
        if field := _unstorable(record):
            return _refusal(f"{param}[{place}].{field}" if param else field)
    return None


def _refusal(param: str) -> InvalidParams:
    return InvalidParams.of(param, "PostgreSQL can't store the character U+0000")


def _check(param: str, texts: Iterable[str | None]) -> None:
    for text in texts:
        if text is not None and "\0" in text:
            raise _refusal(param)
