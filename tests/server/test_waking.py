"""Long polls: a waiting claim is woken by every way in which a task becomes due."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from jsonrpc_qm.server import chores
from tests.server.callers import Caller, request
from tests.server.waiting import Waiting

ERROR = {"type": "E", "message": "m"}

Way = AsyncIterator[None]
"""What has to be there before a claim waits, and behind the yield what makes task `a` due."""


async def started(call: Caller, name: str = "mail", **options: Any) -> tuple[str, int]:
    """Id and token of a task that is started."""
    await call("queue", name=name, **options)
    [task] = await call("claim", [name], None, 1, 0)
    return task["id"], task["token"]


async def queued(call: Caller) -> Way:
    yield
    await call("queue", name="mail", id="a")


async def queued_with_others(call: Caller) -> Way:
    yield
    await call("queue_many", [{"name": "other"}, {"name": "mail", "id": "a"}])


async def queued_by_a_notification(call: Caller) -> Way:
    body = request("queue", name="mail", id="a")
    del body["id"]
    yield
    await call.send(body)


async def queued_in_a_batch(call: Caller) -> Way:
    yield
    await call.send([request("queue", "other"), request("queue", name="mail", id="a")])


async def queued_again_with_its_id(call: Caller) -> Way:
    await call("pause", "mail")
    await call("queue", name="mail", id="a")
    yield
    await call("resume", "mail")
    await call("queue", name="mail", id="a")


async def ripe(call: Caller) -> Way:
    await call("queue", name="mail", id="a", delay=0.3)
    yield


async def ripe_while_it_waits(call: Caller) -> Way:
    yield
    await call("queue", name="mail", id="a", delay=0.1)


async def retried(call: Caller) -> Way:
    await call("queue", name="mail", id="a", delay=60)
    await call("cancel", "a")
    yield
    await call("retry", "a")


async def released(call: Caller) -> Way:
    held = await started(call, id="a")
    yield
    await call("release", *held)


async def released_with_a_delay(call: Caller) -> Way:
    held = await started(call, id="a")
    yield
    await call("release", *held, 0.1)


async def released_in_a_report(call: Caller) -> Way:
    id, token = await started(call, id="a")
    yield
    await call("report", [{"id": id, "token": token, "status": "queued"}])


async def failed(call: Caller) -> Way:
    held = await started(call, id="a")
    yield
    await call("fail", *held, ERROR, True, 0)


async def failed_with_a_backoff(call: Caller) -> Way:
    held = await started(call, id="a", backoff={"base": 0.1})
    yield
    await call("fail", *held, ERROR)


async def lost(call: Caller) -> Way:
    await started(call, id="a", lease=0.3)
    yield


async def lost_after_a_shorter_heartbeat(call: Caller) -> Way:
    id, token = await started(call, id="a")
    yield
    await call("heartbeat", [{"id": id, "token": token, "lease": 0.1}])


async def timed_out(call: Caller) -> Way:
    await started(call, id="a", timeout=0.3, backoff={"base": 0})
    yield


async def resumed(call: Caller) -> Way:
    await call("pause", "mail")
    await call("queue", name="mail", id="a")
    yield
    await call("resume", "mail")


async def queued_by_a_completion(call: Caller) -> Way:
    held = await started(call, "first")
    yield
    await call("complete", *held, None, [{"name": "mail", "id": "a"}])


async def queued_by_a_completion_in_a_report(call: Caller) -> Way:
    id, token = await started(call, "first")
    yield
    outcome = {"id": id, "token": token, "status": "completed"}
    await call("report", [{**outcome, "queue": [{"name": "mail", "id": "a"}]}])


async def queued_with_a_delay_by_a_completion(call: Caller) -> Way:
    held = await started(call, "first")
    yield
    await call("complete", *held, None, [{"name": "mail", "id": "a", "delay": 0.1}])


WAYS: list[Callable[[Caller], Way]] = [
    queued,
    queued_with_others,
    queued_by_a_notification,
    queued_in_a_batch,
    queued_again_with_its_id,
    ripe,
    ripe_while_it_waits,
    retried,
    released,
    released_with_a_delay,
    released_in_a_report,
    failed,
    failed_with_a_backoff,
    lost,
    lost_after_a_shorter_heartbeat,
    timed_out,
    resumed,
    queued_by_a_completion,
    queued_by_a_completion_in_a_report,
    queued_with_a_delay_by_a_completion,
]


@pytest.fixture(autouse=True)
def no_other_reason_to_wake(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without this a sweep a second would find what nobody was woken for."""
    monkeypatch.setattr(chores, "LONGEST_SLEEP", 600.0)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_a_waiting_claim_is_woken_when_a_task_is(
    call: Caller, waiting: Waiting, way: Callable[[Caller], Way]
) -> None:
    """Right away, however the task became due, and it gets that task."""
    steps = way(call)
    await anext(steps)
    claim = await waiting.claim("nothing", "mail")
    async with asyncio.timeout(10):
        async for _ in steps:
            raise AssertionError("one yield is enough")
        [task] = await claim
    assert task["id"] == "a"
    assert task["token"] > 0
    assert waiting.parked == 0
