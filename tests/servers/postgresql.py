"""A PostgreSQL server for the tests: one of their own, or the one that a variable names."""

import atexit
import os
import shutil
import signal
import time
from contextlib import suppress
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from jsonrpc_qm.storage.postgresql import PostgresqlStorage
from tests.servers.processes import (
    START_SECONDS,
    Certificate,
    PrivateServer,
    ServerAccount,
    missing,
    remove,
)

VARIABLE = "JSONRPC_QM_TEST_POSTGRESQL"
"""A URL of an empty database to use, instead of starting a server."""


TLS_ONLY = """
hostssl all postgres 127.0.0.1/32 trust
hostssl all all 127.0.0.1/32 scram-sha-256
"""
"""Who may log in to a server with a certificate, and how."""


class PostgresServer(PrivateServer):
    """A private server, with its default durability; `postgres` needs no password."""

    title = "PostgreSQL"

    def __init__(self, certificate: Certificate | None = None, **settings: str) -> None:
        self._programs = _programs()
        self._settings = settings
        self._databases = count(1)
        super().__init__(_account(), certificate)

    @property
    def url(self) -> str:
        """Of its first database."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def _template(self) -> Path:
        return _new_cluster()

    def _program(self) -> list[str | Path]:
        settings = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": "200",
            **self._settings,
        }
        if self._certificate is not None:
            (self._folder / "data/pg_hba.conf").write_text(TLS_ONLY)
            settings |= {
                "ssl": "on",
                "ssl_cert_file": str(self._certificate.certificate),
                "ssl_key_file": str(self._certificate.key),
            }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [self._programs / "postgres", "-D", self._folder / "data", *options]

    def _answers(self) -> bool:
        try:
            with psycopg.connect(self.url, connect_timeout=2):
                return True
        except psycopg.OperationalError:
            return False

    def database(self) -> str:
        """The URL of a new database."""
        name = f"tasks{next(self._databases)}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return f"{self.url.rpartition('/')[0]}/{name}"

    def end_subscriptions(self) -> int:
        """End the sessions that have said LISTEN last; how many."""
        return end_sessions(self.url, "query LIKE 'LISTEN%'")

    def kill(self) -> None:
        """kill -9 of all its processes; those of connections have process groups of their own, and
        while one is left, its memory keeps the server from starting again."""
        of_connections = _children(self._process.pid)
        super().kill()
        for process in of_connections:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        deadline = time.monotonic() + START_SECONDS
        while any(Path(f"/proc/{process}").exists() for process in of_connections):
            assert time.monotonic() < deadline, "PostgreSQL's processes do not end"
            time.sleep(0.01)

    def restart(self) -> None:
        """Stop it, which ends all connections, and start it again."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(START_SECONDS)
        self.start()


class PostgresStandby(PostgresServer):
    """Follows another server, whose commits wait for it from then on."""

    def __init__(self, primary: PostgresServer) -> None:
        self._primary = primary
        super().__init__()
        with psycopg.connect(primary.url, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (*)'")
            connection.execute("SELECT pg_reload_conf()")
            deadline = time.monotonic() + START_SECONDS
            sql = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'"
            while connection.execute(sql).fetchone() != (1,):
                assert time.monotonic() < deadline, "the standby does not follow"
                time.sleep(0.02)

    def _make_data(self, data: Path) -> None:
        source = f"--dbname=postgresql://postgres@127.0.0.1:{self._primary.port}"
        how = ["--write-recovery-conf", "--checkpoint=fast", "--no-sync"]
        self._account.run(self._programs / "pg_basebackup", source, "--pgdata", data, *how)

    def promote(self) -> None:
        """Make it the primary."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("SELECT pg_promote()")


def end_sessions(url: str, which: str) -> int:
    """End the sessions for which a condition on `pg_stat_activity` holds, and wait until they have
    gone; how many."""
    with psycopg.connect(url, autocommit=True) as operator:
        sql = f"SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity WHERE {which}"
        ended = [process for process, _ in operator.execute(sql).fetchall()]
        deadline = time.monotonic() + START_SECONDS
        sql = "SELECT FROM pg_stat_activity WHERE pid = ANY(%s)"
        while operator.execute(sql, [ended]).rowcount:
            assert time.monotonic() < deadline, "PostgreSQL's sessions do not end"
            time.sleep(0.01)
        return len(ended)


def _children(parent: int) -> list[int]:
    """The processes that a process has started."""
    listed = Path(f"/proc/{parent}/task/{parent}/children")
    return [int(child) for child in listed.read_text().split()] if listed.exists() else []


def _programs() -> Path:
    """The folder of the server's programs: of those in PATH, or else of the newest that Debian has
    installed beside it."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    installed = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    versions = sorted((float(path.parts[4]), path.parent) for path in installed)
    if not versions:
        missing("PostgreSQL")
    return versions[-1][1]


def _account() -> ServerAccount:
    return ServerAccount("postgres", "nobody")


@cache
def _new_cluster() -> Path:
    """The data of a new server, of which each that this process starts gets a copy."""
    account = _account()
    folder = account.folder()
    atexit.register(remove, folder)
    options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
    account.run(_programs() / "initdb", "--pgdata", folder / "data", *options)
    return folder / "data"


@cache
def postgresql_url() -> str:
    """The server that all tests of this process share, started by the first."""
    if given := os.environ.get(VARIABLE):
        return given
    server = PostgresServer()
    atexit.register(server.close)
    return server.url


@cache
def _operator() -> "psycopg.Connection[Any]":
    """A connection to that server that stays."""
    connection = psycopg.connect(postgresql_url(), autocommit=True)
    connection.execute("SET lock_timeout = '10s'")
    connection.execute("SET client_min_messages = warning")
    return connection


def empty_schema() -> str:
    """The URL of this process's own schema, emptied: there are no tables either."""
    return _new_schema(f"test_{os.getpid()}")


def empty_postgresql_storage() -> PostgresqlStorage:
    """Open a storage of this process, without any task; its tables stay from test to test."""
    opened = PostgresqlStorage(_kept_schema())
    for table in ("task", "tally_part", "paused", "worker"):
        _operator().execute(f"DELETE FROM {_kept_name()}.{table}")
    return opened


def _kept_name() -> str:
    return f"kept_{os.getpid()}"


@cache
def _kept_schema() -> str:
    return _new_schema(_kept_name())


def _new_schema(name: str) -> str:
    _operator().execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")
    _operator().execute(f"CREATE SCHEMA {name}")
    url, options = postgresql_url(), quote(f"-csearch_path={name}")
    return f"{url}{'&' if '?' in url else '?'}options={options}"
