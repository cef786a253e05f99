"""What operators are told of a task: what has happened to it, and why it isn't running."""

from typing import Any

import pytest

from jsonrpc_qm.storage.base import WORKER_GONE, Sighting, Storage
from tests.server.callers import Caller, Refused

ERROR = {"type": "E", "message": "no"}


async def codes(call: Caller, id: str) -> list[str]:
    """The reasons that a task is where it is."""
    return [reason["code"] for reason in (await call("explain", id))["reasons"]]


async def steps(call: Caller, id: str) -> list[tuple[str | None, str, str | None]]:
    """The statuses that a task left and got, and why."""
    return [(step["from"], step["to"], step["reason"]) for step in await call("history", id)]


async def taken(call: Caller, worker: str | None = "w") -> dict[str, Any]:
    """Claim a task that is there."""
    tasks: list[dict[str, Any]] = await call("claim", ["mail"], worker, 1, 0)
    [task] = tasks
    return task


async def test_a_history_goes_from_the_queue_to_the_end(call: Caller) -> None:
    """Each attempt with its worker and how it ended; what followed by its id."""
    await call("queue", name="mail", id="a", backoff={"base": 0})
    first = await taken(call, "w1")
    await call("fail", "a", first["token"], ERROR)
    second = await taken(call, "w2")
    await call("release", "a", second["token"])
    third = await taken(call, "w3")
    await call("complete", "a", third["token"], None, [{"name": "next", "id": "b"}])
    assert await steps(call, "a") == [
        (None, "queued", None),
        ("queued", "started", None),
        ("started", "queued", "E: no"),
        ("queued", "started", None),
        ("started", "queued", "released"),
        ("queued", "started", None),
        ("started", "completed", None),
    ]
    told = await call("history", "a")
    assert [step["worker"] for step in told] == [None, "w1", "w1", "w2", "w2", "w3", "w3"]
    assert [step["tasks"] for step in told] == [[]] * 6 + [["b"]]
    task = await call("get_task", "a")
    assert (told[0]["at"], told[-1]["at"]) == (task["created_at"], task["finished_at"])


async def test_what_operators_do_is_in_it(call: Caller) -> None:
    """A cancelled task that was queued again."""
    await call("queue", name="mail", id="a")
    await call("cancel", "a")
    await call("retry", "a")
    assert await steps(call, "a") == [
        (None, "queued", None),
        ("queued", "cancelled", None),
        ("cancelled", "queued", "retried"),
    ]


@pytest.mark.parametrize("method", ["history", "explain"])
async def test_of_a_task_that_is_not_there_nothing_is_told(call: Caller, method: str) -> None:
    """TaskNotFound, as everywhere."""
    with pytest.raises(Refused) as refused:
        await call(method, "none")
    assert refused.value.code == -32001


async def test_a_paused_name_is_a_reason(call: Caller) -> None:
    """And so is that nobody has asked for it."""
    await call("queue", name="mail", id="a")
    assert await codes(call, "a") == ["no_worker"]
    await call("pause", "mail")
    assert await codes(call, "a") == ["paused", "no_worker"]


async def test_a_time_to_come_is_a_reason(call: Caller) -> None:
    """With the moment, and the failure that it comes from."""
    await call("queue", name="mail", id="a", delay=60)
    [scheduled, _] = (await call("explain", "a"))["reasons"]
    assert scheduled["code"] == "scheduled"
    assert scheduled["until"] == (await call("get_task", "a"))["run_at"]
    await call("queue", name="mail", id="b", backoff={"base": 60})
    await call("fail", "b", (await taken(call))["token"], ERROR)
    [failed] = (await call("explain", "b"))["reasons"]
    assert failed["code"] == "scheduled"
    assert failed["message"].endswith("failure 1 of 5 was E: no")


async def test_a_task_that_waits_for_its_turn_says_so(call: Caller) -> None:
    """There is a worker, it only has other things to do."""
    for id in ("a", "b", "c"):
        await call("queue", name="mail", id=id)
    await taken(call)
    explained = await call("explain", "c")
    assert explained == {
        "id": "c",
        "status": "queued",
        "reasons": [
            {
                "code": "behind",
                "message": "2 of this name are due, 1 worker holds 1 task",
                "until": None,
            }
        ],
    }


async def test_a_worker_that_is_gone_is_not_spoken_of(call: Caller, storage: Storage) -> None:
    """Neither as one that asks for the task nor as one that holds others."""
    await call("queue", name="mail", id="a")
    with storage.transaction():
        storage.saw([Sighting(worker="old", names=("mail",))], storage.now() - WORKER_GONE - 1)
    assert await codes(call, "a") == ["no_worker"]
    await taken(call, "new")
    await call("queue", name="mail", id="b")
    [behind] = (await call("explain", "b"))["reasons"]
    assert behind["message"] == "1 of this name is due, 1 worker holds 1 task"


async def test_workers_that_are_to_stop_are_a_reason(call: Caller) -> None:
    """When there are no others."""
    await call("claim", ["mail"], "w", 1, 0)
    await call("queue", name="mail", id="a")
    await call("drain", "w")
    assert await codes(call, "a") == ["draining"]


async def test_a_task_that_runs_tells_its_worker(call: Caller) -> None:
    """And that it was asked to stop."""
    await call("queue", name="mail", id="a")
    held = await taken(call)
    [running] = (await call("explain", "a"))["reasons"]
    assert running == {
        "code": "running",
        "message": "w runs it; its lease ends unless the worker extends it",
        "until": held["lease_expires_at"],
    }
    await call("cancel", "a")
    [asked, still_running] = (await call("explain", "a"))["reasons"]
    assert asked == {"code": "cancel_requested", "message": "w is asked to stop", "until": None}
    assert still_running == running
    await call("fail", "a", held["token"], ERROR)
    assert (await call("explain", "a"))["status"] == "cancelled"
    assert await codes(call, "a") == ["finished"]
