"""kill -9 of the manager, at any moment: no answered call is lost, and none happens twice."""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.acceptance.conftest import StartManager
from tests.acceptance.load import Ledger, Load, fate
from tests.acceptance.rpc import Rpc, until
from tests.acceptance.sqlite_file import SqliteFile

CRASHES = 5


@pytest.mark.timeout(120)
def test_crashes_under_load_lose_and_double_nothing(
    start_manager: StartManager, tasks_db: Path
) -> None:
    """Whatever was answered holds, all tasks come to their end, and the file is whole."""
    chance = Random()
    manager = start_manager()
    load = Load(manager.url)
    with load.running():
        for _ in range(CRASHES):
            load.ledger.wait_for(answers=chance.randint(50, 400))
            manager.kill()
            manager = start_manager(port=manager.port)
        load.stop_producing()
        with Rpc(manager.url) as rpc:
            until(lambda: unfinished(rpc) == 0, within=60)
            load.stop()
            stats = rpc("stats")["names"]
    assert manager.stop() == 0
    with SqliteFile(tasks_db) as stored:
        stored.check()
        counted = Counter(stored("SELECT name, status FROM task"))
        check_answers(load.ledger, stored)
    assert counted == {
        (name, status): tasks
        for name, row in stats.items()
        for status, tasks in row.items()
        if status in ("completed", "failed") and tasks
    }


def unfinished(rpc: Rpc) -> int:
    rows = rpc("stats")["names"].values()
    return sum(row["queued"] + row["scheduled"] + row["started"] for row in rows)


def check_answers(ledger: Ledger, stored: Callable[[str], Iterable[Any]]) -> None:
    """The storage agrees with all that was answered."""
    tasks = {
        row[0]: row[1:]
        for row in stored(
            "SELECT id, status, token, result, attempts, failures, lost FROM task"
            " WHERE name = 'mail'"
        )
    }
    # Stored once each (the ids are unique), and nothing that nobody queued.
    assert set(tasks) == ledger.queued
    # No claim was answered twice: a token belongs to one worker.
    assert set(ledger.claims.values()) == {1}
    for id, (status, token, result, attempts, failures, lost) in tasks.items():
        assert status == ("failed" if fate(id) == "fail" else "completed")
        done = status == "completed"
        if done:
            assert json.loads(result) == {"token": token}
            assert ledger.completed[id] == {token}
        assert len(ledger.failed[id]) <= failures
        assert failures <= len(ledger.failed[id]) + len(ledger.doubtful[id])
        assert failures + done <= attempts <= failures + lost + 1
    # What was to be stored with a result is there once, and nothing of the others.
    followers = Counter(
        json.loads(of) for (of,) in stored("SELECT parameters FROM task WHERE name = 'next'")
    )
    assert followers == Counter(id for id in tasks if fate(id) == "follow")


@pytest.mark.timeout(60)
def test_leases_go_on_where_they_were(start_manager: StartManager) -> None:
    """A restart neither ends a lease nor makes it longer."""
    manager = start_manager()
    with Rpc(manager.url) as rpc:
        rpc("queue_many", tasks=[{"name": "mail", "id": id} for id in ("kept", "lost")])
        kept, lost = rpc("claim", names=["mail"], wait=0, max_tasks=2, lease=4)
        rpc("heartbeat", leases=[{"id": "kept", "token": kept["token"], "lease": 60}])
        kept = {**rpc("get_task", id="kept"), "token": kept["token"]}
    manager.kill()
    with Rpc(start_manager(port=manager.port).url) as rpc:
        for before in (kept, lost):
            after = rpc("get_task", id=before["id"])
            assert after["status"] == "started"
            assert after["lease_expires_at"] == before["lease_expires_at"]
        [again] = rpc("claim", names=["mail"], wait=20)
        late = moment(again["started_at"]) - moment(lost["lease_expires_at"])
        assert again["id"] == "lost"
        assert (again["attempts"], again["lost"]) == (2, 1)
        assert 0 <= late < 1
        assert rpc("complete", id="kept", token=kept["token"])["attempts"] == 1


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.timeout(60)
def test_a_crash_leaves_no_waiting_moment_behind(start_manager: StartManager) -> None:
    """Delays, timeouts and expiries that pass while no manager runs happen at the next start."""
    manager = start_manager()
    with Rpc(manager.url) as rpc:
        rpc("queue", name="ripe", id="ripe", delay=0.2)
        rpc("queue", name="slow", id="slow", timeout=0.2, max_attempts=1)
        rpc("claim", names=["slow"], wait=0)
        rpc("queue", name="stale", id="stale", expires_in=0.2)
    manager.kill()
    with Rpc(start_manager(port=manager.port).url) as rpc:
        assert [task["id"] for task in rpc("claim", names=["ripe"], wait=20)] == ["ripe"]
        assert rpc("get_task", id="slow", wait=20)["error"]["type"] == "Timeout"
        assert rpc("get_task", id="stale", wait=20)["error"]["type"] == "Expired"
