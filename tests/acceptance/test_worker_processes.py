"""Real workers against a real manager: what ends, what survives, and what nobody loses."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import StartManager
from tests.acceptance.managers import ManagerProcess
from tests.acceptance.rpc import NoAnswer, Rpc, until
from tests.acceptance.worker_processes import (
    WorkerProcess,
    is_gone,
    members_of,
    started,
)

StartWorker = Callable[..., WorkerProcess]


@pytest.fixture
def work(manager: ManagerProcess, tmp_path: Path) -> Iterator[StartWorker]:
    """Starts workers of worker_app for the manager."""
    with ExitStack() as ended:

        def start(*options: str) -> WorkerProcess:
            return ended.enter_context(closing(WorkerProcess(manager.url, tmp_path, *options)))

        yield start


def run(rpc: Rpc, name: str, parameters: Any = None, **options: Any) -> Any:
    """Queue a task and give it once it is finished."""
    id = rpc("queue", name=name, parameters=parameters, **options)["id"]
    return finished(rpc, id)


def finished(rpc: Rpc, id: str) -> Any:
    """The task, once it is finished."""
    task = rpc("get_task", id=id, wait=25)
    assert task["finished_at"], task
    return task


# -- processes for handlers ----------------------------------------------------------------------


def test_a_process_that_dies_fails_its_own_task_only(rpc: Rpc, work: StartWorker) -> None:
    """However it dies: by a signal, by any exit code, or leaving a child that keeps its pipe."""
    work("--concurrency", "2")
    ways = {
        "segfault": "SIGSEGV",
        "kill": "SIGKILL",
        "exit 0": "exit code 0",
        "exit 3": "exit code 3",
        "leave a child": "exit code 1",
    }
    dying = {how: rpc("queue", name="die", parameters=[how], max_attempts=1)["id"] for how in ways}
    others = rpc("queue_many", tasks=[{"name": "square", "parameters": n} for n in range(20)])
    for how, words in ways.items():
        error = finished(rpc, dying[how])["error"]
        assert (error["type"], words in error["message"]) == ("WorkerDied", True)
    assert [finished(rpc, task["id"])["result"] for task in others] == [n * n for n in range(20)]


def test_an_exception_in_a_process_is_an_error_like_any(rpc: Rpc, work: StartWorker) -> None:
    """SystemExit too; the process lives on."""
    work("--concurrency", "1")
    error = run(rpc, "die", ["raise"], max_attempts=1)["error"]
    assert error["type"] == "SystemExit"
    assert "in die" in error["traceback"]


def test_a_cancelled_process_is_killed(rpc: Rpc, work: StartWorker, tmp_path: Path) -> None:
    """Though its handler is deaf to everything; what it said of its progress has arrived."""
    work("--concurrency", "1")
    id = rpc("queue", name="spin", parameters=[str(tmp_path)], lease=1)["id"]
    pid = started(tmp_path)
    until(lambda: rpc("get_task", id=id)["progress"] == {"pid": pid})
    rpc("cancel", id=id)
    assert finished(rpc, id)["status"] == "cancelled"
    assert is_gone(pid)
    assert run(rpc, "square", 3)["result"] == 9


def test_the_timeout_of_a_process_is_kept(rpc: Rpc, work: StartWorker) -> None:
    """It is killed, and the attempt has failed."""
    work("--concurrency", "1")
    error = run(rpc, "spin_a_little", max_attempts=1)["error"]
    assert (error["type"], "0.5 s" in error["message"]) == ("Timeout", True)


def test_the_managers_timeout_reaches_a_process(
    rpc: Rpc, work: StartWorker, tmp_path: Path
) -> None:
    """The attempt is over, so the worker stops it and is free again."""
    work("--concurrency", "1")
    # A process that has to start first might use up the time.
    run(rpc, "square", 2)
    options = {"timeout": 2, "lease": 1, "max_attempts": 1}
    id = rpc("queue", name="spin", parameters=[str(tmp_path)], **options)["id"]
    pid = started(tmp_path)
    assert finished(rpc, id)["error"]["type"] == "Timeout"
    until(lambda: is_gone(pid))
    assert run(rpc, "square", 3)["result"] == 9


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_processes_end_with_their_worker(
    rpc: Rpc, work: StartWorker, tmp_path: Path, number: int
) -> None:
    """However it ends."""
    worker = work("--grace", "0.1")
    rpc("queue", name="spin", parameters=[str(tmp_path)])
    started(tmp_path)
    run(rpc, "square", 3)
    worker.signal(number)
    worker.wait()
    until(lambda: not members_of(worker.process.pid))


def test_signals_to_all_processes_let_a_process_finish(
    rpc: Rpc, work: StartWorker, tmp_path: Path
) -> None:
    """One that still starts, too: what a signal means is the worker's to decide."""
    worker = work("--concurrency", "1", "--pool", "process", "--names", "hold")
    id = rpc("queue", name="hold", parameters=[str(tmp_path)], max_attempts=1)["id"]
    # From this moment on the task runs: a worker that is stopped before releases it.
    until(lambda: members_of(worker.process.pid, having="spawn_main"))
    worker.signal_group(signal.SIGTERM)
    until(lambda: "finishes what it has" in worker.log)
    started(tmp_path)
    (tmp_path / "go").touch()
    assert finished(rpc, id)["result"] == "held"
    assert worker.wait() == 0


# -- leases --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["block", "count"])
def test_a_busy_worker_keeps_its_leases(rpc: Rpc, work: StartWorker, name: str) -> None:
    """A handler that blocks the event loop, or keeps the interpreter busy, loses none."""
    work()
    tasks = rpc("queue_many", tasks=[{"name": name, "parameters": [1.5], "lease": 0.6}] * 2)
    for task in tasks:
        ended = finished(rpc, task["id"])
        assert (ended["status"], ended["attempts"], ended["lost"]) == ("completed", 1, 0)


# -- signals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_what_runs_finish(
    rpc: Rpc, work: StartWorker, tmp_path: Path, number: int
) -> None:
    """And no further task is taken."""
    worker = work("--concurrency", "1")
    id = rpc("queue", name="hold", parameters=[str(tmp_path)])["id"]
    started(tmp_path)
    worker.signal(number)
    until(lambda: "finishes what it has" in worker.log)
    next = rpc("queue", name="pid")["id"]
    (tmp_path / "go").touch()
    assert finished(rpc, id)["result"] == "held"
    assert worker.wait() == 0
    assert rpc("get_task", id=next)["status"] == "queued"


def test_an_idle_worker_ends_at_once(rpc: Rpc, work: StartWorker) -> None:
    """It does not wait for its long poll, and that takes nothing."""
    worker = work()
    run(rpc, "pid")
    worker.signal(signal.SIGTERM)
    assert worker.wait(2) == 0
    id = rpc("queue", name="pid")["id"]
    assert rpc("get_task", id=id, wait=0.2)["status"] == "queued"


@pytest.mark.parametrize("name", ["hold", "hold_on_the_loop"])
def test_what_outlasts_the_grace_is_released(
    rpc: Rpc, work: StartWorker, tmp_path: Path, name: str
) -> None:
    """The task is due again at once and untouched, and the process ends though a thread hangs."""
    worker = work("--grace", "0.2")
    id = rpc("queue", name=name, parameters=[str(tmp_path)])["id"]
    started(tmp_path)
    worker.signal(signal.SIGTERM)
    task = until(lambda: _if_queued(rpc, id))
    assert task["attempts"] == 0
    assert worker.wait() == 0


def _if_queued(rpc: Rpc, id: str) -> Any:
    task = rpc("get_task", id=id)
    return task if task["status"] == "queued" else None


def test_a_second_signal_releases_at_once(rpc: Rpc, work: StartWorker, tmp_path: Path) -> None:
    """However long the grace is."""
    worker = work("--grace", "3600")
    id = rpc("queue", name="hold", parameters=[str(tmp_path)])["id"]
    started(tmp_path)
    worker.signal(signal.SIGTERM)
    until(lambda: "finishes what it has" in worker.log)
    worker.signal(signal.SIGINT)
    assert until(lambda: _if_queued(rpc, id), within=3)["attempts"] == 0
    assert worker.wait() == 0


def test_a_drained_worker_ends(rpc: Rpc, work: StartWorker) -> None:
    """After what it has, and with the exit code of success."""
    worker = work()
    run(rpc, "pid")
    [known] = rpc("workers")
    rpc("drain", worker=known["worker"])
    assert worker.wait() == 0
    assert "drained" in worker.log


# -- the manager away ----------------------------------------------------------------------------


def test_a_worker_outlasts_its_manager(start_manager: StartManager, tmp_path: Path) -> None:
    """Killed and started anew, it gets the outcome of what ran meanwhile, once."""
    manager = start_manager()
    with (
        closing(WorkerProcess(manager.url, tmp_path)) as worker,
        Rpc(manager.url) as rpc,
    ):
        id = rpc("queue", name="hold", parameters=[str(tmp_path)])["id"]
        started(tmp_path)
        manager.kill()
        (tmp_path / "go").touch()
        until(lambda: "can't be reached" in worker.log)
        again = start_manager(port=manager.port)
        assert again.port == manager.port
        task = until(lambda: _answered(rpc, id))
        assert (task["status"], task["result"], task["attempts"]) == ("completed", "held", 1)
        assert run(rpc, "pid")["result"] == worker.process.pid
        assert "is back after" in worker.log


def _answered(rpc: Rpc, id: str) -> Any:
    try:
        task = rpc("get_task", id=id, wait=5)
    except NoAnswer:
        return None
    return task if task["finished_at"] else None


# -- results -------------------------------------------------------------------------------------


def test_a_result_is_handled_though_the_worker_dies_before(
    rpc: Rpc, work: StartWorker, tmp_path: Path
) -> None:
    """The task that hands it over was stored with the result, and another worker takes it up."""
    (tmp_path / "die").touch()
    first = work()
    task = run(rpc, "add", [str(tmp_path), 1], lease=0.5)
    assert task["result"]["n"] == 2
    assert first.wait() == -signal.SIGKILL
    assert not (tmp_path / "results").exists()
    work()
    until(lambda: (tmp_path / "results").exists() and (tmp_path / "results").read_text() == "2\n")
    [handed] = rpc("list_tasks", name="add.handle_result")["tasks"]
    assert (finished(rpc, handed["id"])["status"], handed["lost"]) == ("completed", 1)


# -- several processes ---------------------------------------------------------------------------


def test_processes_are_recycled(rpc: Rpc, work: StartWorker) -> None:
    """After so many tasks each is replaced, and no task is lost over it."""
    worker = work("--processes", "2", "--max-tasks", "10", "--concurrency", "2")
    tasks = rpc("queue_many", tasks=[{"name": "pid"}] * 50)
    done = [finished(rpc, task["id"]) for task in tasks]
    pids = [task["result"] for task in done]
    assert all(pids.count(pid) <= 10 for pid in pids)
    assert [task["attempts"] for task in done] == [1] * 50
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0


def test_a_process_that_was_killed_is_replaced(rpc: Rpc, work: StartWorker) -> None:
    """The others go on meanwhile."""
    worker = work("--processes", "2")
    before = until(lambda: len(rpc("workers")) == 2 and rpc("workers"))
    victim = run(rpc, "pid")["result"]
    os.kill(victim, signal.SIGKILL)
    until(lambda: "died with exit code -9" in worker.log)
    after = until(lambda: len(rpc("workers")) == 3 and rpc("workers"))
    assert {row["worker"] for row in before} < {row["worker"] for row in after}
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    until(lambda: not members_of(worker.process.pid))


def test_a_signal_to_all_processes_counts_as_one(
    rpc: Rpc, work: StartWorker, tmp_path: Path
) -> None:
    """Terminals and service managers send it to each; what runs may still finish."""
    worker = work("--processes", "2")
    id = rpc("queue", name="hold", parameters=[str(tmp_path)])["id"]
    started(tmp_path)
    until(lambda: len(rpc("workers")) == 2)
    worker.signal_group(signal.SIGINT)
    until(lambda: worker.log.count("finishes what it has") == 2)
    (tmp_path / "go").touch()
    assert finished(rpc, id)["result"] == "held"
    assert worker.wait() == 0
    assert "Traceback" not in worker.log


def test_a_second_signal_reaches_all_processes(rpc: Rpc, work: StartWorker, tmp_path: Path) -> None:
    """They release at once, and nobody is left."""
    worker = work("--processes", "2", "--grace", "3600")
    id = rpc("queue", name="hold", parameters=[str(tmp_path)])["id"]
    started(tmp_path)
    worker.signal(signal.SIGTERM)
    until(lambda: "finishes what it has" in worker.log)
    worker.signal(signal.SIGTERM)
    assert until(lambda: _if_queued(rpc, id), within=3)["attempts"] == 0
    assert worker.wait() == 0
    until(lambda: not members_of(worker.process.pid))


def test_processes_end_when_their_supervisor_was_killed(
    rpc: Rpc, work: StartWorker, tmp_path: Path
) -> None:
    """They finish what they have first."""
    worker = work("--processes", "2")
    id = rpc("queue", name="hold", parameters=[str(tmp_path)])["id"]
    started(tmp_path)
    worker.signal(signal.SIGKILL)
    (tmp_path / "go").touch()
    assert finished(rpc, id)["result"] == "held"
    until(lambda: not members_of(worker.process.pid))
