"""Every storage that the contract holds for: a new one is one line here."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jsonrpc_qm.storage.base import Storage
from jsonrpc_qm.storage.memory import MemoryStorage
from jsonrpc_qm.storage.sqlite import SqliteStorage
from tests.storage.mysql_databases import empty_mysql_storage

STORAGES: dict[str, Callable[[Path], Storage]] = {
    "memory": lambda folder: MemoryStorage(),
    "sqlite": lambda folder: SqliteStorage(folder / "tasks.db"),
    "mysql": lambda folder: empty_mysql_storage(),
}
"""How each storage is opened, empty, for tests that may use a folder."""


@pytest.fixture(params=STORAGES)
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    """An empty storage."""
    opened = STORAGES[request.param](tmp_path)
    yield opened
    opened.close()
