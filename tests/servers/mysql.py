"""A MariaDB or MySQL server for the tests: one of their own, or the one that a variable names."""

import atexit
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from itertools import count
from pathlib import Path

import pymysql

from jsonrpc_qm.storage.mysql import MysqlStorage
from jsonrpc_qm.storage.mysql_url import options_of
from tests.servers.processes import (
    Certificate,
    PrivateServer,
    ServerAccount,
    missing,
    remove,
)

VARIABLE = "JSONRPC_QM_TEST_MYSQL"
"""A URL of a database that tests may empty, instead of starting a server."""

PROGRAM = "JSONRPC_QM_TEST_MYSQLD"
"""The path of a MySQL `mysqld`, which the tests then make their servers of, instead of MariaDB."""

FAST = ("--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=64M")
"""Settings for servers that nobody kills."""


class MysqlServer(PrivateServer):
    """A private server, with its default durability; `root` needs no password."""

    title = "MySQL or MariaDB"

    def __init__(self, *settings: str, certificate: Certificate | None = None) -> None:
        self._settings = settings
        self._databases = count(1)
        self._mysqld = os.environ.get(PROGRAM)
        super().__init__(_account(), certificate)
        self.url = f"mysql://root@127.0.0.1:{self.port}/jsonrpc_qm"

    def start(self) -> None:
        """Start it, and once more when it crashes meanwhile, as the system's service does.

        MariaDB 10.11.19 was seen to, now and then after a kill -9: a thread that clears up behind
        transactions gets signal 11.
        """
        said_before = self.log_path.stat().st_size if self.log_path.exists() else 0
        try:
            super().start()
        except AssertionError:
            said = self.log_path.read_bytes()[said_before:]
            if self._process.poll() is None or b"got signal 11" not in said:
                raise
            print("MariaDB crashed while it started, and is started again")
            super().start()

    def database(self) -> str:
        """The URL of a new database."""
        name = f"tasks{next(self._databases)}"
        with pymysql.connect(**options_of(self.url)) as connection:
            connection.cursor().execute(f"CREATE DATABASE {name}")
        return f"{self.url.rpartition('/')[0]}/{name}"

    def end_subscriptions(self) -> int:
        """End all idle connections; how many."""
        with pymysql.connect(**options_of(self.url)) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT id FROM information_schema.processlist WHERE command = 'Sleep'")
            idle = cursor.fetchall()
            for (number,) in idle:
                with suppress(pymysql.OperationalError):  # it has gone by itself
                    cursor.execute(f"KILL {number}")
            return len(idle)

    def _template(self) -> Path:
        return _new_data(self._mysqld)

    def _program(self) -> list[str]:
        tls = []
        if self._certificate is not None:
            tls = [
                "--require-secure-transport",
                f"--ssl-cert={self._certificate.certificate}",
                f"--ssl-key={self._certificate.key}",
            ]
        return [
            self._mysqld or _installed("mariadbd"),
            "--no-defaults",
            f"--datadir={self._folder}/data",
            # One that starts removes what it takes for its own from there.
            f"--tmpdir={self._folder}",
            f"--socket={self._folder}/socket",
            f"--pid-file={self._folder}/pid",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            *tls,
            *(["--mysqlx=OFF", "--secure-file-priv=NULL"] if self._mysqld else []),
            *self._settings,
        ]

    def _answers(self) -> bool:
        try:
            with pymysql.connect(host="127.0.0.1", port=self.port, user="root") as connection:
                connection.cursor().execute("CREATE DATABASE IF NOT EXISTS jsonrpc_qm")
        except pymysql.OperationalError:
            return False
        return True


def _account() -> ServerAccount:
    return ServerAccount("mysql", "nobody")


@cache
def _new_data(mysqld: str | None) -> Path:
    """The data of a new server, of which each that this process starts gets a copy."""
    account = _account()
    folder = account.folder()
    atexit.register(remove, folder)
    options = ["--no-defaults", f"--datadir={folder}/data"]
    if mysqld:
        account.run(mysqld, *options, "--initialize-insecure")
    else:
        options += ["--auth-root-authentication-method=normal", "--skip-test-db"]
        account.run(_installed("mariadb-install-db"), *options, f"--tmpdir={folder}")
    return folder / "data"


def _installed(name: str) -> str:
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
        for table in ("task", "tally_part", "paused", "worker"):
            connection.cursor().execute(f"DELETE FROM {table}")
    return storage
