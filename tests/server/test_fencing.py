"""Tokens fence, calls may be sent twice, and late outcomes count while nobody is in their way."""

import asyncio
from typing import Any

import pytest

from tests.server.callers import Caller, Refused, settled

ERROR = {"type": "E", "message": "m"}
LOST = -32002


async def claim(call: Caller, lease: float | None = None) -> dict[str, Any]:
    """The one task that is due, held."""
    [task] = await call("claim", ["mail"], "w", 1, 0, lease)
    result: dict[str, Any] = task
    return result


async def ids(call: Caller) -> list[str]:
    """The ids of all tasks."""
    return [task["id"] for task in (await call("list_tasks"))["tasks"]]


async def refusal(call: Caller, method: str, *args: Any) -> int:
    """The code of the error that a call gets."""
    with pytest.raises(Refused) as refused:
        await call(method, *args)
    return refused.value.code


async def test_tokens_grow_with_each_claim(call: Caller) -> None:
    """Over releases, failures, lost leases and retries; so a resource can compare them."""
    await call("queue", name="mail", id="a", backoff={"base": 0})
    tokens = []
    ends: list[tuple[str, list[Any]]] = [
        ("release", []),
        ("fail", [ERROR]),
        ("fail", [ERROR, False]),
    ]
    for method, rest in ends:
        task = await claim(call)
        tokens.append(task["token"])
        await call(method, "a", task["token"], *rest)
    await call("retry", "a")
    tokens.append((await claim(call, 0.1))["token"])
    await settled(call, "a", status="queued")
    tokens.append((await claim(call))["token"])
    assert tokens == sorted(set(tokens))
    assert tokens[0] > 0


async def test_tokens_grow_over_the_deletion_of_a_task(call: Caller) -> None:
    """A task with the id of one that is gone is another: the old token does not fit it."""
    await call("queue", name="mail", id="a")
    old = (await claim(call))["token"]
    await call("complete", "a", old)
    await call("delete_task", "a")
    await call("queue", name="mail", id="a")
    new = (await claim(call))["token"]
    assert new > old
    assert await refusal(call, "complete", "a", old) == LOST


async def test_an_old_token_is_refused_once_another_claim_holds_the_task(call: Caller) -> None:
    """For every way to end it, for heartbeats and reports; the new claim notices nothing."""
    await call("queue", name="mail", id="a")
    old = (await claim(call, 0.1))["token"]
    await settled(call, "a", status="queued")
    new = await claim(call)
    assert await refusal(call, "complete", "a", old, 1) == LOST
    assert await refusal(call, "fail", "a", old, ERROR) == LOST
    assert await refusal(call, "release", "a", old) == LOST
    answer = await call("heartbeat", [{"id": "a", "token": old, "progress": 1}])
    assert answer["leases"][0]["ok"] is False
    lost = {"code": LOST, "message": "Lease lost", "data": {"id": "a", "status": "started"}}
    answer = await call("report", [{"id": "a", "token": old, "status": "completed"}])
    assert answer["outcomes"] == [{"id": "a", "ok": False, "error": lost}]
    task = await call("get_task", "a")
    assert {**task, "token": new["token"]} == new
    assert (await call("complete", "a", new["token"], 2))["result"] == 2


@pytest.mark.parametrize(
    ("method", "rest", "status"),
    [
        ("complete", [1], "completed"),
        ("fail", [ERROR], "queued"),
        ("fail", [ERROR, False], "failed"),
        ("release", [], "queued"),
    ],
)
async def test_a_late_outcome_counts_while_nobody_has_claimed_the_task(
    call: Caller, method: str, rest: list[Any], status: str
) -> None:
    """The work was done, if a little late; the lost lease stays counted."""
    await call("queue", name="mail", id="a")
    token = (await claim(call, 0.1))["token"]
    await settled(call, "a", status="queued")
    task = await call(method, "a", token, *rest)
    assert (task["status"], task["lost"]) == (status, 1)
    if status != "queued":
        assert await call("claim", ["mail"], None, 1, 0) == []


async def test_a_late_outcome_of_a_cancelled_or_failed_task_is_refused(call: Caller) -> None:
    """It is finished: nothing changes that but a retry."""
    await call("queue", name="mail", id="a")
    token = (await claim(call, 0.1))["token"]
    await settled(call, "a", status="queued")
    await call("cancel", "a")
    assert await refusal(call, "complete", "a", token, 1) == LOST
    await call("queue", name="mail", id="b", max_lost=0)
    token = (await claim(call, 0.1))["token"]
    await settled(call, "b", status="failed")
    assert await refusal(call, "complete", "b", token, 1) == LOST


async def test_an_outcome_from_before_a_retry_is_refused(call: Caller) -> None:
    """The operator wants it done anew."""
    await call("queue", name="mail", id="a", max_lost=0)
    token = (await claim(call, 0.1))["token"]
    await settled(call, "a", status="failed")
    await call("retry", "a")
    assert await refusal(call, "complete", "a", token, 1) == LOST


async def test_an_outcome_counts_in_the_moment_that_its_lease_ends(call: Caller) -> None:
    """Whether the sweep or the outcome comes first, it is done once and lost at most once."""
    for round in range(5):
        id = f"t{round}"
        await call("queue", name="mail", id=id)
        token = (await claim(call, 0.1))["token"]
        await asyncio.sleep(0.09 + round * 0.005)
        task = await call("complete", id, token, round)
        assert (task["status"], task["result"]) == ("completed", round)
        assert task["lost"] in (0, 1)


@pytest.mark.parametrize(
    ("method", "rest"),
    [
        ("complete", [{"n": 1}, [{"name": "next"}]]),
        ("complete", [None, [{"name": "next", "id": "f"}, {"name": "next"}]]),
        ("fail", [ERROR, True, 100]),
        ("fail", [ERROR, False]),
        ("fail", [ERROR]),
        ("release", []),
        ("release", [100]),
    ],
)
async def test_an_outcome_sent_again_is_answered_as_the_first_time(
    call: Caller, method: str, rest: list[Any]
) -> None:
    """And happens once: no second attempt is counted, nothing is queued twice."""
    await call("queue", name="mail", id="a")
    token = (await claim(call))["token"]
    first = await call(method, "a", token, *rest)
    before = await ids(call)
    for _ in range(3):
        assert await call(method, "a", token, *rest) == first
    assert await call("get_task", "a") == first
    assert await ids(call) == before


async def test_another_outcome_with_the_same_token_is_refused(call: Caller) -> None:
    """The first one counts."""
    await call("queue", name="mail", id="a")
    token = (await claim(call))["token"]
    await call("release", "a", token)
    assert await refusal(call, "complete", "a", token, 1) == LOST
    assert await refusal(call, "fail", "a", token, ERROR) == LOST
    assert (await call("get_task", "a"))["status"] == "queued"


async def test_an_outcome_sent_again_after_another_claim_is_refused(call: Caller) -> None:
    """The task is somebody else's by now."""
    await call("queue", name="mail", id="a")
    token = (await claim(call))["token"]
    await call("release", "a", token)
    await claim(call)
    assert await refusal(call, "release", "a", token) == LOST


async def test_a_report_sent_again_is_answered_as_the_first_time(call: Caller) -> None:
    """But for what it claims, which is whatever is due then."""
    await call("queue_many", [{"name": "mail", "id": id} for id in "abc"])
    held = await call("claim", ["mail"], None, 3, 0)
    tokens = [{"id": task["id"], "token": task["token"]} for task in held]
    outcomes = [
        {**tokens[0], "status": "completed", "result": 1, "queue": [{"name": "next"}]},
        {**tokens[1], "status": "failed", "error": ERROR, "retry": False},
        {**tokens[2], "status": "queued", "delay": 100},
    ]
    first = await call("report", outcomes, ["next"])
    assert [outcome["ok"] for outcome in first["outcomes"]] == [True] * 3
    assert [task["name"] for task in first["tasks"]] == ["next"]
    again = await call("report", outcomes, ["next"])
    assert again == {"outcomes": first["outcomes"], "tasks": []}
    states = {id: (await call("get_task", id))["status"] for id in "abc"}
    assert states == {"a": "completed", "b": "failed", "c": "queued"}


async def test_the_same_outcome_twice_in_a_report_counts_once(call: Caller) -> None:
    """Both are ok; a different second one is refused."""
    await call("queue_many", [{"name": "mail", "id": id} for id in "ab"])
    held = await call("claim", ["mail"], None, 2, 0)
    done, other = [{"id": task["id"], "token": task["token"]} for task in held]
    answer = await call(
        "report",
        [
            {**done, "status": "completed", "result": 1},
            {**done, "status": "completed", "result": 1},
            {**other, "status": "queued"},
            {**other, "status": "completed"},
        ],
    )
    assert [outcome["ok"] for outcome in answer["outcomes"]] == [True, True, True, False]
    assert answer["outcomes"][3]["error"]["code"] == LOST


async def test_a_report_holds_nothing_back(call: Caller) -> None:
    """Outcomes that are refused carry their errors, in the order in which they were sent."""
    await call("queue_many", [{"name": "mail", "id": id} for id in ("a", "b", "taken")])
    held = {task["id"]: task["token"] for task in await call("claim", ["mail"], None, 2, 0)}
    answer = await call(
        "report",
        [
            {"id": "x", "token": 1, "status": "completed"},
            {
                "id": "a",
                "token": held["a"],
                "status": "completed",
                "queue": [{"name": "other", "id": "taken"}],
            },
            {"id": "b", "token": held["b"] + 1, "status": "failed", "error": ERROR},
            {"id": "b", "token": held["b"], "status": "completed", "result": 1},
        ],
        ["mail"],
    )
    assert answer["outcomes"] == [
        {
            "id": "x",
            "ok": False,
            "error": {"code": -32001, "message": "Task not found", "data": {"id": "x"}},
        },
        {
            "id": "a",
            "ok": False,
            "error": {"code": -32003, "message": "Conflict", "data": {"id": "taken"}},
        },
        {
            "id": "b",
            "ok": False,
            "error": {
                "code": LOST,
                "message": "Lease lost",
                "data": {"id": "b", "status": "started"},
            },
        },
        {"id": "b", "ok": True},
    ]
    assert [task["id"] for task in answer["tasks"]] == ["taken"]


async def test_a_report_takes_what_its_own_outcomes_make_due(call: Caller) -> None:
    """Released tasks, follow-ups and failures without a wait are there for its claim."""
    await call("queue_many", [{"name": "mail", "id": id} for id in "abc"])
    held = await call("claim", ["mail"], None, 3, 0)
    tokens = [{"id": task["id"], "token": task["token"]} for task in held]
    answer = await call(
        "report",
        [
            {**tokens[0], "status": "completed", "queue": [{"name": "mail", "id": "d"}]},
            {**tokens[1], "status": "failed", "error": ERROR, "delay": 0},
            {**tokens[2], "status": "queued"},
        ],
        ["mail"],
        "w",
        10,
        5,
    )
    assert sorted(task["id"] for task in answer["tasks"]) == ["b", "c", "d"]
    assert all(task["token"] > 0 and task["worker"] == "w" for task in answer["tasks"])


async def test_a_report_without_names_claims_nothing(call: Caller) -> None:
    """It only reports; and it never waits when there is nothing to take."""
    await call("queue", "mail")
    assert await call("report", []) == {"outcomes": [], "tasks": []}
    async with asyncio.timeout(5):
        assert await call("report", [], ["other"]) == {"outcomes": [], "tasks": []}


async def test_two_claims_never_hold_one_task(call: Caller) -> None:
    """40 claims of 5 at once for 100 tasks: each task has one holder."""
    await call("queue_many", [{"name": "mail"} for _ in range(100)])
    claims = await asyncio.gather(*(call("claim", ["mail"], None, 5, 0) for _ in range(40)))
    ids = [task["id"] for claim in claims for task in claim]
    assert len(ids) == len(set(ids)) == 100


async def test_two_outcomes_at_once_leave_one(call: Caller) -> None:
    """Of a completion and a failure that race, one counts and the other hears of it."""
    for round in range(10):
        id = f"t{round}"
        await call("queue", name="mail", id=id)
        token = (await claim(call))["token"]
        answers = await asyncio.gather(
            call("complete", id, token, 1),
            call("fail", id, token, ERROR, False),
            return_exceptions=True,
        )
        [refused] = [answer for answer in answers if isinstance(answer, Refused)]
        [task] = [answer for answer in answers if isinstance(answer, dict)]
        assert refused.code == LOST
        assert refused.data == {"id": id, "status": task["status"]}
        assert await call("get_task", id) == task
