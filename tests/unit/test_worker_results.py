"""handle_result: a task of its own that is stored together with the result."""

from threading import Event
from typing import Any

import pytest

from jsonrpc_qm.task import Task
from jsonrpc_qm.worker import jobs
from jsonrpc_qm.worker.base import FunctionWorker, Worker
from tests.unit.worker_fakes import PATIENCE, FakeManager, FakeSource, away, working


class Adding(Worker):
    """Adds up what its tasks return."""

    def __init__(self) -> None:
        self.seen: list[Task] = []

    def run(self, n: int) -> int:
        return n + 1

    def handle_result(self, task: Task) -> object:
        self.seen.append(task)
        return object()  # not kept, so it needs no JSON form


@pytest.fixture
def manager() -> FakeManager:
    return FakeManager()


def test_the_completed_task_is_handed_over(manager: FakeManager) -> None:
    """With its result, once that is stored."""
    worker = Adding()
    with working(manager, registry={"add": worker}):
        id = manager.queue("add", [1])
        manager.wait_until(lambda: len(manager.tasks) == 2 and manager.all_finished())
    assert worker.seen == [manager.tasks[id]]
    assert worker.seen[0].result == 2
    [follow_up] = [task for task in manager.tasks.values() if task.id != id]
    assert (follow_up.name, follow_up.status) == ("add.handle_result", "completed")


def test_an_async_one_runs_on_the_loop(manager: FakeManager) -> None:
    """And may be given to the decorator."""
    seen: list[Any] = []

    async def note(task: Task) -> None:
        seen.append(task.result)

    worker = FunctionWorker(lambda n: n + 1, handle_result=note)
    with working(manager, registry={"add": worker}):
        manager.queue("add", [1])
        manager.wait_until(lambda: len(manager.tasks) == 2 and manager.all_finished())
    assert seen == [2]


def test_what_another_worker_left_is_taken_up(manager: FakeManager) -> None:
    """The worker that did the task may have died before."""
    worker = Adding()
    done = manager.queue("add", [1], status="completed", result=2)
    manager.queue("add.handle_result", {"id": done})
    with working(manager, registry={"add": worker}):
        manager.wait_until(manager.all_finished)
    assert [task.id for task in worker.seen] == [done]


def test_a_failed_task_has_no_result_to_handle(manager: FakeManager) -> None:
    """Only what is completed is handed over."""
    with working(manager, registry={"add": Adding()}):
        assert manager.finished(manager.queue("add", ["one"])).status == "failed"
    assert len(manager.tasks) == 1


def test_a_result_whose_task_was_deleted_fails_for_good(manager: FakeManager) -> None:
    """There is nothing to hand over any more."""
    id = manager.queue("add.handle_result", {"id": "gone"})
    with working(manager, registry={"add": Adding()}):
        error = manager.finished(id).error
    assert error is not None
    assert "deleted" in error["message"]
    assert manager.reports[-1][0]["retry"] is False


def test_it_waits_for_a_manager_that_is_away(
    manager: FakeManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attempt is not used up by that."""
    monkeypatch.setattr(jobs, "FETCH_PAUSE", 0.01)
    tries = Event()
    plain = FakeSource.get_task

    def get_task(self: FakeSource, id: str) -> Task:
        if not tries.is_set():
            tries.set()
            raise away()
        return plain(self, id)

    monkeypatch.setattr(FakeSource, "get_task", get_task)
    worker = Adding()
    with working(manager, registry={"add": worker}):
        manager.queue("add", [1])
        assert tries.wait(PATIENCE)
        manager.wait_until(lambda: len(manager.tasks) == 2 and manager.all_finished())
    assert len(worker.seen) == 1
