"""Every storage that the contract holds for: a new one is one line here."""

import atexit
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from jsonrpc_qm.storage.base import Storage
from jsonrpc_qm.storage.memory import MemoryStorage
from jsonrpc_qm.storage.redis import RedisStorage
from jsonrpc_qm.storage.sqlite import SqliteStorage
from tests.servers.mysql import empty_mysql_storage
from tests.servers.postgresql import empty_postgresql_storage
from tests.servers.redis import RedisClusterProcesses, RedisProcess


@cache
def redis_server(kind: str) -> RedisProcess | RedisClusterProcesses:
    """One that lasts as long as the tests; quick, as nobody kills it."""
    started = {"single": RedisProcess, "cluster": RedisClusterProcesses}[kind](appendfsync="no")
    atexit.register(started.close)
    return started


def empty_redis(kind: str) -> RedisStorage:
    """A storage on it that has no tasks."""
    server = redis_server(kind)
    server.empty()
    return RedisStorage(server.url)


STORAGES: dict[str, Callable[[Path], Storage]] = {
    "memory": lambda folder: MemoryStorage(),
    "sqlite": lambda folder: SqliteStorage(folder / "tasks.db"),
    "postgresql": lambda folder: empty_postgresql_storage(),
    "redis": lambda folder: empty_redis("single"),
    "redis-cluster": lambda folder: empty_redis("cluster"),
    "mysql": lambda folder: empty_mysql_storage(),
}
"""How each storage is opened, empty, for tests that may use a folder."""


@pytest.fixture(params=STORAGES)
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    """An empty storage."""
    opened = STORAGES[request.param](tmp_path)
    yield opened
    opened.close()
