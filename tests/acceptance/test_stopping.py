"""SIGTERM and SIGINT: what waits is answered, what runs finishes, and the file is left clean."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.acceptance.conftest import StartManager
from tests.acceptance.managers import ManagerProcess, failed_start, sqlite_url
from tests.acceptance.rpc import NoAnswer, RawCall, Refused, Rpc, until
from tests.acceptance.sqlite_file import SqliteFile

pytestmark = pytest.mark.timeout(60)

UNAVAILABLE = -32006

MOST_SECONDS = 5.0
"""How long a stop may take where other tests run beside it: far less than what waits would."""


def stopped(manager: ManagerProcess, number: int = signal.SIGTERM) -> None:
    """Stop a manager in time and without a fault."""
    start = time.monotonic()
    assert manager.stop(number) == 0
    assert time.monotonic() - start < MOST_SECONDS
    assert "Traceback" not in manager.log


def left_over(tasks_db: Path) -> int:
    """The bytes of the log that SQLite keeps beside a database in use."""
    log = tasks_db.with_name(tasks_db.name + "-wal")
    return log.stat().st_size if log.exists() else 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_waiting_calls_are_answered(
    manager: ManagerProcess, rpc: Rpc, tasks_db: Path, number: int
) -> None:
    """300 waiting claims answer [], a waiting get_task the task as it is; the exit code is 0."""
    task = rpc("queue", name="other")
    with ExitStack() as calls:
        waiting = [
            calls.enter_context(
                RawCall(manager.url, "claim", names=["mail"], worker=f"w{n}", wait=50)
            )
            for n in range(300)
        ]
        reader = calls.enter_context(RawCall(manager.url, "get_task", id=task["id"], wait=50))
        until(lambda: rpc("stats")["workers"] == 300)
        stopped(manager, number)
        assert [call.answer() for call in waiting] == [[]] * 300
        assert reader.answer() == task
    assert left_over(tasks_db) == 0


def test_idle_and_half_sent_connections_hold_nothing_up(manager: ManagerProcess, rpc: Rpc) -> None:
    """A client that never sends the rest of its request does not keep the manager."""
    with ExitStack() as connections:
        for size in (0, 20, 200):
            call = connections.enter_context(RawCall(manager.url, "stats"))
            call.answer()
            request = b"POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            whole = request + b"Content-Length: 1000\r\n\r\n" + b" " * 100
            call.socket.sendall(whole[:size])
        rpc("stats")
        stopped(manager)


def test_running_requests_finish(manager: ManagerProcess, tasks_db: Path) -> None:
    """What was answered before the end is stored, and what was refused is not."""
    with Rpc(manager.url) as rpc, ThreadPoolExecutor(8) as threads:

        def queue_until_the_end(thread: int) -> tuple[list[str], list[tuple[str, int]]]:
            answered: list[str] = []
            refused: list[tuple[str, int]] = []
            for n in range(100_000):
                id = f"{thread}-{n}"
                try:
                    rpc("queue", name="mail", id=id)
                    answered.append(id)
                except Refused as refusal:
                    refused.append((id, refusal.code))
                except NoAnswer:
                    break
            return answered, refused

        callers = [threads.submit(queue_until_the_end, thread) for thread in range(8)]
        until(lambda: rpc("stats")["names"].get("mail", {}).get("queued", 0) > 200)
        stopped(manager)
        outcomes = [caller.result() for caller in callers]
    with SqliteFile(tasks_db) as stored:
        ids = {id for (id,) in stored("SELECT id FROM task")}
    assert {id for answered, _ in outcomes for id in answered} <= ids
    refusals = [refusal for _, refused in outcomes for refusal in refused]
    assert {code for _, code in refusals} <= {UNAVAILABLE}
    assert not {id for id, _ in refusals} & ids
    assert left_over(tasks_db) == 0


def test_a_new_start_goes_on_at_once(start_manager: StartManager) -> None:
    """The next manager on the file has everything, at the same port."""
    first = start_manager()
    with Rpc(first.url) as rpc:
        rpc("queue", name="mail", id="a", parameters={"n": 1})
        [task] = rpc("claim", names=["mail"], wait=0)
        stopped(first)
    second = start_manager(port=first.port)
    with Rpc(second.url) as rpc:
        assert rpc("get_task", id="a")["lease_expires_at"] == task["lease_expires_at"]
        assert rpc("complete", id="a", token=task["token"])["status"] == "completed"


def test_a_taken_port_is_one_clear_line(
    manager: ManagerProcess, rpc: Rpc, tasks_db: Path, tmp_path: Path
) -> None:
    """A second manager on the port gives up, and the first goes on."""
    storage = ("--storage", sqlite_url(tasks_db))
    said = failed_start(*storage, folder=tmp_path, port=manager.port)
    assert f"127.0.0.1:{manager.port}" in said
    assert "in use" in said
    assert rpc("queue", name="mail")["status"] == "queued"


def test_two_managers_share_a_file(start_manager: StartManager, tasks_db: Path) -> None:
    """Each serves what the other has stored, and stopping one leaves the other's log in place."""
    first, second = start_manager(), start_manager()
    with Rpc(first.url) as one, Rpc(second.url) as other:
        one("queue", name="mail", id="a")
        [task] = other("claim", names=["mail"], wait=5)
        stopped(first)
        assert other("complete", id="a", token=task["token"])["status"] == "completed"
    stopped(second)
    with SqliteFile(tasks_db) as stored:
        assert stored("SELECT status FROM task") == [("completed",)]
        stored.check()
