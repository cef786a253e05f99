"""What operators see and do: statistics, workers, pausing, draining, deleting."""

from typing import Any

import pytest

from jsonrpc_qm.storage.base import WORKER_GONE, Sighting, Storage
from jsonrpc_qm.version import VERSION
from tests.server.callers import Caller, Refused, settled
from tests.storage.conftest import STORAGES

ERROR = {"type": "E", "message": "m"}
NOTHING = {
    "queued": 0,
    "scheduled": 0,
    "started": 0,
    "completed": 0,
    "failed": 0,
    "cancelled": 0,
    "oldest_queued_age": None,
    "paused": False,
}


async def finish(call: Caller, name: str, id: str, how: str) -> None:
    """Store a task, and have it end like this."""
    await call("queue", name=name, id=id)
    if how == "cancelled":
        await call("cancel", id)
        return
    [held] = await call("claim", [name], None, 1, 0)
    if how == "completed":
        await call("complete", id, held["token"])
    else:
        await call("fail", id, held["token"], ERROR, False)


async def ids(call: Caller) -> set[str]:
    """The ids of all tasks."""
    return {task["id"] for task in (await call("list_tasks"))["tasks"]}


async def test_stats_of_an_empty_manager(call: Caller) -> None:
    """It says of itself what it is, how long it has run, and where its tasks are."""
    stats = await call("stats")
    assert (stats["names"], stats["workers"]) == ({}, 0)
    manager = stats["manager"]
    assert manager["version"] == VERSION
    assert 0 <= manager["uptime"] < 60
    assert manager["storage"].partition(":")[0] in STORAGES


async def test_stats_count_by_name_and_state(call: Caller) -> None:
    """What is due is queued, what is not is scheduled."""
    for how in ("completed", "failed", "cancelled", "completed"):
        await finish(call, "mail", f"{how}-{len(await ids(call))}", how)
    await call("queue", "mail")
    await call("claim", ["mail"], None, 1, 0)
    await call("queue_many", [{"name": "mail"}, {"name": "mail", "delay": 60}, {"name": "post"}])
    names = (await call("stats"))["names"]
    assert set(names) == {"mail", "post"}
    age = names["mail"].pop("oldest_queued_age")
    assert 0 <= age < 60
    assert names["mail"] == {
        "queued": 1,
        "scheduled": 1,
        "started": 1,
        "completed": 2,
        "failed": 1,
        "cancelled": 1,
        "paused": False,
    }


async def test_the_oldest_queued_age_is_since_it_was_due(call: Caller) -> None:
    """Of the one that has been due longest, whatever its priority; null when none is due."""
    await call("queue", name="mail", id="later", delay=3600)
    assert (await call("stats"))["names"]["mail"]["oldest_queued_age"] is None
    await call("queue", name="mail", run_at="2020-01-01T00:00:00Z", priority=-5)
    await call("queue", name="mail", priority=5)
    assert (await call("stats"))["names"]["mail"]["oldest_queued_age"] > 6 * 365 * 86400


async def test_a_paused_name_is_queued_to_and_not_claimed_from(call: Caller) -> None:
    """Also before it has any task; pausing and resuming twice is no mistake."""
    assert await call("pause", "mail") is True
    assert await call("pause", "mail") is True
    assert (await call("stats"))["names"] == {"mail": {**NOTHING, "paused": True}}
    await call("queue", name="mail", id="a")
    await call("queue", name="post", id="b")
    claimed = await call("claim", ["mail", "post"], None, 10, 0)
    assert [task["id"] for task in claimed] == ["b"]
    assert (await call("stats"))["names"]["mail"]["queued"] == 1
    assert await call("resume", "mail") is True
    assert await call("resume", "mail") is True
    [task] = await call("claim", ["mail"], None, 10, 0)
    assert task["id"] == "a"


async def test_a_pause_does_not_touch_what_is_started(call: Caller) -> None:
    """It can be kept and ended; only then nobody takes the next one."""
    await call("queue", name="mail", id="a")
    [held] = await call("claim", ["mail"], None, 1, 0)
    await call("pause", "mail")
    answer = await call("heartbeat", [{"id": "a", "token": held["token"]}])
    assert answer["leases"][0]["ok"] is True
    assert (await call("complete", "a", held["token"]))["status"] == "completed"


async def test_workers_are_those_that_gave_their_names(call: Caller) -> None:
    """With what they asked for last, and how many tasks they hold."""
    await call("queue_many", [{"name": "mail"}] * 3)
    await call("claim", ["mail", "post"], "w1", 2, 0)
    await call("claim", ["mail"], None, 1, 0)
    await call("report", [], ["post"], "w2")
    await call("heartbeat", [], "w3")
    workers = {row["worker"]: row for row in await call("workers")}
    assert set(workers) == {"w1", "w2", "w3"}
    last_seen = workers["w1"].pop("last_seen")
    assert last_seen.endswith("Z")
    assert workers["w1"] == {
        "worker": "w1",
        "names": ["mail", "post"],
        "running": 2,
        "drain": False,
    }
    assert (workers["w2"]["names"], workers["w2"]["running"]) == (["post"], 0)
    assert workers["w3"]["names"] == []
    assert (await call("stats"))["workers"] == 3


async def test_workers_that_are_gone_do_not_count(call: Caller, storage: Storage) -> None:
    """They stay in the list with when they were last heard of, and in no number."""
    with storage.transaction():
        storage.saw([Sighting(worker="old", names=("mail",))], storage.now() - WORKER_GONE - 1)
    await call("claim", ["mail"], "new", 1, 0)
    assert [row["worker"] for row in await call("workers")] == ["new", "old"]
    assert (await call("stats"))["workers"] == 1


async def test_a_worker_that_asks_for_other_names_is_shown_with_them(call: Caller) -> None:
    """A heartbeat or a report without names changes nothing of it."""
    await call("claim", ["a"], "w", 1, 0)
    await call("claim", ["b", "c"], "w", 1, 0)
    await call("heartbeat", [], "w")
    await call("report", [], None, "w")
    [row] = await call("workers")
    assert row["names"] == ["b", "c"]


async def test_a_drained_worker_hears_of_it_and_gets_nothing_more(call: Caller) -> None:
    """In its heartbeat; what it holds it may finish, and others are not concerned."""
    await call("queue_many", [{"name": "mail", "id": id} for id in "abc"])
    [held] = await call("claim", ["mail"], "w1", 1, 0)
    assert await call("drain", "w1") is True
    lease = {"id": held["id"], "token": held["token"]}
    answer = await call("heartbeat", [lease], "w1")
    assert (answer["drain"], answer["leases"][0]["ok"]) == (True, True)
    assert await call("claim", ["mail"], "w1", 1, 0) == []
    done = {**lease, "status": "completed"}
    answer = await call("report", [done], ["mail"], "w1", 5)
    assert (answer["outcomes"][0]["ok"], answer["tasks"]) == (True, [])
    assert (await call("heartbeat", [], "w2"))["drain"] is False
    assert (await call("heartbeat", []))["drain"] is False
    assert len(await call("claim", ["mail"], "w2", 5, 0)) == 2
    assert {row["worker"]: row["drain"] for row in await call("workers")} == {
        "w1": True,
        "w2": False,
    }


async def test_finished_tasks_can_be_deleted(call: Caller) -> None:
    """And are gone, from lists and statistics too; their ids are free again."""
    for how in ("completed", "failed", "cancelled"):
        await finish(call, "mail", how, how)
        assert await call("delete_task", how) is True
        with pytest.raises(Refused) as refused:
            await call("delete_task", how)
        assert refused.value.code == -32001
    assert (await call("stats"))["names"] == {}
    assert (await call("queue", name="post", id="completed"))["status"] == "queued"


@pytest.mark.parametrize(
    ("filter", "left"),
    [
        ({}, set()),
        ({"name": "a"}, {"b-completed", "b-failed", "b-cancelled"}),
        ({"status": "failed"}, {"a-completed", "a-cancelled", "b-completed", "b-cancelled"}),
        (
            {"name": "b", "status": "cancelled"},
            {"a-completed", "a-failed", "a-cancelled", "b-completed", "b-failed"},
        ),
        ({"older_than": 0}, set()),
        (
            {"older_than": 3600},
            {f"{name}-{how}" for name in "ab" for how in ("completed", "failed", "cancelled")},
        ),
        (
            {"name": "c"},
            {f"{name}-{how}" for name in "ab" for how in ("completed", "failed", "cancelled")},
        ),
    ],
)
async def test_a_purge_deletes_finished_tasks_only(
    call: Caller, filter: dict[str, Any], left: set[str]
) -> None:
    """Those that match; it says how many."""
    for name in "ab":
        for how in ("completed", "failed", "cancelled"):
            await finish(call, name, f"{name}-{how}", how)
    await call("queue", name="a", id="started")
    await call("claim", ["a"], None, 1, 0)
    await call("queue", name="a", id="queued")
    await call("queue", name="b", id="scheduled", delay=60)
    assert await call("purge", **filter) == 6 - len(left)
    assert await ids(call) == {*left, "queued", "scheduled", "started"}
    assert await call("purge", **filter) == 0


async def test_a_purge_of_many_is_not_bound_to_its_batches(call: Caller) -> None:
    """All that match go with one call."""
    await call("queue_many", [{"name": "mail"}] * 1201)
    claimed = [task for _ in range(2) for task in await call("claim", ["mail"], None, 1000, 0)]
    outcomes = [{"id": t["id"], "token": t["token"], "status": "completed"} for t in claimed]
    answer = await call("report", outcomes)
    assert all(outcome["ok"] for outcome in answer["outcomes"])
    assert await call("purge") == 1201


async def test_a_task_that_ended_some_time_ago_is_older(call: Caller) -> None:
    """older_than looks at the end of the task, not at its beginning."""
    await finish(call, "mail", "a", "completed")
    await call("queue", name="clock", id="clock", expires_in=0.3)
    await settled(call, "clock", status="failed")
    await finish(call, "mail", "b", "completed")
    assert await call("purge", older_than=0.3, status="completed") == 1
    assert await ids(call) == {"b", "clock"}
