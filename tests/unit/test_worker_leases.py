"""What a runner does about leases, cancellations and progress."""

import asyncio
from threading import Event
from typing import Any

import pytest

from jsonrpc_qm.worker.context import Context
from tests.unit.worker_fakes import PATIENCE, FakeManager, working


@pytest.fixture
def manager() -> FakeManager:
    return FakeManager()


@pytest.fixture
def go() -> Any:
    """Handlers wait for it; set at the end, so that no thread is left behind."""
    event = Event()
    yield event
    event.set()


async def amail(text: str = "") -> str:
    return text.upper()


def test_a_busy_handler_keeps_its_lease(manager: FakeManager, go: Event) -> None:
    """Heartbeats have a thread of their own."""
    manager.lease = 0.1

    def busy() -> None:
        go.wait(PATIENCE)

    with working(manager, busy):
        id = manager.queue("busy")
        manager.wait_until(lambda: len(manager.heartbeats) >= 5)
        go.set()
        assert manager.finished(id).status == "completed"
    assert all(lease["id"] == id for beat in manager.heartbeats for lease in beat)


def test_a_blocked_loop_keeps_the_leases_of_all_on_it(manager: FakeManager, go: Event) -> None:
    """Also of those that wait behind the one that blocks."""
    manager.lease = 0.1

    async def blocking() -> None:
        go.wait(PATIENCE)  # the very mistake

    with working(manager, blocking):
        ids = {manager.queue("blocking") for _ in range(3)}
        manager.wait_until(
            lambda: manager.heartbeats and {b["id"] for b in manager.heartbeats[-1]} == ids
        )
        seen = len(manager.heartbeats)
        manager.wait_until(lambda: len(manager.heartbeats) >= seen + 3)
        go.set()
        manager.wait_until(manager.all_finished)


@pytest.mark.parametrize("asks", ["flag", "raise"])
def test_a_cancellation_reaches_a_thread_through_its_context(
    manager: FakeManager, asks: str
) -> None:
    """A handler that asks, ends; one that leaves with Cancelled has failed as cancelled."""
    manager.lease = 0.1
    ticker = Event()

    def work(context: Context) -> str:
        while not context.cancelled:
            ticker.wait(0.01)
        if asks == "raise":
            context.raise_if_cancelled()
        return "stopped early"

    with working(manager, work):
        id = manager.queue("work")
        manager.wait_until(lambda: manager.tasks[id].status == "started")
        manager.cancelled.add(id)
        task = manager.finished(id)
    if asks == "flag":
        assert task.result == "stopped early"
    else:
        assert task.error is not None
        assert task.error["type"] == "Cancelled"


def test_a_cancellation_is_a_cancelled_error_in_an_async_handler(manager: FakeManager) -> None:
    """It can clean up, and the task ends."""
    manager.lease = 0.1
    cleaned = Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    with working(manager, work):
        id = manager.queue("work")
        manager.cancelled.add(id)
        error = manager.finished(id).error
    assert cleaned.is_set()
    assert error is not None
    assert error["type"] == "Cancelled"


def test_a_lost_lease_stops_the_handler_and_nothing_is_reported(manager: FakeManager) -> None:
    """Somebody else has the task now."""
    manager.lease = 0.1
    stopped = Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    with working(manager, work, amail):
        id = manager.queue("work")
        manager.lost.add(id)
        assert stopped.wait(PATIENCE)
        manager.finished(manager.queue("amail"))
    assert all(outcome["id"] != id for report in manager.reports for outcome in report)


def test_the_same_task_can_be_claimed_again_while_its_lost_attempt_runs(
    manager: FakeManager, go: Event
) -> None:
    """Each attempt has its own token, so they can't be taken for one another."""
    manager.lease = 0.1
    first = Event()

    def work(context: Context) -> int:
        if not first.is_set():
            first.set()
            go.wait(PATIENCE)
        return context.token

    with working(manager, work, concurrency=2):
        id = manager.queue("work")
        assert first.wait(PATIENCE)
        manager.lost.add(id)
        manager.wait_until(lambda: manager.heartbeats)
        manager.lost.clear()
        manager.queue("work", id=id)
        assert manager.finished(id).result == 2
        go.set()
        manager.wait_until(lambda: sum(len(report) for report in manager.reports) == 2)
    assert manager.tasks[id].result == 2


def test_progress_arrives(manager: FakeManager, go: Event) -> None:
    """While the handler runs."""

    def work(context: Context) -> None:
        context.progress({"done": 5})
        go.wait(PATIENCE)

    with working(manager, work):
        id = manager.queue("work")
        manager.wait_until(
            lambda: any(
                lease.get("progress") == {"done": 5} and lease["id"] == id
                for beat in manager.heartbeats
                for lease in beat
            )
        )
        go.set()
