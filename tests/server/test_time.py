"""What time alone does to tasks: they ripen and expire, leases are lost, attempts time out."""

import asyncio

import pytest

from tests.server.callers import Caller, Refused, seconds_between, settled

ERROR = {"type": "E", "message": "m"}
LOST = -32002


async def started(call: Caller, lease: float | None = None, **options: object) -> int:
    """The token of task `a`, which is held."""
    await call("queue", name="mail", id="a", **options)
    [task] = await call("claim", ["mail"], "w1", 1, 0, lease)
    token: int = task["token"]
    return token


async def test_a_task_is_not_claimable_before_its_delay(call: Caller) -> None:
    """It counts as scheduled, and is claimable afterwards."""
    task = await call("queue", name="mail", id="a", delay=0.2)
    assert seconds_between(task["created_at"], task["run_at"]) == 0.2
    assert await call("claim", ["mail"], None, 1, 0) == []
    [task] = await call("claim", ["mail"], None, 1, 5)
    assert task["started_at"] >= task["run_at"]


async def test_run_at_is_a_time_in_any_zone(call: Caller) -> None:
    """It comes back in UTC with microseconds; one in the past is due, and comes first."""
    now = await call("queue", name="mail", id="now")
    past = await call("queue", name="mail", id="past", run_at="2020-02-29T12:00:00.5+02:00")
    assert past["run_at"] == "2020-02-29T10:00:00.500000Z"
    later = await call("queue", name="mail", id="later", run_at="9999-12-31T23:59:59Z")
    assert later["run_at"] == "9999-12-31T23:59:59.000000Z"
    first = await call("queue", name="mail", id="first", run_at="0001-01-01T00:00:00Z")
    assert first["run_at"] == "0001-01-01T00:00:00.000000Z"
    claimed = await call("claim", ["mail"], None, 10, 0)
    assert [task["id"] for task in claimed] == ["first", "past", now["id"]]
    assert len((await call("list_tasks"))["tasks"]) == 4


async def test_a_task_that_nobody_starts_in_time_expires(call: Caller) -> None:
    """Failed with error.type Expired, whether it was due or not."""
    await call("queue", name="mail", id="a", expires_in=0.1)
    await call("queue", name="mail", id="b", expires_in=0.1, delay=3600)
    for id in ("a", "b"):
        task = await settled(call, id, status="failed")
        assert (task["error"]["type"], task["attempts"]) == ("Expired", 0)
        assert set(task["error"]) == {"type", "message"}
        assert seconds_between(task["created_at"], task["finished_at"]) >= 0.1
    assert await call("claim", ["mail"], None, 10, 0) == []


async def test_a_task_that_was_started_in_time_does_not_expire(call: Caller) -> None:
    """Not while it runs, and not when it is tried again later."""
    token = await started(call, expires_in=0.5, backoff={"base": 0})
    await call("queue", name="clock", id="clock", expires_in=0.6)
    await settled(call, "clock", status="failed")
    task = await call("fail", "a", token, ERROR)
    assert task["status"] == "queued"
    [task] = await call("claim", ["mail"], None, 1, 0)
    assert task["attempts"] == 2


async def test_a_released_task_may_still_expire(call: Caller) -> None:
    """A released claim does not count: it was not started yet."""
    token = await started(call, expires_in=0.5)
    await call("release", "a", token)
    assert (await settled(call, "a", status="failed"))["error"]["type"] == "Expired"


async def test_a_lease_without_a_heartbeat_is_lost(call: Caller) -> None:
    """The task is due again at once, and the attempt does not count as failed."""
    await started(call, 0.1, max_attempts=1)
    task = await settled(call, "a", status="queued")
    assert (task["lost"], task["attempts"], task["error"]) == (1, 1, None)
    assert task["lease_expires_at"] is None
    [task] = await call("claim", ["mail"], "w2", 1, 0)
    assert (task["attempts"], task["worker"]) == (2, "w2")


async def test_a_heartbeat_keeps_a_lease(call: Caller) -> None:
    """For as long again as it was claimed for, or as the heartbeat says."""
    token = await started(call, 30)
    answer = await call("heartbeat", [{"id": "a", "token": token}])
    task = await call("get_task", "a")
    assert answer == {
        "leases": [
            {
                "id": "a",
                "ok": True,
                "lease_expires_at": task["lease_expires_at"],
                "cancel_requested": False,
            }
        ],
        "drain": False,
    }
    assert seconds_between(task["updated_at"], task["lease_expires_at"]) == 30
    await call("heartbeat", [{"id": "a", "token": token, "lease": 5}])
    task = await call("get_task", "a")
    assert seconds_between(task["updated_at"], task["lease_expires_at"]) == 5


async def test_a_heartbeat_carries_progress(call: Caller) -> None:
    """The last one stays when there is none, and null is a progress too."""
    token = await started(call)
    seen = []
    for progress in ({"progress": [1, {"of": 2}]}, {}, {"progress": None}):
        await call("heartbeat", [{"id": "a", "token": token, **progress}])
        seen.append((await call("get_task", "a"))["progress"])
    assert seen == [[1, {"of": 2}], [1, {"of": 2}], None]


async def test_heartbeats_answer_in_order_and_lost_ones_are_no_error(call: Caller) -> None:
    """Unknown, not held, and held leases, each in its place."""
    token = await started(call)
    await call("queue", name="other", id="b")
    leases = [{"id": "x", "token": 1}, {"id": "b", "token": 1}, {"id": "a", "token": token}]
    answer = await call("heartbeat", [*leases, {"id": "a", "token": token - 1}])
    assert [(lease["id"], lease["ok"]) for lease in answer["leases"]] == [
        ("x", False),
        ("b", False),
        ("a", True),
        ("a", False),
    ]
    lost = {"id": "x", "ok": False, "lease_expires_at": None, "cancel_requested": False}
    assert answer["leases"][0] == lost


async def test_a_task_that_loses_too_many_leases_fails(call: Caller) -> None:
    """With error.type LeaseExpired once lost is more than max_lost."""
    await started(call, 0.1, max_lost=1)
    await settled(call, "a", status="queued")
    await call("claim", ["mail"], None, 1, 0, 0.1)
    task = await settled(call, "a", status="failed")
    assert (task["lost"], task["error"]["type"]) == (2, "LeaseExpired")


async def test_a_task_may_be_never_run_twice(call: Caller) -> None:
    """max_lost 0 and max_attempts 1: whatever happens to its first attempt, it is the last."""
    await started(call, 0.1, max_lost=0, max_attempts=1)
    task = await settled(call, "a", status="failed")
    assert (task["lost"], task["error"]["type"]) == (1, "LeaseExpired")


async def test_a_lost_lease_ends_a_task_that_is_to_be_cancelled(call: Caller) -> None:
    """Its worker has gone, so nobody else is to begin."""
    await started(call, 0.5)
    await call("cancel", "a")
    task = await settled(call, "a", status="cancelled")
    assert (task["lost"], task["error"]) == (1, None)


async def test_an_attempt_that_takes_too_long_has_failed(call: Caller) -> None:
    """Heartbeats or not; it counts as a failed attempt with error.type Timeout."""
    token = await started(call, timeout=0.5, max_attempts=2, backoff={"base": 0})
    answer = await call("heartbeat", [{"id": "a", "token": token, "lease": 3600}])
    assert answer["leases"][0]["ok"] is True
    task = await settled(call, "a", status="queued")
    assert (task["error"]["type"], task["lost"], task["attempts"]) == ("Timeout", 0, 1)
    with pytest.raises(Refused) as refused:
        await call("complete", "a", token)
    assert (refused.value.code, refused.value.data["status"]) == (LOST, "queued")
    await call("claim", ["mail"], None, 1, 0)
    task = await settled(call, "a", status="failed")
    assert (task["error"]["type"], task["attempts"]) == ("Timeout", 2)


async def test_a_timeout_ends_a_task_that_is_to_be_cancelled(call: Caller) -> None:
    """Cancelled, with the timeout as its error."""
    await started(call, timeout=0.5)
    await call("cancel", "a")
    task = await settled(call, "a", status="cancelled")
    assert task["error"]["type"] == "Timeout"


@pytest.mark.parametrize(
    ("backoff", "waits"),
    [
        ({"base": 0.01, "factor": 2}, [0.01, 0.02, 0.04, 0.08]),
        ({"base": 0.01, "factor": 1}, [0.01, 0.01, 0.01]),
        ({"base": 0.01, "factor": 3, "max": 0.05}, [0.01, 0.03, 0.05, 0.05]),
        ({"base": 0}, [0, 0]),
        ({}, [2]),
        ({"max": 1}, [1]),
    ],
)
async def test_a_failed_attempt_waits_longer_each_time(
    call: Caller, backoff: dict[str, float], waits: list[float]
) -> None:
    """min(max, base * factor ** (n - 1)) seconds; base 2, factor 2 and max 3600 by default."""
    await call("queue", name="mail", id="a", backoff={"jitter": 0, **backoff})
    found = []
    for _ in waits:
        [task] = await call("claim", ["mail"], None, 1, 5)
        task = await call("fail", "a", task["token"], ERROR)
        found.append(seconds_between(task["updated_at"], task["run_at"]))
    assert found == waits


async def test_the_default_backoff_has_jitter(call: Caller) -> None:
    """Two seconds, a quarter more or less; tasks that fail together do not come back together."""
    await call("queue_many", [{"name": "mail"} for _ in range(20)])
    waits = set()
    for held in await call("claim", ["mail"], None, 20, 0):
        task = await call("fail", held["id"], held["token"], ERROR)
        waits.add(seconds_between(task["updated_at"], task["run_at"]))
    assert len(waits) > 10
    assert all(1.5 <= wait <= 2.5 for wait in waits)


async def test_a_worker_may_say_when_to_try_again(call: Caller) -> None:
    """Instead of the backoff."""
    token = await started(call)
    task = await call("fail", "a", token, ERROR, True, 100)
    assert seconds_between(task["updated_at"], task["run_at"]) == 100


async def test_whoever_waits_hears_of_an_end_that_a_claim_brings_about(call: Caller) -> None:
    """A claim that comes first past the end of `expires_in` moves the task, and answers others."""
    await call("queue", name="mail", id="a", expires_in=0.3)
    waiting = asyncio.create_task(call("get_task", "a", 20))
    while not waiting.done():
        await call("claim", ["other"], None, 1, 0)
    task = await waiting
    assert task["error"]["type"] == "Expired"
    assert seconds_between(task["finished_at"], (await call("queue", "clock"))["created_at"]) < 10
