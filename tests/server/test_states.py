"""The state machine that protocol.md draws, walked over HTTP: every state, every event."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.server.callers import Caller, Refused, seconds_between, settled

ERROR = {"type": "E", "message": "m"}
LOST, INVALID = -32002, -32004

ID = "a"


async def queued(call: Caller) -> int:
    """Due, and never claimed."""
    await call("queue", name="mail", id=ID, backoff={"base": 0})
    return 1


async def scheduled(call: Caller) -> int:
    """Queued with run_at ahead."""
    await call("queue", name="mail", id=ID, delay=3600)
    return 1


async def started(call: Caller) -> int:
    """Held, with the token that is given back."""
    await queued(call)
    [task] = await call("claim", ["mail"], "w1", 1, 0)
    token: int = task["token"]
    return token


async def cancelling(call: Caller) -> int:
    """Held, and its worker is asked to end it."""
    token = await started(call)
    await call("cancel", ID)
    return token


async def lost(call: Caller) -> int:
    """Queued again since its lease expired."""
    await queued(call)
    [task] = await call("claim", ["mail"], "w1", 1, 0, 0.1)
    await settled(call, ID, status="queued")
    token: int = task["token"]
    return token


async def completed(call: Caller) -> int:
    """Done."""
    token = await started(call)
    await call("complete", ID, token, 1)
    return token


async def failed(call: Caller) -> int:
    """Failed for good."""
    token = await started(call)
    await call("fail", ID, token, ERROR, False)
    return token


async def cancelled(call: Caller) -> int:
    """Cancelled while it was queued."""
    await queued(call)
    await call("cancel", ID)
    return 1


EVENTS: dict[str, Callable[[Caller, int], Awaitable[Any]]] = {
    "claim": lambda call, token: call("claim", ["mail"], "w2", 1, 0),
    "heartbeat": lambda call, token: call("heartbeat", [{"id": ID, "token": token}]),
    "complete": lambda call, token: call("complete", ID, token, 1),
    "fail": lambda call, token: call("fail", ID, token, ERROR),
    "fail, final": lambda call, token: call("fail", ID, token, ERROR, False),
    "release": lambda call, token: call("release", ID, token),
    "cancel": lambda call, token: call("cancel", ID),
    "retry": lambda call, token: call("retry", ID),
    "delete": lambda call, token: call("delete_task", ID),
}

MACHINE: dict[Callable[[Caller], Awaitable[int]], list[Any]] = {
    # claim, heartbeat, complete, fail, fail final, release, cancel, retry, delete
    queued: ["started", "queued", LOST, LOST, LOST, LOST, "cancelled", INVALID, INVALID],
    scheduled: ["queued", "queued", LOST, LOST, LOST, LOST, "cancelled", INVALID, INVALID],
    started: [
        *("started", "started", "completed", "queued", "failed", "queued"),
        *("started", INVALID, INVALID),
    ],
    cancelling: [
        *("started", "started", "completed", "cancelled", "cancelled", "cancelled"),
        *("started", INVALID, INVALID),
    ],
    lost: [
        *("started", "queued", "completed", "queued", "failed", "queued"),
        *("cancelled", INVALID, INVALID),
    ],
    completed: [
        *("completed", "completed", "completed", LOST, LOST, LOST),
        *(INVALID, INVALID, "gone"),
    ],
    failed: ["failed", "failed", LOST, "failed", "failed", LOST, INVALID, "queued", "gone"],
    cancelled: [*("cancelled", "cancelled", LOST, LOST, LOST, LOST, "cancelled"), "queued", "gone"],
}
"""What becomes of a task in each state by each event: its state afterwards, or the refusal."""


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("state", MACHINE, ids=lambda state: state.__name__)
async def test_an_event_leads_to_the_drawn_state(
    call: Caller, state: Callable[[Caller], Awaitable[int]], event: str
) -> None:
    """Or is refused with the drawn error, and then changes nothing."""
    expected = MACHINE[state][[*EVENTS].index(event)]
    token = await state(call)
    before = await call("get_task", ID)
    if expected in (LOST, INVALID):
        with pytest.raises(Refused) as refused:
            await EVENTS[event](call, token)
        assert refused.value.code == expected
        assert refused.value.data == {"id": ID, "status": before["status"]}
        assert await call("get_task", ID) == before
        return
    answer = await EVENTS[event](call, token)
    if expected == "gone":
        assert answer is True
        with pytest.raises(Refused):
            await call("get_task", ID)
        return
    after = await call("get_task", ID)
    assert after["status"] == expected
    if event not in ("claim", "heartbeat"):
        assert answer == after


async def test_a_task_begins_with_the_documented_values(call: Caller) -> None:
    """The task object of protocol.md, in its order."""
    task = await call("queue", "mail")
    at = task["created_at"]
    assert list(task.items()) == [
        ("id", task["id"]),
        ("name", "mail"),
        ("parameters", None),
        ("result", None),
        ("status", "queued"),
        ("error", None),
        ("priority", 0),
        ("attempts", 0),
        ("max_attempts", 5),
        ("lost", 0),
        ("max_lost", 3),
        ("run_at", at),
        ("progress", None),
        ("worker", None),
        ("lease_expires_at", None),
        ("cancel_requested", False),
        ("unique_key", None),
        ("metadata", {}),
        ("created_at", at),
        ("updated_at", at),
        ("started_at", None),
        ("finished_at", None),
    ]


async def test_a_claim_starts_an_attempt(call: Caller) -> None:
    """Worker, lease and token are there; the token is in no other answer."""
    await queued(call)
    [task] = await call("claim", ["mail"], "w1", 1, 0, 10)
    assert (task["status"], task["attempts"], task["worker"]) == ("started", 1, "w1")
    assert task["started_at"] == task["updated_at"]
    assert task["finished_at"] is None
    assert lease_of(task) == 10
    seen = await call("get_task", ID)
    assert task == {**seen, "token": task["token"]}
    assert "token" not in seen


async def test_a_claim_without_a_lease_has_the_tasks(call: Caller) -> None:
    """60 seconds, unless `queue` said otherwise."""
    await call("queue", name="mail", id="a")
    await call("queue", name="mail", id="b", lease=5)
    tasks = await call("claim", ["mail"], None, 2, 0)
    assert [lease_of(task) for task in tasks] == [60, 5]


async def test_a_completion_ends_a_task(call: Caller) -> None:
    """Result and end are there, the lease is not, and the worker stays to be seen."""
    token = await started(call)
    task = await call("complete", ID, token, {"size": 1})
    assert (task["status"], task["result"], task["error"]) == ("completed", {"size": 1}, None)
    assert task["finished_at"] == task["updated_at"] >= task["started_at"]
    assert (task["lease_expires_at"], task["worker"], task["attempts"]) == (None, "w1", 1)


async def test_a_failed_attempt_keeps_its_error_and_comes_again(call: Caller) -> None:
    """The next attempt begins without the last one's progress, and may well succeed."""
    token = await started(call)
    error = {**ERROR, "traceback": "here", "data": {"n": [1]}}
    await call("heartbeat", [{"id": ID, "token": token, "progress": 0.5}])
    task = await call("fail", ID, token, error)
    assert (task["status"], task["error"], task["attempts"]) == ("queued", error, 1)
    assert (task["progress"], task["finished_at"]) == (0.5, task["updated_at"])
    [task] = await call("claim", ["mail"], "w2", 1, 0)
    assert (task["attempts"], task["progress"], task["worker"]) == (2, None, "w2")
    assert task["token"] > token
    task = await call("complete", ID, task["token"])
    assert (task["status"], task["error"]) == ("completed", error)


async def test_max_attempts_fail_before_a_task_stays_failed(call: Caller) -> None:
    """Released claims and lost leases are no failed attempts."""
    await call("queue", name="mail", id=ID, max_attempts=2, backoff={"base": 0})
    statuses = []
    for method, rest in [("fail", [ERROR]), ("release", []), ("fail", [ERROR])]:
        [task] = await call("claim", ["mail"], None, 1, 0)
        statuses.append((await call(method, ID, task["token"], *rest))["status"])
    assert statuses == ["queued", "queued", "failed"]
    task = await call("get_task", ID)
    assert (task["attempts"], task["max_attempts"]) == (2, 2)


async def test_a_release_does_not_count(call: Caller) -> None:
    """Attempts are as before, and the task is due as before or after its delay."""
    token = await started(call)
    task = await call("release", ID, token)
    assert (task["status"], task["attempts"], task["error"]) == ("queued", 0, None)
    [task] = await call("claim", ["mail"], None, 1, 0)
    task = await call("release", ID, task["token"], 100)
    assert seconds_between(task["updated_at"], task["run_at"]) == 100
    assert await call("claim", ["mail"], None, 1, 0) == []


async def test_a_retry_starts_over(call: Caller) -> None:
    """Attempts and lost are 0 again, and it may fail as often as before."""
    await call("queue", name="mail", id=ID, max_attempts=1, max_lost=1)
    await call("claim", ["mail"], None, 1, 0, 0.1)
    await settled(call, ID, status="queued")
    [task] = await call("claim", ["mail"], None, 1, 0)
    task = await call("fail", ID, task["token"], ERROR)
    assert (task["status"], task["attempts"], task["lost"]) == ("failed", 2, 1)
    task = await call("retry", ID)
    assert (task["status"], task["attempts"], task["lost"]) == ("queued", 0, 0)
    assert (task["finished_at"], task["error"]) == (None, ERROR)
    [task] = await call("claim", ["mail"], None, 1, 0)
    assert task["attempts"] == 1


async def test_a_retry_forgets_when_it_was_to_run(call: Caller) -> None:
    """A cancelled task that was scheduled is due at once, and expires no more."""
    await call("queue", name="mail", id=ID, delay=3600, expires_in=0.2)
    await call("cancel", ID)
    task = await call("retry", ID)
    assert task["run_at"] == task["updated_at"]
    await call("pause", "mail")
    await call("queue", name="other", id="b", expires_in=0.2)
    await settled(call, "b", status="failed")
    assert (await call("get_task", ID))["status"] == "queued"


async def test_a_started_task_is_asked_to_stop(call: Caller) -> None:
    """The worker hears of it with its heartbeat; a second cancel says the same."""
    token = await started(call)
    first = await call("cancel", ID)
    assert (first["status"], first["cancel_requested"]) == ("started", True)
    assert await call("cancel", ID) == first
    answer = await call("heartbeat", [{"id": ID, "token": token}])
    assert answer["leases"][0]["cancel_requested"] is True


async def test_a_worker_that_fails_a_cancelled_task_leaves_its_error(call: Caller) -> None:
    """Cancelled, with what the worker had to say."""
    token = await cancelling(call)
    task = await call("fail", ID, token, ERROR)
    assert (task["status"], task["error"]) == ("cancelled", ERROR)


def lease_of(task: dict[str, Any]) -> float:
    """Seconds that a claim lasts."""
    return seconds_between(task["started_at"], task["lease_expires_at"])
