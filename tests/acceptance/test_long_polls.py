"""Waiting costs nothing, and as many wake as there are tasks (docs/protocol.md, `claim`)."""

import os
import select
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import StartManager
from tests.acceptance.managers import ManagerProcess
from tests.acceptance.rpc import RawCall, Rpc, until_heard_of

pytestmark = [pytest.mark.timeout(60), pytest.mark.usefixtures("many_files")]

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")


def threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def cpu_seconds(pid: int) -> float:
    """What a process has used of a core, so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Line:
    """Claims that have arrived at the manager and wait there."""

    def __init__(self, url: str, rpc: Rpc, calls: ExitStack, claims: int, **params: Any) -> None:
        self.waiting: list[RawCall] = []
        workers = [f"{params['names'][0]}-{n}" for n in range(claims)]
        for worker in workers:
            call = RawCall(url, "claim", worker=worker, wait=50, **params)
            self.waiting.append(calls.enter_context(call))
        until_heard_of(rpc, *workers)

    def answers(self, number: int) -> list[list[dict[str, Any]]]:
        """The next answers; after that all others still wait."""
        found: list[list[dict[str, Any]]] = []
        while len(found) < number:
            answers = select.poll()
            for call in self.waiting:
                answers.register(call.socket, select.POLLIN)
            ready = {descriptor for descriptor, _ in answers.poll(10_000)}
            assert ready, f"{len(found)} of {number} answers have come"
            answered = [call for call in self.waiting if call.socket.fileno() in ready]
            self.waiting = [call for call in self.waiting if call.socket.fileno() not in ready]
            found += [call.answer() for call in answered]
        return found


@linux_only
def test_a_thousand_idle_claims_cost_no_threads_and_no_cpu(
    start_manager: StartManager, capsys: pytest.CaptureFixture[str]
) -> None:
    """A manager that a shell allows 256 files still holds 1,000 connections, and sleeps."""
    few_files = ("sh", "-c", 'ulimit -Sn 256 && exec "$@"', "sh")
    manager = start_manager(prefix=few_files)
    with Rpc(manager.url) as rpc, ExitStack() as calls:
        rpc("stats")
        before = threads(manager.pid)
        line = Line(manager.url, rpc, calls, 1000, names=["mail"])
        assert threads(manager.pid) == before
        start, used = time.monotonic(), cpu_seconds(manager.pid)
        with RawCall(manager.url, "claim", names=["none"], wait=2) as pause:
            assert pause.answer() == []
        share = (cpu_seconds(manager.pid) - used) / (time.monotonic() - start)
        with capsys.disabled():
            print(f"\n1,000 idle claims: {share:.1%} of a core", end=" ")
        assert share < 0.1
        rpc("queue_many", tasks=[{"name": "mail"}] * 1000)
        answers = line.answers(1000)
    assert len({task["id"] for [task] in answers}) == 1000


@pytest.fixture
def manager(shared_manager: ManagerProcess) -> ManagerProcess:
    return shared_manager


@pytest.mark.parametrize("max_tasks", [1, 5])
@pytest.mark.parametrize("separately", [False, True], ids=["queue_many", "queue"])
def test_as_many_claims_wake_as_there_are_tasks(
    manager: ManagerProcess, rpc: Rpc, name: str, separately: bool, max_tasks: int
) -> None:
    """Of 50 waiting claims those that 20 new tasks need get them, and the others wait on."""
    with ExitStack() as calls:
        line = Line(manager.url, rpc, calls, 50, names=[name, f"{name}-other"], max_tasks=max_tasks)
        claimed: list[list[dict[str, Any]]] = []
        queued = []
        for _ in range(2):
            if separately:
                queued += [rpc("queue", name=name) for _ in range(20)]
            else:
                queued += rpc("queue_many", tasks=[{"name": name}] * 20)
            each = 1 if separately else max_tasks
            claimed += line.answers(20 // each)
            # Once this is answered, all that the tasks have set off has happened.
            assert rpc("claim", names=[name], wait=0) == []
            assert not any(call.is_answered() for call in line.waiting)
    assert all(len(tasks) == each for tasks in claimed)
    ids = [task["id"] for tasks in claimed for task in tasks]
    assert sorted(ids) == sorted(task["id"] for task in queued)
