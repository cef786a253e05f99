"""Outcomes of `report` that are stored without their records being read."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from jsonrpc_qm.storage.base import Storage
from jsonrpc_qm.transitions import Complete
from tests.server.callers import Caller, until
from tests.server.waiting import Waiting, Watched


async def claimed(call: Caller, *ids: str) -> list[dict[str, object]]:
    """Outcomes for tasks that were queued and claimed."""
    await call("queue_many", [{"name": "mail", "id": id} for id in ids])
    taken = await call("claim", names=["mail"], max_tasks=len(ids), wait=0)
    return [
        {"id": task["id"], "token": task["token"], "status": "completed", "result": task["id"]}
        for task in taken
    ]


async def test_who_waits_for_a_result_gets_it_from_a_report(call: Caller, waiting: Waiting) -> None:
    """A waiting get_task is answered with the whole task as soon as the report is stored."""
    outcomes = await claimed(call, "a", "b")
    asking = await waiting.get_task("b")
    await call("report", outcomes)
    async with asyncio.timeout(5):
        task = await asking
    assert (task["status"], task["result"]) == ("completed", "b")


async def test_who_begins_to_wait_while_a_report_is_on_its_way_gets_the_result(
    call: Caller, waiting: Waiting, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A get_task that comes after the report and before its commit does not wait in vain."""
    # They look after who waits now and then.
    await Watched.made[0].chores.stop()
    outcomes = await claimed(call, "a", "b")
    begun, go_on = threading.Event(), threading.Event()
    quickly = storage.complete

    def held_up(outcomes: Sequence[Complete], now: int) -> list[bool]:
        begun.set()
        assert go_on.wait(10)
        return quickly(outcomes, now)

    monkeypatch.setattr(storage, "complete", held_up)
    reporting = asyncio.create_task(call("report", outcomes))
    await until(begun.is_set)
    asking = await waiting.get_task("b")
    go_on.set()
    async with asyncio.timeout(5):
        task = await asking
        await reporting
    assert (task["status"], task["result"]) == ("completed", "b")


async def test_outcomes_of_all_kinds_are_answered_in_their_order(call: Caller) -> None:
    """Each answer is in the place of its outcome, whichever way it was stored."""
    done, failing, lost, given_back, last = await claimed(call, "a", "b", "c", "d", "e")
    failing.update(status="failed", error={"type": "E", "message": ""})
    del failing["result"]
    lost["token"] = 1
    given_back["status"] = "queued"
    del given_back["result"]
    answer = await call("report", [done, failing, lost, given_back, last])
    assert [(each["id"], each["ok"]) for each in answer["outcomes"]] == [
        ("a", True),
        ("b", True),
        ("c", False),
        ("d", True),
        ("e", True),
    ]
    assert answer["outcomes"][2]["error"]["code"] == -32002
    statuses = [(await call("get_task", id))["status"] for id in "abcde"]
    assert statuses == ["completed", "queued", "started", "queued", "completed"]
