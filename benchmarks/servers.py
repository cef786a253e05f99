"""What is measured side by side: SQLite, and private database servers as durable as their defaults.

Starting such servers is what the tests do, so their `tests/servers` does it here: this file, and no
other of the benchmarks, needs what the tests need.
"""

import shutil
import sqlite3
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest
import redis

from benchmarks.many import Urls
from benchmarks.processes import HOST, Broken
from tests.servers.mysql import MysqlServer
from tests.servers.postgresql import PostgresServer
from tests.servers.redis import RedisClusterProcesses, RedisProcess

DISK = "on disk"
MEMORY = "in memory"


class Server(ABC):
    """A database server of its own, or the folder of one without a server."""

    @abstractmethod
    def version(self) -> str:
        """Of the program."""

    @abstractmethod
    def create(self, name: str) -> str:
        """The URL of a new storage, which has no tasks."""

    @abstractmethod
    def clear(self) -> None:
        """Throw all storages away."""

    @abstractmethod
    def room(self, name: str) -> Mapping[str, int]:
        """Bytes that a storage occupies, DISK and MEMORY."""

    @abstractmethod
    def close(self) -> None:
        """End it, and leave nothing behind."""

    @contextmanager
    def storages(self) -> Iterator[Urls]:
        """Storages for one measurement."""
        try:
            yield self.create
        finally:
            self.clear()


class Sqlite(Server):
    """Files in a temporary folder."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="jsonrpc-qm-bench-"))

    def version(self) -> str:
        return sqlite3.sqlite_version

    def create(self, name: str) -> str:
        return f"sqlite:///{self._folder}/{name}.db"

    def clear(self) -> None:
        for path in self._folder.iterdir():
            path.unlink()

    def room(self, name: str) -> Mapping[str, int]:
        return {DISK: sum(path.stat().st_size for path in self._folder.glob(f"{name}.db*"))}

    def close(self) -> None:
        shutil.rmtree(self._folder)


class Databases(Server):
    """A server with a database for each storage."""

    asks_version = "SELECT version()"
    drop = "DROP DATABASE {}"

    def __init__(self, server: PostgresServer | MysqlServer) -> None:
        self._server = server
        self._names: list[str] = []

    @abstractmethod
    def _rows(self, statement: str) -> Sequence[Sequence[Any]]:
        """What the server answers."""

    def version(self) -> str:
        [[version]] = self._rows(self.asks_version)
        return str(version)

    def create(self, name: str) -> str:
        name = name.replace("-", "_")
        self._names.append(name)
        self._rows(f"CREATE DATABASE {name}")
        return f"{self._server.url.rpartition('/')[0]}/{name}"

    def clear(self) -> None:
        while self._names:
            self._rows(self.drop.format(self._names.pop()))

    def close(self) -> None:
        self._server.close()


class Postgresql(Databases):
    """A private PostgreSQL."""

    asks_version = "SHOW server_version"
    drop = "DROP DATABASE {} WITH (FORCE)"

    def __init__(self) -> None:
        super().__init__(PostgresServer())

    def _rows(self, statement: str) -> Sequence[Sequence[Any]]:
        with psycopg.connect(self._server.url, autocommit=True) as connection:
            done = connection.execute(statement)
            return done.fetchall() if done.description else []

    def room(self, name: str) -> Mapping[str, int]:
        [[size]] = self._rows(f"SELECT pg_database_size('{name}')")
        return {DISK: int(size)}


class Mysql(Databases):
    """A private MariaDB."""

    def __init__(self) -> None:
        super().__init__(MysqlServer())

    def _rows(self, statement: str) -> Sequence[Sequence[Any]]:
        connection = pymysql.connect(host=HOST, port=self._server.port, user="root")
        with closing(connection), connection.cursor() as cursor:
            cursor.execute(statement)
            rows: Sequence[Sequence[Any]] = cursor.fetchall()
            return rows

    def room(self, name: str) -> Mapping[str, int]:
        sizes = "SELECT SUM(file_size) FROM information_schema.innodb_sys_tablespaces"
        [[size]] = self._rows(f"{sizes} WHERE name LIKE '{name}/%'")
        return {DISK: int(size or 0)}


class Redis(Server):
    """A prefix for each storage."""

    def __init__(self) -> None:
        self._server = self._started()

    def _started(self) -> RedisProcess | RedisClusterProcesses:
        return RedisProcess()

    def version(self) -> str:
        return str(self._facts()[0]["redis_version"])

    def create(self, name: str) -> str:
        return f"{self._server.url}?prefix={name}"

    def clear(self) -> None:
        self._server.empty()

    def room(self, name: str) -> Mapping[str, int]:
        facts = self._facts()
        return {
            MEMORY: sum(int(node["used_memory"]) for node in facts),
            DISK: sum(int(node["aof_current_size"]) for node in facts),
        }

    def _facts(self) -> Sequence[Mapping[str, Any]]:
        """What each node says of itself."""
        with redis.Redis.from_url(self._server.url) as client:
            return [client.info()]

    def close(self) -> None:
        self._server.close()


class RedisCluster(Redis):
    """A prefix for each storage, on three nodes."""

    def _started(self) -> RedisProcess | RedisClusterProcesses:
        return RedisClusterProcesses()

    def _facts(self) -> Sequence[Mapping[str, Any]]:
        url = self._server.url.removeprefix("redis+cluster")
        with redis.RedisCluster.from_url(f"redis{url}") as client:
            return [client.info(target_nodes=node) for node in client.get_nodes()]


STARTS: Mapping[str, Callable[[], Server]] = {
    "postgresql": Postgresql,
    "mysql": Mysql,
    "redis": Redis,
    "redis-cluster": RedisCluster,
}
"""How each kind of `kinds.py` is started."""


@contextmanager
def running(start: Callable[[], Server]) -> Iterator[Server]:
    """A server for as long as the block runs."""
    try:
        server = start()
    except (AssertionError, pytest.skip.Exception, pytest.fail.Exception) as error:
        # It is not installed, or did not start.
        raise Broken(str(error)) from error
    with closing(server):
        yield server
