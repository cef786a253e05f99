"""Workers on a storage itself, from the registration to the end of a burst."""

import asyncio
import os
from typing import Any

import pytest

from jsonrpc_qm import Context, Fail, MemoryStorage, QueueManager, Retry, Task, Worker
from jsonrpc_qm.worker.base import PoolName
from jsonrpc_qm.worker.main import run_workers
from jsonrpc_qm.worker.runner import Ending, Runner
from tests.unit.worker_fakes import FakeManager


@pytest.fixture
def qm() -> QueueManager:
    return QueueManager(MemoryStorage())


def test_functions_and_workers_do_their_tasks(qm: QueueManager) -> None:
    """Plain, async, and a Worker whose results are handled; all on the real rules."""
    handled: list[Task] = []

    @qm.worker("add")
    def add(a: int, b: int) -> int:
        return a + b

    @qm.worker("nap")
    async def nap(context: Context) -> int:
        await asyncio.sleep(0)
        return context.token

    @qm.worker("double")
    class Doubling(Worker):
        def run(self, n: int) -> int:
            return 2 * n

        def handle_result(self, task: Task) -> None:
            handled.append(task)

    sum = qm.queue("add", {"a": 1, "b": 2})
    token = qm.queue("nap")
    double = qm.queue("double", 21, priority=5)
    qm.work(burst=True)
    assert qm.get_task(sum.id).result == 3
    assert qm.get_task(token.id).result > 0
    assert handled == [qm.get_task(double.id)]
    assert handled[0].result == 42
    [follow_up] = qm.list_tasks(name="double.handle_result").tasks
    assert (follow_up.status, follow_up.priority) == ("completed", 5)


def test_failures_follow_the_rules_of_retries(qm: QueueManager) -> None:
    """Retry without delay until it works, Fail for good, exceptions until attempts are used up."""
    tries = []

    @qm.worker("flaky")
    def flaky() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise Retry("not yet", delay=0)
        return "at last"

    @qm.worker("broken")
    def broken() -> None:
        raise Fail("never", type="Broken", data={"code": 5})

    flaky_task = qm.queue("flaky")
    broken_task = qm.queue("broken")
    qm.work(burst=True)
    done = qm.get_task(flaky_task.id)
    assert (done.result, done.attempts) == ("at last", 3)
    failed = qm.get_task(broken_task.id)
    assert (failed.status, failed.attempts) == ("failed", 1)
    assert failed.error is not None
    assert (failed.error["type"], failed.error["data"]) == ("Broken", {"code": 5})


@pytest.mark.parametrize(("pool", "expected"), [("thread", 8), ("process", os.cpu_count())])
def test_the_default_concurrency_suits_the_pool(
    monkeypatch: pytest.MonkeyPatch, pool: PoolName, expected: int
) -> None:
    """Eight threads, or a process for each processor."""
    seen = []

    class Recording(Runner):
        def __init__(self, *args: Any, concurrency: int, **options: Any) -> None:
            seen.append(concurrency)
            super().__init__(*args, concurrency=concurrency, **options)

    monkeypatch.setattr("jsonrpc_qm.worker.main.Runner", Recording)
    manager = FakeManager()
    registry = {"echo": EchoWorker()}
    ending = run_workers(registry, manager.source, pool=pool, burst=True)
    assert ending is Ending.EMPTIED
    assert seen == [expected]


class EchoWorker(Worker):
    """At the top level, so that a process could import it."""

    def run(self, value: object) -> object:
        return value
