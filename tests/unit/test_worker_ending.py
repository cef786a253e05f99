"""How a runner ends: told to, asked to, or done."""

import asyncio
from threading import Event
from time import monotonic, sleep
from typing import Any

import pytest

from jsonrpc_qm.task import Task
from jsonrpc_qm.worker import heartbeat as heartbeat_module
from jsonrpc_qm.worker import runner as runner_module
from jsonrpc_qm.worker.context import Context
from jsonrpc_qm.worker.runner import Ending
from tests.unit.worker_fakes import PATIENCE, FakeManager, FakeSource, working


@pytest.fixture
def manager() -> FakeManager:
    return FakeManager()


@pytest.fixture
def go() -> Any:
    """Handlers wait for it; set at the end, so that no thread is left behind."""
    event = Event()
    yield event
    event.set()


def mail(text: str = "") -> str:
    return text.upper()


def test_an_idle_worker_stops_at_once(manager: FakeManager) -> None:
    """The waiting claim is ended, and takes nothing."""
    with working(manager, mail) as worker:
        manager.wait_until(lambda: manager.waiting_claims)
        worker.stop()
        assert worker.ending is Ending.STOPPED
    assert not manager.waiting_claims
    assert manager.tasks[manager.queue()].status == "queued"


def test_what_runs_may_finish_and_what_waits_is_released(manager: FakeManager, go: Event) -> None:
    """Claimed in advance, but not started: given back untouched."""
    started = Event()

    def work(long: bool) -> str:
        if long:
            started.set()
            go.wait(PATIENCE)
        return "done"

    for number in range(300):
        manager.queue("work", {"long": number == 200})
    with working(manager, work, concurrency=1) as worker:
        assert started.wait(PATIENCE)
        worker.runner.stop(PATIENCE)
        manager.wait_until(lambda: sum(t.status == "started" for t in manager.tasks.values()) == 1)
        go.set()
        worker.join()
    assert manager.tasks["t201"].result == "done"
    assert manager.tasks["t300"].status == "queued"
    assert manager.tasks["t300"].attempts == 0


def test_what_does_not_finish_within_the_grace_is_released(
    manager: FakeManager, go: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its handler is told, and what it returns later is dropped."""
    monkeypatch.setattr(runner_module, "LAST_WORDS", 0.05)
    seen: list[bool] = []
    started, left = Event(), Event()

    def work(context: Context) -> None:
        started.set()
        go.wait(PATIENCE)
        seen.append(context.cancelled)
        left.set()

    with working(manager, work) as worker:
        id = manager.queue("work")
        assert started.wait(PATIENCE)
        worker.stop(grace=0.0)
        assert manager.tasks[id].status == "queued"
        go.set()
        assert left.wait(PATIENCE)
    assert seen == [True]
    assert len(manager.reports) == 1


def test_async_handlers_are_cancelled_when_the_grace_has_passed(manager: FakeManager) -> None:
    """They can clean up before their tasks are released."""
    order = []
    started = Event()
    manager.refuse = lambda outcome: order.append(outcome["status"])

    async def work() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            order.append("cleaned up")

    with working(manager, work) as worker:
        manager.queue("work")
        assert started.wait(PATIENCE)
        worker.stop(grace=0.01)
    assert order == ["cleaned up", "queued"]


def test_a_second_word_releases_at_once(manager: FakeManager, go: Event) -> None:
    """However long the grace was to be."""

    started = Event()

    def work() -> None:
        started.set()
        go.wait(PATIENCE)

    with working(manager, work) as worker:
        id = manager.queue("work")
        assert started.wait(PATIENCE)
        worker.runner.stop(3600.0)
        worker.runner.abandon()
        worker.join()
        assert manager.tasks[id].status == "queued"


def test_a_drained_worker_finishes_and_ends(
    manager: FakeManager, go: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It learns of it by a heartbeat."""
    monkeypatch.setattr(heartbeat_module, "IDLE", 0.05)

    def work() -> None:
        go.wait(PATIENCE)

    with working(manager, work) as worker:
        id = manager.queue("work")
        manager.wait_until(lambda: manager.tasks[id].status == "started")
        with manager.changed:
            manager.drain = True
            manager.changed.notify_all()
        assert worker.runner._stopping.wait(PATIENCE)
        go.set()
        worker.join()
    assert worker.ending is Ending.DRAINED
    assert manager.tasks[id].status == "completed"


def test_a_worker_is_recycled_after_its_number_of_tasks(manager: FakeManager) -> None:
    """It claims no more than it may do."""
    for _ in range(30):
        manager.queue()
    with working(manager, mail, max_tasks=20) as worker:
        worker.join()
    assert worker.ending is Ending.RECYCLED
    statuses = [task.status for task in manager.tasks.values()]
    assert (statuses.count("completed"), statuses.count("queued")) == (20, 10)


def test_a_burst_ends_when_nothing_is_due(manager: FakeManager) -> None:
    """Also what its tasks have queued is done."""

    def work(n: int) -> None:
        if n:
            manager.queue("work", [n - 1])

    for _ in range(10):
        manager.queue("work", [3])
    with working(manager, work, burst=True) as worker:
        worker.join()
    assert worker.ending is Ending.EMPTIED
    assert len(manager.tasks) == 40
    assert manager.all_finished()


def test_a_burst_does_what_was_queued_while_it_asked(
    manager: FakeManager, go: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claim that found nothing says nothing of what its own tasks have queued since."""
    begun = Event()

    def work(n: int) -> None:
        go.wait(PATIENCE)
        if n:
            manager.queue("work", [n - 1])

    class Slow(FakeSource):
        def claim(self, *args: Any, **options: Any) -> list[Task]:
            taken = super().claim(*args, **options)
            if not taken and not go.is_set():
                begun.wait(PATIENCE)
                go.set()
                until = monotonic() + PATIENCE
                while not worker.runner.holds_nothing() and monotonic() < until:
                    sleep(0.001)
            return taken

    monkeypatch.setattr(manager, "source", lambda: Slow(manager))
    manager.queue("work", [1])
    with working(manager, work, burst=True) as worker:
        begun.set()
        worker.join()
    assert worker.ending is Ending.EMPTIED
    assert len(manager.tasks) == 2
    assert manager.all_finished()


def test_a_crash_of_the_worker_itself_is_not_silent(
    manager: FakeManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug in one of its threads ends it, and says so."""

    def broken(*args: Any) -> None:
        raise RuntimeError("a bug")

    with working(manager, mail) as worker:
        manager.wait_until(lambda: manager.waiting_claims)
        monkeypatch.setattr(worker.runner, "accept", broken)
        manager.queue()
        worker.join()
    assert isinstance(worker.error, RuntimeError)
