"""kill -9 of the manager, at any moment: no answered call is lost, and none happens twice."""

from datetime import datetime
from pathlib import Path
from random import Random

import pytest

from tests.acceptance.conftest import StartManager
from tests.acceptance.load import Load, stored, unfinished
from tests.acceptance.managers import sqlite_url
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
    with SqliteFile(tasks_db) as file:
        file.check()
    load.ledger.check(stored(sqlite_url(tasks_db)), stats)


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
