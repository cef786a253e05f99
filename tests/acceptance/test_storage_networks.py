"""The way to a database fails: calls end in time, nothing is half, and all goes on by itself."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import count
from queue import SimpleQueue
from typing import Any, Self
from urllib.parse import urlsplit

import pytest

from jsonrpc_qm import open_storage
from jsonrpc_qm.errors import Unavailable
from jsonrpc_qm.server import patience, threads
from jsonrpc_qm.server.running import Settings, in_background
from jsonrpc_qm.storage import (
    clock,
    mysql_connections,
    notices,
    postgresql_connections,
    postgresql_watch,
    redis_news,
    redis_server,
    telling,
)
from jsonrpc_qm.storage.base import News
from tests.acceptance.rpc import RawCall, Refused, Rpc, until, works
from tests.servers.cables import Cable
from tests.servers.mysql import MysqlServer, empty_mysql_storage, server_url
from tests.servers.postgresql import PostgresServer, PostgresStandby, empty_schema
from tests.servers.redis import RedisProcess
from tests.storage.conftest import empty_redis
from tests.storage.conftest import redis_server as shared_redis

AT_MOST = 10.0
"""Seconds within which a call is answered where nobody waits for longer than a second."""


def _mysql() -> str:
    empty_mysql_storage().close()
    return server_url()


def _redis() -> str:
    empty_redis("single").close()
    return shared_redis("single").url


KINDS: dict[str, Callable[[], str]] = {
    "postgresql": empty_schema,
    "mysql": _mysql,
    "redis": _redis,
}
"""The URL of an empty place on a server that is not killed."""


@pytest.fixture(params=KINDS)
def cable(request: pytest.FixtureRequest) -> Iterator[Cable]:
    """Leads to such a place."""
    with Cable(KINDS[request.param]()) as leading:
        yield leading


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes half a minute takes half a second here, or one or two."""
    monkeypatch.setattr(patience, "PATIENCE", 0.5)
    monkeypatch.setattr(clock, "ASK_EVERY", 0.1)
    monkeypatch.setattr(postgresql_watch, "LONGEST_STATEMENT", 1.0)
    monkeypatch.setattr(postgresql_watch, "LOOK_EVERY", 0.1)
    monkeypatch.setitem(postgresql_connections.CONNECTION, "connect_timeout", 2)
    monkeypatch.setitem(mysql_connections.CONNECTION, "read_timeout", 1)
    monkeypatch.setattr(mysql_connections, "LONGEST_ANSWER", 1.0)
    monkeypatch.setattr(threads, "END_SECONDS", 0.3)
    monkeypatch.setattr(telling, "END_SECONDS", 0.3)
    monkeypatch.setattr(redis_server, "TIMEOUT", 0.5)
    monkeypatch.setattr(notices, "ASK_EVERY", 0.5)
    monkeypatch.setattr(redis_news, "ASK_EVERY", 0.5)
    monkeypatch.setattr(redis_news, "LONGEST_SILENCE", 1.0)


@contextmanager
def manager(url: str) -> Iterator[str]:
    """The URL of a manager on a storage."""
    with closing(open_storage(url)) as storage, in_background(storage, Settings(port=0)) as served:
        yield served


def is_done(rpc: Rpc, method: str, **params: Any) -> bool:
    """Whether a call was answered otherwise than as Unavailable; it is answered in time."""
    start = time.monotonic()
    try:
        return works(rpc, method, **params)
    finally:
        assert time.monotonic() - start < AT_MOST


class Groups:
    """Tasks that are queued in threes, which are there all or none."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc
        self.answered: dict[str, bool] = {}

    def queue(self, group: str) -> bool:
        tasks = [{"name": "group", "id": f"{group}-{n}"} for n in range(3)]
        self.answered[group] = is_done(self._rpc, "queue_many", tasks=tasks)
        return self.answered[group]

    def check(self) -> None:
        """What was answered is there, and nothing is half there."""
        listed = self._rpc("list_tasks", name="group", limit=1000)["tasks"]
        ids = {task["id"] for task in listed}
        for group, answered in self.answered.items():
            found = [f"{group}-{n}" in ids for n in range(3)]
            assert all(found) if answered else len(set(found)) == 1


def calls_during(url: str, fault: Callable[[], None], end: Callable[[], None]) -> None:
    """Make calls of all kinds while the way to the storage is at fault, and see what they did."""
    with Rpc(url) as rpc, RawCall(url, "claim", names=["later"], wait=50) as later:
        groups = Groups(rpc)
        assert groups.queue("before")
        rpc("queue", name="held", id="held")
        [held] = rpc("claim", names=["held"], wait=0)
        fault()
        with ThreadPoolExecutor(8) as threads:
            outcome = {"id": "held", "token": held["token"], "result": 1}
            threads.submit(is_done, rpc, "complete", **outcome)
            threads.submit(is_done, rpc, "get_task", id="held")
            calls = [threads.submit(groups.queue, f"meanwhile{n}") for n in range(6)]
        for call in calls:
            call.result()
        end()
        until(lambda: is_done(rpc, "complete", **outcome))
        until(lambda: is_done(rpc, "get_task", id="held"))
        assert groups.queue("after")
        groups.check()
        assert rpc("get_task", id="held")["attempts"] == 1
        # What time brings about goes on too.
        until(lambda: is_done(rpc, "queue", name="later", id="later", delay=0.1))
        assert [task["id"] for task in claimed(later, rpc)] == ["later"]


def claimed(waiting: RawCall, rpc: Rpc) -> Any:
    """What a claim that waits gets; or, if the storage was too slow for it, what its caller gets by
    asking again."""
    try:
        return waiting.answer()
    except Refused as refused:
        if refused.code != Unavailable.code:
            raise
        return rpc("claim", names=["later"], wait=20)


def test_connections_into_nothing_are_replaced(cable: Cable) -> None:
    """They look alive for ever, and the manager gives them up by itself."""
    with manager(cable.url) as url:
        calls_during(url, cable.lose, lambda: None)


def test_a_database_that_cannot_be_reached_for_a_moment(cable: Cable) -> None:
    """What was on its way arrives later than its callers were answered."""
    with manager(cable.url) as url:
        calls_during(url, cable.freeze, cable.thaw)


def test_a_database_that_cannot_be_reached_for_long(
    cable: Cable, caplog: pytest.LogCaptureFixture
) -> None:
    """New connections lead nowhere either, until all is well again."""

    def freeze() -> None:
        caplog.clear()
        cable.freeze()

    def end() -> None:
        until(lambda: "jsonrpc_qm.storage" in [record.name for record in caplog.records])
        cable.cut()
        cable.thaw()

    with manager(cable.url) as url, caplog.at_level("WARNING", "jsonrpc_qm.storage"):
        calls_during(url, freeze, end)


def test_a_manager_stops_though_its_database_does_not_answer(cable: Cable) -> None:
    """Soon, and no thread that waits for an answer keeps the process from ending."""
    before = set(threading.enumerate())
    with manager(cable.url) as url, Rpc(url) as rpc, ThreadPoolExecutor(2) as callers:
        rpc("queue", name="mail", id="a")
        cable.freeze()
        for call in ("stats", "workers"):
            callers.submit(is_done, rpc, call)
        is_done(rpc, "queue", name="mail")
        start = time.monotonic()
    assert time.monotonic() - start < AT_MOST / 3
    left = set(threading.enumerate()) - before
    assert all(thread.daemon for thread in left)


def test_news_come_again_after_their_connections_were_lost(cable: Cable) -> None:
    """Nobody has ended them, and nothing arrives on them any more."""
    heard: SimpleQueue[News] = SimpleQueue()
    with closing(open_storage(cable.url)) as here, closing(open_storage(cable.url)) as there:
        there.subscribe(heard.put)
        here.subscribe(lambda news: None)
        assert heard.get(timeout=10).more
        here.announce(News(due={"before": 1}))
        assert heard.get(timeout=10).due == {"before": 1}
        cable.lose()
        # Whoever listens anew is told to look for himself.
        assert heard.get(timeout=10).more
        here.announce(News(due={"after": 1}))
        assert heard.get(timeout=10).due == {"after": 1}


# -- an address that moves ----------------------------------------------------------------------


class Queueing:
    """Queues tasks one after the other, in a thread, whatever becomes of the database."""

    def __init__(self, url: str) -> None:
        self.answered: list[str] = []
        self._url = url
        self._port = urlsplit(url).port
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._queue)

    def _queue(self) -> None:
        with Rpc(self._url) as rpc:
            for number in count():
                if self._enough.is_set():
                    return
                id = f"{self._port}-{number}"
                if is_done(rpc, "queue", name="mail", id=id):
                    self.answered.append(id)

    def goes_on(self) -> None:
        """Return when some more are answered."""
        so_far = len(self.answered)
        until(lambda: len(self.answered) > so_far + 10)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join()


def stored(rpc: Rpc) -> set[str]:
    """The ids of all tasks that are there."""
    ids: set[str] = set()
    cursor = None
    while True:
        page = rpc("list_tasks", limit=1000, **({"cursor": cursor} if cursor else {}))
        ids.update(task["id"] for task in page["tasks"])
        cursor = page["next_cursor"]
        if cursor is None:
            return ids


@pytest.mark.parametrize("server", [MysqlServer, RedisProcess])
def test_a_server_that_starts_elsewhere_is_found(server: type[MysqlServer | RedisProcess]) -> None:
    """Behind the address that the manager was given; what was answered is there."""
    with (
        closing(server()) as moving,
        Cable(moving.database()) as cable,
        manager(cable.url) as url,
        Rpc(url) as rpc,
        Queueing(url) as queueing,
    ):
        queueing.goes_on()
        moving.move()
        cable.lead(moving.port)
        queueing.goes_on()
        queueing.__exit__()
        assert stored(rpc) >= set(queueing.answered)


def test_a_standby_takes_over() -> None:
    """With one address that moves, or both in the URL: what a synchronous standby has is there."""
    with (
        closing(PostgresServer()) as primary,
        closing(PostgresStandby(primary)) as standby,
        Cable(primary.database()) as cable,
    ):
        place = f"127.0.0.1:{primary.port}"
        both = cable.server_url.replace(place, f"{place},127.0.0.1:{standby.port}")
        with (
            manager(cable.url) as one,
            manager(f"{both}?target_session_attrs=read-write") as other,
            Rpc(one) as rpc,
            Queueing(one) as here,
            Queueing(other) as there,
        ):
            here.goes_on()
            there.goes_on()
            primary.kill()
            cable.lead(standby.port)
            standby.promote()
            here.goes_on()
            there.goes_on()
            here.__exit__()
            there.__exit__()
            assert stored(rpc) >= {*here.answered, *there.answered}


def test_a_redis_that_becomes_a_replica_is_left() -> None:
    """Its connections stay, and it writes no more: the address leads to another by then."""
    with (
        closing(RedisProcess(repl_diskless_sync_delay="0")) as master,
        closing(RedisProcess()) as replica,
        Cable(master.database()) as cable,
        manager(cable.url) as url,
        Rpc(url) as rpc,
    ):
        with master.connected() as old, replica.connected() as new:
            new.replicaof("127.0.0.1", master.port)
            rpc("queue", name="mail", id="before")
            until(lambda: new.info("replication")["master_link_status"] == "up")
            old.wait(1, 10_000)
            new.replicaof("NO", "ONE")
            cable.lead(replica.port)
            old.replicaof("127.0.0.1", replica.port)
        until(lambda: is_done(rpc, "queue", name="mail", id="after"))
        assert stored(rpc) == {"before", "after"}
