"""Two managers on one storage: they wake each other, and none of them is needed."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from statistics import median
from threading import Event, Thread

import pytest

from jsonrpc_qm import Client, open_storage
from jsonrpc_qm.server.running import Settings, in_background
from jsonrpc_qm.storage.telling import Telling
from tests.acceptance.conftest import StartManager
from tests.acceptance.load import Load, stored, unfinished
from tests.acceptance.managers import ManagerProcess
from tests.acceptance.rpc import RawCall, Rpc, until, until_heard_of
from tests.acceptance.worker_processes import WorkerProcess
from tests.servers.databases import SERVERS, DatabaseServer

ROUNDS = 2

WORKERS = 4

AT_ONCE = 1.0
"""Seconds that a machine under load may take for what usually takes some milliseconds."""

BY_ITSELF = 1.0
"""Seconds after which a manager looks for itself."""

NO_NEWS = ("pgbouncer",)
"""Where managers hear nothing of each other."""


@pytest.fixture(scope="module", params=SERVERS)
def kind(request: pytest.FixtureRequest) -> str:
    """What the managers share."""
    return str(request.param)


@pytest.fixture(scope="module")
def server(kind: str) -> Iterator[DatabaseServer]:
    """A database server that tests may kill."""
    with closing(SERVERS[kind]()) as running:
        yield running


@pytest.fixture
def database(server: DatabaseServer) -> str:
    """The URL of an empty place for tasks."""
    return server.database()


@pytest.fixture
def managers(start_manager: StartManager, database: str) -> list[ManagerProcess]:
    """Two managers on it."""
    return [start_manager("--storage", database) for _ in range(2)]


def seconds_until_woken(here: str, there: str, tasks: int) -> list[float]:
    """How long after a task was queued at one manager a claim at another has it, for each."""
    seconds = []
    with Rpc(here) as rpc:
        for n in range(tasks):
            with RawCall(there, "claim", names=["mail"], worker=f"w{n}", wait=30) as claim:
                until_heard_of(rpc, f"w{n}")
                start = time.monotonic()
                queued = rpc("queue", name="mail")
                [task] = claim.answer()
                seconds.append(time.monotonic() - start)
            assert task["id"] == queued["id"]
    return seconds


@pytest.mark.timeout(120)
def test_a_task_queued_at_one_manager_wakes_a_claim_at_another(
    kind: str, managers: list[ManagerProcess], capsys: pytest.CaptureFixture[str]
) -> None:
    """By what the storage tells, long before the manager looks for itself."""
    here, there = managers
    seconds = seconds_until_woken(here.url, there.url, 5 if kind in NO_NEWS else 10)
    with capsys.disabled():
        print(f"\n{kind}: woken after {median(seconds) * 1000:.0f} ms (median)", end=" ")
    if kind in NO_NEWS:
        assert max(seconds) < BY_ITSELF + AT_ONCE
    else:
        assert median(seconds) < BY_ITSELF / 5
        assert max(seconds) < AT_ONCE


@contextmanager
def two_managers(database: str) -> Iterator[tuple[str, str]]:
    """The URLs of two that run in this process."""
    with (
        closing(open_storage(database)) as one,
        closing(open_storage(database)) as other,
        in_background(one, Settings(port=0)) as here,
        in_background(other, Settings(port=0)) as there,
    ):
        yield here, there


def test_a_claim_sees_a_task_soon_though_no_news_comes(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waking is an optimisation: each manager looks for itself."""
    monkeypatch.setattr(Telling, "announce", lambda self, news: None)
    with two_managers(database) as (here, there):
        seconds = seconds_until_woken(here, there, 5)
    # Were all of them sooner, news would have come.
    assert BY_ITSELF / 10 < max(seconds) < BY_ITSELF + AT_ONCE


def test_a_subscription_that_the_server_ends_comes_back(
    kind: str, server: DatabaseServer, managers: list[ManagerProcess]
) -> None:
    """A claim sees a task soon all the same, and later ones are woken by news again."""
    here, there = managers
    with Rpc(here.url) as rpc, RawCall(there.url, "claim", names=["mail"], worker="w") as claim:
        until_heard_of(rpc, "w")
        assert server.end_subscriptions() or kind in NO_NEWS
        start = time.monotonic()
        rpc("queue", name="mail")
        assert len(claim.answer()) == 1
        assert time.monotonic() - start < BY_ITSELF + AT_ONCE
    if kind not in NO_NEWS:
        until(lambda: median(seconds_until_woken(here.url, there.url, 5)) < BY_ITSELF / 5)


@pytest.mark.timeout(120)
def test_a_waiting_get_task_sees_what_was_completed_at_another_manager(
    managers: list[ManagerProcess],
) -> None:
    """`wait` ends with the task, wherever that ends."""
    here, there = managers
    with Rpc(here.url) as rpc:
        queued = rpc("queue", name="mail")
        [task] = rpc("claim", names=["mail"], wait=0)
        with RawCall(there.url, "get_task", id=queued["id"], wait=50) as reader:
            assert not reader.is_answered()
            rpc("complete", id=task["id"], token=task["token"], result="done")
            start = time.monotonic()
            assert reader.answer()["result"] == "done"
            assert time.monotonic() - start < BY_ITSELF + AT_ONCE


@pytest.mark.timeout(120)
def test_a_drain_at_one_manager_is_heard_at_another(
    kind: str, managers: list[ManagerProcess]
) -> None:
    """By the next heartbeat, by waiting claims and by those to come."""
    here, there = managers
    seconds = []
    with Rpc(here.url) as rpc, Rpc(there.url) as other:
        for n in range(3):
            worker = f"w{n}"
            with RawCall(there.url, "claim", names=["mail"], worker=worker, wait=30) as claim:
                until_heard_of(rpc, worker)
                start = time.monotonic()
                rpc("drain", worker=worker)
                if kind in NO_NEWS:
                    # What the next call of the worker brings ends its claim too.
                    assert other("heartbeat", leases=[], worker=worker)["drain"]
                assert claim.answer() == []
                assert other("heartbeat", leases=[], worker=worker)["drain"]
                assert other("claim", names=["mail"], worker=worker, wait=30) == []
                seconds.append(time.monotonic() - start)
    assert median(seconds) < AT_ONCE
    # One that has just started may not listen yet.
    assert max(seconds) < 2 * BY_ITSELF + AT_ONCE


def until_drained_out_of_the_way(here: str, there: str) -> float:
    """How long after a task was queued at one manager a claim at another has it that has waited
    shorter than one of a worker that has been drained."""
    with (
        Rpc(here) as rpc,
        RawCall(there, "claim", names=["mail"], worker="w", wait=30) as drained,
    ):
        until_heard_of(rpc, "w")
        with RawCall(there, "claim", names=["mail"], worker="v", wait=30) as claim:
            until_heard_of(rpc, "v")
            rpc("drain", worker="w")
            start = time.monotonic()
            rpc("queue", name="mail")
            assert len(claim.answer()) == 1
            seconds = time.monotonic() - start
        assert drained.answer() == []
    return seconds


def test_a_drained_worker_at_another_manager_is_in_nobodys_way(
    kind: str, managers: list[ManagerProcess]
) -> None:
    """The task goes to who may have it."""
    here, there = managers
    seconds = until_drained_out_of_the_way(here.url, there.url)
    assert seconds < (3 * BY_ITSELF if kind in NO_NEWS else 0) + AT_ONCE


def test_a_drained_worker_is_in_nobodys_way_though_no_news_comes(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A manager whose claim was woken for nothing looks for drains."""
    monkeypatch.setattr(Telling, "announce", lambda self, news: None)
    with two_managers(database) as (here, there):
        assert until_drained_out_of_the_way(here, there) < 3 * BY_ITSELF + AT_ONCE


class Producing:
    """Queues tasks for worker processes by the client, which knows of all managers."""

    def __init__(self, urls: str) -> None:
        self.ids: set[str] = set()
        """The tasks whose queueing was answered."""
        self._urls = urls
        self._enough = Event()
        self._thread = Thread(target=self._produce)

    def _produce(self) -> None:
        with Client(self._urls, retry_for=60) as client:
            while not self._enough.wait(0.01):
                self.ids.add(client.queue("pid", lease=2, max_lost=1000).id)

    def __enter__(self) -> "Producing":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join()


@pytest.mark.timeout(240)
def test_a_manager_a_worker_and_the_database_are_killed_under_load(
    server: DatabaseServer,
    database: str,
    managers: list[ManagerProcess],
    start_manager: StartManager,
    tmp_path: Path,
) -> None:
    """Whatever was answered holds, nothing is completed by two leases, and everything ends."""
    urls = ",".join(manager.url for manager in managers)

    def start_worker() -> WorkerProcess:
        worker = WorkerProcess(urls, tmp_path, "--names", "pid")
        return ended.enter_context(closing(worker))

    load = Load(*(manager.url for manager in managers))
    with ExitStack() as ended:
        workers = [start_worker() for _ in range(WORKERS)]
        with load.running(), Producing(urls) as producing:
            for round in range(ROUNDS):
                load.ledger.wait_for(answers=200)
                port = managers[round].port
                managers[round].kill()
                load.ledger.wait_for(answers=100)
                managers[round] = start_manager("--storage", database, port=port)
                workers[round].close()
                workers[round] = start_worker()
                load.ledger.wait_for(answers=200)
                server.kill()
                server.start()
                load.ledger.wait_for(answers=200)
            producing.__exit__()
            load.stop_producing()
            with Rpc(managers[0].url) as rpc:
                until(lambda: unfinished(rpc) == 0, within=60)
                load.stop()
                stats = rpc("stats")["names"]
    assert [manager.stop() for manager in managers] == [0, 0]
    records = stored(database)
    load.ledger.check(records, stats)
    done = {record.id: record.status for record in records if record.name == "pid"}
    assert done.keys() >= producing.ids
    assert set(done.values()) == {"completed"}
