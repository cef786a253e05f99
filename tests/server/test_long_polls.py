"""Long polls: how many are woken, in which order, and how they end."""

import asyncio
import time
from typing import Any

import pytest

from jsonrpc_qm.server import chores
from tests.server.callers import Caller, Refused, request, until
from tests.server.waiting import Waiting

ERROR = {"type": "E", "message": "m"}


@pytest.fixture(autouse=True)
def no_other_reason_to_wake(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without this a sweep a second would find what nobody was woken for."""
    monkeypatch.setattr(chores, "LONGEST_SLEEP", 600.0)


async def ids_of(claims: "list[asyncio.Task[list[Any]]]") -> list[list[str]]:
    """What each claim got."""
    return [[task["id"] for task in await claim] for claim in claims]


async def queue_together(call: Caller, waiting: Waiting, count: int) -> None:
    """Store tasks t0, t1, ... with one call."""
    await call("queue_many", [{"name": "mail", "id": f"t{number}"} for number in range(count)])


async def queue_apart(call: Caller, waiting: Waiting, count: int) -> None:
    """Store tasks t0, t1, ... one after another."""
    for number in range(count):
        await call("queue", name="mail", id=f"t{number}")


async def queue_side_by_side(call: Caller, waiting: Waiting, count: int) -> None:
    """Store tasks t0, t1, ... with calls that run at the same time."""
    await asyncio.gather(*(call("queue", name="mail", id=f"t{n}") for n in range(count)))


async def resume_many(call: Caller, waiting: Waiting, count: int) -> None:
    """Let tasks t0, t1, ... be claimed from one moment to the next."""
    parked = waiting.parked
    await call("pause", "mail")
    await queue_together(call, waiting, count)
    # Where managers share a storage some of them have looked in vain, and wait in their old places.
    await until(lambda: waiting.parked == parked)
    await call("resume", "mail")


async def ripen_together(call: Caller, waiting: Waiting, count: int) -> None:
    """Store tasks t0, t1, ... that are all due in the same moment."""
    await call("queue_many", [{"name": "mail", "id": f"t{n}", "delay": 0.2} for n in range(count)])


@pytest.mark.parametrize(
    "way", [queue_together, queue_apart, queue_side_by_side, resume_many, ripen_together]
)
async def test_as_many_claims_are_woken_as_there_are_tasks(
    call: Caller, waiting: Waiting, way: Any
) -> None:
    """20 wait, 7 tasks come: the first 7 in the order of arrival have one each, 13 wait on."""
    claims = [await waiting.claim() for _ in range(20)]
    await way(call, waiting, 7)
    async with asyncio.timeout(5):
        found = await ids_of(claims[:7])
    assert sorted(found) == [[f"t{number}"] for number in range(7)]
    await until(lambda: waiting.parked == 13)
    assert not any(claim.done() for claim in claims[7:])
    await way(call, waiting, 20)
    async with asyncio.timeout(5):
        rest = await ids_of(claims[7:])
    assert sorted(rest) == sorted([f"t{number}"] for number in range(7, 20))
    assert waiting.parked == 0


async def test_the_one_that_waits_longest_is_served_first(call: Caller, waiting: Waiting) -> None:
    """First come, first served, also over several names."""
    first = await waiting.claim("a", "b")
    second = await waiting.claim("b")
    third = await waiting.claim("a")
    claims = [first, second, third]
    for turn, name in enumerate("bab", 1):
        await call("queue", name=name, id=str(turn))
        async with asyncio.timeout(5):
            while sum(claim.done() for claim in claims) < turn:
                await asyncio.sleep(0.001)
    assert await ids_of([first, third, second]) == [["1"], ["2"], ["3"]]


async def test_a_claim_of_many_takes_all_that_come_together(call: Caller, waiting: Waiting) -> None:
    """It is woken once, and leaves nothing for others that it wants itself."""
    first, second = await waiting.claim(max_tasks=5), await waiting.claim(max_tasks=5)
    await queue_together(call, waiting, 7)
    found = await ids_of([first, second])
    assert found == [["t0", "t1", "t2", "t3", "t4"], ["t5", "t6"]]


async def test_a_task_of_another_name_wakes_nobody(call: Caller, waiting: Waiting) -> None:
    """Nor does one that is not due, or of a paused name."""
    claim = await waiting.claim("mail", "paused")
    await call("pause", "paused")
    await call("queue", name="other")
    await call("queue", name="paused")
    await call("queue", name="mail", delay=3600)
    await until(lambda: waiting.parked == 1)
    assert not claim.done()
    await call("queue", name="mail", id="a")
    assert await ids_of([claim]) == [["a"]]


async def test_a_claim_that_finds_something_does_not_wait(call: Caller, waiting: Waiting) -> None:
    """Less than max_tasks is enough."""
    await queue_together(call, waiting, 2)
    async with asyncio.timeout(5):
        assert len(await call("claim", ["mail"], None, 10, 55)) == 2


async def test_a_claim_without_luck_answers_nothing_after_its_wait(call: Caller) -> None:
    """Not before; and at once when wait is 0."""
    for wait in (0, 0.2):
        began = time.monotonic()
        async with asyncio.timeout(5):
            assert await call("claim", ["mail"], None, 1, wait) == []
        assert time.monotonic() - began >= wait


async def test_a_claim_waits_by_default(call: Caller, waiting: Waiting) -> None:
    """20 seconds, says protocol.md; it is long enough to be woken."""
    claim = asyncio.create_task(call("claim", ["mail"]))
    await until(lambda: waiting.parked == 1)
    await call("queue", "mail")
    assert len(await claim) == 1


async def test_in_a_batch_nothing_waits(call: Caller) -> None:
    """A claim answers what is due, get_task what is there, whatever their wait says."""
    await call("queue", name="other", id="a")
    async with asyncio.timeout(5):
        answers = await call.send(
            [
                {**request("claim", names=["mail"], wait=55), "id": 1},
                {**request("claim", ["mail"]), "id": 2},
                {**request("get_task", "a", 55), "id": 3},
            ]
        )
    assert [answer["id"] for answer in answers] == [1, 2, 3]
    assert answers[0]["result"] == answers[1]["result"] == []
    assert answers[2]["result"]["status"] == "queued"


async def test_a_batch_of_one_does_not_wait_either(call: Caller) -> None:
    """It is a batch all the same."""
    async with asyncio.timeout(5):
        [answer] = await call.send([request("claim", names=["mail"], wait=55)])
    assert answer["result"] == []


async def test_claims_in_a_batch_share_what_is_due(call: Caller, waiting: Waiting) -> None:
    """Each task goes to one of them."""
    await queue_together(call, waiting, 3)
    answers = await call.send([{**request("claim", ["mail"]), "id": n} for n in range(5)])
    found = [task["id"] for answer in answers for task in answer["result"]]
    assert sorted(found) == ["t0", "t1", "t2"]


async def test_a_claim_whose_caller_has_gone_takes_nothing(call: Caller, waiting: Waiting) -> None:
    """The next in the line gets the task."""
    gone = [await waiting.claim() for _ in range(3)]
    here = await waiting.claim()
    for claim in gone:
        claim.cancel()
    await asyncio.gather(*gone, return_exceptions=True)
    await until(lambda: waiting.parked == 1)
    await call("queue", name="mail", id="a")
    assert await ids_of([here]) == [["a"]]
    assert (await call("get_task", "a"))["attempts"] == 1


async def test_a_drained_workers_claims_come_back_empty(call: Caller, waiting: Waiting) -> None:
    """Those of others wait on; and it gets nothing more."""
    drained = await waiting.claim(worker="w1")
    other = await waiting.claim(worker="w2")
    assert await call("drain", "w1") is True
    async with asyncio.timeout(5):
        assert await drained == []
    await queue_together(call, waiting, 2)
    assert await ids_of([other]) == [["t0"]]
    assert await call("claim", ["mail"], "w1", 1, 0) == []


async def finish_by_completing(call: Caller) -> str:
    """Complete `a`."""
    [task] = await call("claim", ["mail"], None, 1, 0)
    await call("complete", "a", task["token"], "done")
    return "completed"


async def finish_by_reporting(call: Caller) -> str:
    """Complete `a` in a report."""
    [task] = await call("claim", ["mail"], None, 1, 0)
    await call("report", [{"id": "a", "token": task["token"], "status": "completed"}])
    return "completed"


async def finish_by_failing(call: Caller) -> str:
    """Let `a` fail for good."""
    [task] = await call("claim", ["mail"], None, 1, 0)
    await call("fail", "a", task["token"], ERROR, False)
    return "failed"


async def finish_by_cancelling(call: Caller) -> str:
    """Cancel `a` while it is queued."""
    await call("cancel", "a")
    return "cancelled"


async def finish_by_a_last_lost_lease(call: Caller) -> str:
    """Claim `a` and never come back, which its max_lost of 0 does not allow."""
    await call("claim", ["mail"], None, 1, 0, 0.1)
    return "failed"


@pytest.mark.parametrize(
    "way",
    [
        finish_by_completing,
        finish_by_reporting,
        finish_by_failing,
        finish_by_cancelling,
        finish_by_a_last_lost_lease,
    ],
)
async def test_get_task_waits_for_the_end(call: Caller, waiting: Waiting, way: Any) -> None:
    """All who wait have the finished task at once, however it ended."""
    await call("queue", name="mail", id="a", max_lost=0)
    await call("queue", name="other", id="b")
    waits = [await waiting.get_task("a") for _ in range(3)]
    other = await waiting.get_task("b")
    async with asyncio.timeout(5):
        status = await way(call)
        tasks = [await wait for wait in waits]
    assert all(task == tasks[0] for task in tasks)
    assert tasks[0]["status"] == status
    assert tasks[0] == await call("get_task", "a")
    assert not other.done()
    await call("cancel", "b")
    assert (await other)["status"] == "cancelled"
    assert waiting.watchers == 0


async def test_get_task_does_not_wait_for_an_attempt(call: Caller, waiting: Waiting) -> None:
    """An attempt that fails is not the end while there will be another."""
    await call("queue", name="mail", id="a", backoff={"base": 0})
    wait = await waiting.get_task("a")
    [task] = await call("claim", ["mail"], None, 1, 0)
    await call("fail", "a", task["token"], ERROR)
    [task] = await call("claim", ["mail"], None, 1, 0)
    await call("release", "a", task["token"])
    assert not wait.done()
    await call("cancel", "a")
    assert (await wait)["status"] == "cancelled"


async def test_get_task_answers_what_is_there_when_its_wait_is_over(call: Caller) -> None:
    """Not an error: the caller looks at the status."""
    await call("queue", name="mail", id="a")
    for wait in (None, 0, 0.2):
        began = time.monotonic()
        async with asyncio.timeout(5):
            task = await call("get_task", "a", wait)
        assert task["status"] == "queued"
        assert time.monotonic() - began >= (wait or 0)


async def test_get_task_of_a_finished_or_unknown_task_does_not_wait(call: Caller) -> None:
    """There is nothing to wait for."""
    await call("queue", name="mail", id="a")
    await call("cancel", "a")
    async with asyncio.timeout(5):
        assert (await call("get_task", "a", 55))["status"] == "cancelled"
        with pytest.raises(Refused):
            await call("get_task", "b", 55)
