"""Contract of lists while others work: a task that is there the whole time is on one page, once.

Others move all tasks between two reads of one list, whichever two these are.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from jsonrpc_qm.moments import SECOND
from jsonrpc_qm.storage.base import Listing, Storage
from jsonrpc_qm.storage.mysql import MysqlStorage
from jsonrpc_qm.storage.postgresql import PostgresqlStorage
from jsonrpc_qm.storage.redis import RedisStorage
from jsonrpc_qm.storage.sqlite import SqliteStorage
from jsonrpc_qm.transitions import Release
from tests.records import NOW, a_record
from tests.servers.mysql import empty_mysql_storage, server_url
from tests.servers.postgresql import empty_schema
from tests.storage.conftest import empty_redis, redis_server
from tests.storage.verbs import add, claim, happen, stored_in, sweep

READS = 40
"""More than a list of six tasks takes, in a cluster of 16 shards, too."""

NAMES = ("mail", "sms", "phone")

IDS = [f"{name}-{place}" for place in range(2) for name in NAMES]


def both(first: Storage, second: Storage) -> tuple[Storage, Storage]:
    return first, second


def two_on_postgresql() -> tuple[Storage, Storage]:
    url = empty_schema()
    return PostgresqlStorage(url), PostgresqlStorage(url)


TWO: dict[str, Callable[[Path], tuple[Storage, Storage]]] = {
    "sqlite": lambda folder: both(*(SqliteStorage(folder / "tasks.db") for _ in range(2))),
    "postgresql": lambda folder: two_on_postgresql(),
    "redis": lambda folder: both(empty_redis("single"), RedisStorage(redis_server("single").url)),
    "redis-cluster": lambda folder: both(
        empty_redis("cluster"), RedisStorage(redis_server("cluster").url)
    ),
    "mysql": lambda folder: both(empty_mysql_storage(), MysqlStorage(server_url())),
}
"""Two on the same tasks: one that reads, and one that works."""


class Reading:
    """Has something happen after one of a storage's reads."""

    def __init__(self, storage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self._left = -1
        self._happen: Callable[[], None] = lambda: None
        self._patch = monkeypatch.setattr
        if not isinstance(storage, RedisStorage):
            self._see(storage, "run")
            return
        server: Any = storage._server
        self._see(server, "script")
        if server.shards == 1:
            self._see(server, "run")
        else:
            # What a node is sent at once it does one by one.
            run_on = server._run_on
            monkeypatch.setattr(server, "_run_on", self._one_by_one(run_on))
            self._see(server._client, "execute_command")

    def after(self, reads: int, happen: Callable[[], None]) -> None:
        self._left, self._happen = reads, happen

    def _see(self, on: Any, method: str) -> None:
        does = getattr(on, method)

        def seen(*args: Any, **options: Any) -> Any:
            answer = does(*args, **options)
            self._count()
            return answer

        self._patch(on, method, seen)

    def _one_by_one(self, run_on: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
        def run(node: Any, commands: Any) -> list[Any]:
            replies = []
            for command in commands:
                replies += run_on(node, [command])
                self._count()
            return replies

        return run

    def _count(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._happen()


@pytest.fixture(params=TWO)
def storages(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Storage, Storage]]:
    first, second = TWO[request.param](tmp_path)
    with closing(first), closing(second):
        yield first, second


@pytest.fixture
def storage(storages: tuple[Storage, Storage]) -> Storage:
    """The one that reads."""
    return storages[0]


@pytest.fixture
def other(storages: tuple[Storage, Storage]) -> Storage:
    """The one that works."""
    return storages[1]


@pytest.fixture
def reading(storage: Storage, other: Storage, monkeypatch: pytest.MonkeyPatch) -> Reading:
    """The reads of the one, while six tasks of the other one's are queued."""
    add(other, *(a_record(id, name=id.split("-")[0]) for id in IDS))
    return Reading(storage, monkeypatch)


def take_all(storage: Storage) -> None:
    assert len(claim(storage, *NAMES, max_tasks=len(IDS))) == len(IDS)


def give_all_back(storage: Storage, delay: int = 0) -> None:
    started = [record for record in storage.get(IDS) if record is not None]
    happen(storage, *(Release(id=r.id, token=r.token, delay=delay) for r in started))


def listed(storage: Storage, listing: Listing) -> list[str]:
    page = storage.page(listing, len(IDS), None)
    assert page.next_cursor is None
    return [record.id for record in page.records]


def of(name: str | None) -> list[str]:
    return [id for id in reversed(IDS) if name in (None, id.split("-")[0])]


@pytest.mark.parametrize("name", [None, "mail"])
@pytest.mark.parametrize("text", [None, "-"])
def test_a_list_has_what_others_take_and_give_back(
    storage: Storage, other: Storage, reading: Reading, name: str | None, text: str | None
) -> None:
    """Each task once, in whichever state it is read."""
    listing = Listing(name=name, text=text)
    for reads in range(1, READS):
        reading.after(reads, lambda: take_all(other))
        assert listed(storage, listing) == of(name), reads
        if claim(other, *NAMES, max_tasks=len(IDS)):
            break
        reading.after(reads, lambda: give_all_back(other))
        assert listed(storage, listing) == of(name), reads
        give_all_back(other)
    else:
        pytest.fail("it takes more reads")


@pytest.mark.parametrize("name", [None, "mail"])
def test_a_list_of_what_is_queued_has_what_becomes_due(
    storage: Storage, other: Storage, reading: Reading, name: str | None
) -> None:
    """Scheduled or not, to the outside it is queued all the time."""
    listing = Listing(name=name, status="queued")
    for reads in range(1, READS):
        take_all(other)
        give_all_back(other, SECOND)
        reading.after(reads, lambda: sweep(other, NOW + SECOND) and None)
        assert listed(storage, listing) == of(name), reads
        if sweep(other, NOW + SECOND).records:
            break
    else:
        pytest.fail("it takes more reads")


def test_a_list_of_a_status_has_no_task_of_another_one(
    storage: Storage, other: Storage, reading: Reading
) -> None:
    """What others have taken meanwhile is not queued any more."""
    for reads in range(1, READS):
        reading.after(reads, lambda: take_all(other))
        page = storage.page(Listing(status="queued"), len(IDS), None)
        assert {record.status for record in page.records} <= {"queued"}, reads
        if claim(other, *NAMES, max_tasks=len(IDS)):
            break
        give_all_back(other)
    else:
        pytest.fail("it takes more reads")


def test_a_copy_has_what_others_take(storage: Storage, other: Storage, reading: Reading) -> None:
    """Each task once, as it is read."""
    for reads in range(1, READS):
        reading.after(reads, lambda: take_all(other))
        assert sorted(record.id for record in stored_in(storage, 99)) == sorted(IDS), reads
        if claim(other, *NAMES, max_tasks=len(IDS)):
            break
        give_all_back(other)
    else:
        pytest.fail("it takes more reads")
