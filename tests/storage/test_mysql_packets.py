"""A MySQL or MariaDB server takes so many bytes at once, and no more."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from jsonrpc_qm.errors import TooLarge
from jsonrpc_qm.execution import execute_apart
from jsonrpc_qm.manager import QueueManager
from jsonrpc_qm.operations import Operation, Step
from jsonrpc_qm.record import Record
from jsonrpc_qm.storage.mysql import MysqlStorage
from jsonrpc_qm.transitions import Complete
from tests.records import a_record
from tests.servers.mysql import FAST, mysql_server
from tests.storage.verbs import changed, get, started

PACKET = 65536
LIMIT = PACKET - 1


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server that takes little at once."""
    with mysql_server(*FAST, f"--max-allowed-packet={PACKET}") as server:
        yield server.url


@pytest.fixture
def storage(url: str) -> Iterator[MysqlStorage]:
    """A storage on it."""
    with closing(MysqlStorage(url)) as opened:
        yield opened


def adding(record: Record) -> Operation[object]:
    """Store one task."""
    return Operation((Step("add", [[record]]),), lambda added: added)


def test_a_task_beyond_the_limit_is_too_large(storage: MysqlStorage) -> None:
    """The error tells the limit, and those that were to be stored with it are."""
    tasks = [a_record("a"), a_record("b", parameters=f'"{"x" * LIMIT}"'), a_record("c")]
    stored, refused, also_stored = execute_apart(storage, [adding(task) for task in tasks])
    assert isinstance(refused, TooLarge)
    assert refused.data["limit"] == LIMIT < refused.data["size"]
    assert stored == [[[tasks[0]]]]
    assert also_stored == [[[tasks[2]]]]
    assert storage.get(["a", "b", "c"]) == [tasks[0], None, tasks[2]]


def test_a_result_beyond_the_limit_leaves_the_task_as_it_was(storage: MysqlStorage) -> None:
    """Its worker still holds it, and may end it in another way."""
    task = started(storage, "held", name="apart")
    manager = QueueManager(storage)
    with pytest.raises(TooLarge):
        manager.complete("held", task.token, result="é" * LIMIT)
    assert get(storage, "held") == task
    assert changed(storage, Complete(id="held", token=task.token)).status == "completed"


@pytest.mark.parametrize("character", ["x", "é", "😀"])
def test_what_just_fits_is_sent(storage: MysqlStorage, character: str) -> None:
    """The limit is the server's, to the byte, of which one says what is sent."""
    longest = "SELECT 1 -- " + character * 1000
    longest += "x" * (LIMIT - 1 - len(longest.encode()))
    assert storage.run(longest).fetchone() == (1,)
    with pytest.raises(TooLarge, match=f"is {LIMIT + 1}, the limit is {LIMIT}"):
        storage.run(f"{longest}x")
