"""A MariaDB server for the tests: one of their own, or the one that a variable names."""

import atexit
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache

import pymysql

from jsonrpc_qm.storage.mysql import MysqlStorage
from jsonrpc_qm.storage.mysql_url import options_of
from tests.servers.processes import ServerAccount, free_port, kill_group, missing, remove

VARIABLE = "JSONRPC_QM_TEST_MYSQL"
"""A URL of a database that tests may empty, instead of starting a server."""

START_SECONDS = 60.0

FAST = ("--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=64M")
"""Settings for servers that nobody kills."""


class MysqlServer:
    """A private server that runs when the constructor returns, with its default durability."""

    def __init__(self, *settings: str) -> None:
        self._program = _program("mariadbd")
        self._settings = settings
        self._account = ServerAccount("mysql", "nobody")
        self._folder = self._account.folder()
        self.port = free_port()
        self.url = f"mysql://root@127.0.0.1:{self.port}/jsonrpc_qm"
        self._initialise()
        self.start()

    def _initialise(self) -> None:
        command = self._account.command(
            _program("mariadb-install-db"),
            "--no-defaults",
            f"--datadir={self._folder}/data",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        )
        subprocess.run(command, check=True, capture_output=True, cwd="/")

    def start(self) -> None:
        """Start it, after a crash as well, and wait until it answers."""
        command = self._account.command(
            self._program,
            "--no-defaults",
            f"--datadir={self._folder}/data",
            f"--socket={self._folder}/socket",
            f"--pid-file={self._folder}/pid",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            *self._settings,
        )
        log_path = self._folder / "log"
        with log_path.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd="/", start_new_session=True
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            alive = self._process.poll() is None and time.monotonic() < deadline
            assert alive, f"MariaDB did not start: {log_path.read_text()}"
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            with pymysql.connect(host="127.0.0.1", port=self.port, user="root") as connection:
                connection.cursor().execute("CREATE DATABASE IF NOT EXISTS jsonrpc_qm")
        except pymysql.OperationalError:
            return False
        return True

    def kill(self) -> None:
        """kill -9."""
        kill_group(self._process)

    def close(self) -> None:
        """End it, and leave nothing behind."""
        self.kill()
        remove(self._folder)


def _program(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    return found or missing("MariaDB's server")


@contextmanager
def mysql_server(*settings: str) -> Iterator[MysqlServer]:
    """A running server of its own."""
    server = MysqlServer(*settings)
    try:
        yield server
    finally:
        server.close()


@cache
def server_url() -> str:
    """The server of this run: the one that is given, or one that ends with the run."""
    if url := os.environ.get(VARIABLE):
        return url
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(mysql_server(*FAST)).url


def empty_mysql_storage() -> MysqlStorage:
    """Open the database of this run, without any task."""
    storage = MysqlStorage(server_url())
    with pymysql.connect(**options_of(server_url()), autocommit=True) as connection:
        for table in ("task", "tally", "paused", "worker"):
            connection.cursor().execute(f"DELETE FROM {table}")
    return storage
