"""A PostgreSQL server for the tests: one of their own, or the one that a variable names."""

import atexit
import os
import signal
import subprocess
import time
from functools import cache
from pathlib import Path
from urllib.parse import quote

import psycopg

from tests.servers.processes import ServerAccount, free_port, kill_group, missing, remove

VARIABLE = "JSONRPC_QM_TEST_POSTGRESQL"
"""A URL of an empty database to use, instead of starting a server."""

START_SECONDS = 60.0


class PostgresServer:
    """A private server that runs when the constructor returns, with its default durability."""

    def __init__(self) -> None:
        self._programs = _programs()
        self._account = ServerAccount("postgres", "nobody")
        self._folder = self._account.folder()
        self._data = self._folder / "data"
        self.port = free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        self._initialise()
        self.start()

    def _initialise(self) -> None:
        options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"]
        command = self._account.command(
            self._programs / "initdb", "--pgdata", self._data, "--no-sync", *options
        )
        subprocess.run(command, check=True, capture_output=True, cwd="/")

    def start(self) -> None:
        """Start it, after a crash as well, and wait until it answers."""
        settings = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": "200",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = self._account.command(self._programs / "postgres", "-D", self._data, *options)
        log_path = self._folder / "log"
        with log_path.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd="/", start_new_session=True
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            alive = self._process.poll() is None and time.monotonic() < deadline
            assert alive, f"PostgreSQL did not start: {log_path.read_text()}"
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            with psycopg.connect(self.url, connect_timeout=2):
                return True
        except psycopg.OperationalError:
            return False

    def database(self, name: str) -> str:
        """The URL of a new database."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return f"{self.url.rpartition('/')[0]}/{name}"

    def kill(self) -> None:
        """kill -9 of all its processes, as when the machine loses its power."""
        kill_group(self._process)

    def restart(self) -> None:
        """Stop it, which ends all connections, and start it again."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(START_SECONDS)
        self.start()

    def close(self) -> None:
        """End it and remove what it has stored."""
        self.kill()
        remove(self._folder)


def _programs() -> Path:
    """The folder of the newest installed server's programs."""
    installed = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    versions = sorted((float(path.parts[4]), path.parent) for path in installed)
    if not versions:
        missing("PostgreSQL")
    return versions[-1][1]


@cache
def postgresql_url() -> str:
    """The server that all tests of this process share, started by the first."""
    if given := os.environ.get(VARIABLE):
        return given
    server = PostgresServer()
    atexit.register(server.close)
    return server.url


def empty_schema() -> str:
    """The URL of this process's own schema, emptied."""
    url, name = postgresql_url(), f"test_{os.getpid()}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET lock_timeout = '10s'")
        connection.execute("SET client_min_messages = warning")
        connection.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")
        connection.execute(f"CREATE SCHEMA {name}")
    options = quote(f"-csearch_path={name}")
    return f"{url}{'&' if '?' in url else '?'}options={options}"
