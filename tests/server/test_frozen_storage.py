"""A storage that neither answers nor fails: a connection into which everything vanishes."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from jsonrpc_qm.errors import QueueError
from jsonrpc_qm.record import Record
from jsonrpc_qm.server import patience
from jsonrpc_qm.storage.base import Claim, Storage
from jsonrpc_qm.storage.memory import MemoryStorage
from tests.server.callers import Caller, Refused

SOON = 0.3
"""The patience of these tests, in seconds."""


class Freezing(MemoryStorage):
    """One that stands still while it is frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.thawed = threading.Event()
        self.thawed.set()
        self.stands_still = threading.Event()

    def _wait(self) -> None:
        if not self.thawed.is_set():
            self.stands_still.set()
            self.thawed.wait(20)

    def add(self, groups: Sequence[Sequence[Record]], now: int) -> list[list[Record] | QueueError]:
        self._wait()
        return super().add(groups, now)

    def claim(self, claims: Sequence[Claim], now: int) -> list[list[Record]]:
        self._wait()
        return super().claim(claims, now)

    def get(self, ids: Sequence[str]) -> list[Record | None]:
        self._wait()
        return super().get(ids)

    def close(self) -> None:
        self.thawed.set()
        super().close()


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> Storage:
    """One that tests may freeze."""
    monkeypatch.setattr(patience, "PATIENCE", SOON)
    return Freezing()


async def refused(call: Caller, method: str, *params: object) -> dict[str, object]:
    """The data of the error that a call is answered with, before long."""
    async with asyncio.timeout(20 * SOON):
        with pytest.raises(Refused) as found:
            await call(method, *params)
    assert found.value.code == -32006
    data: dict[str, object] = found.value.data
    return data


async def test_calls_are_answered_though_the_storage_is_not(
    call: Caller, storage: Freezing
) -> None:
    """Each as Unavailable, and as one whose answer was lost; they do not wait for one another."""
    await call("queue", name="mail", id="a")
    storage.thawed.clear()
    calls = [
        ("queue", "mail"),
        ("get_task", "a"),
        ("get_task", "a"),
        ("claim", ["mail"], "w", 1, 9),
    ]
    answers = await asyncio.gather(*(refused(call, *each) for each in calls))
    assert all(data["answer_lost"] for data in answers)
    storage.thawed.set()
    assert (await call("get_task", "a"))["id"] == "a"


async def test_what_was_not_begun_is_withdrawn(call: Caller, storage: Freezing) -> None:
    """And what was under way is done, or given back, when the storage goes on."""
    storage.thawed.clear()
    under_way = asyncio.ensure_future(refused(call, "queue", "mail"))
    while not storage.stands_still.is_set():
        await asyncio.sleep(0.001)
    await asyncio.gather(*(refused(call, "queue", "post") for _ in range(3)), under_way)
    storage.thawed.set()
    await call("queue", "last")
    names = (await call("stats"))["names"]
    assert (names["mail"]["queued"], names["last"]["queued"]) == (1, 1)
    assert "post" not in names


async def test_a_claim_that_is_late_is_given_back(call: Caller, storage: Freezing) -> None:
    """Nobody holds its task, and it counts as no attempt."""
    await call("queue", name="mail", id="a")
    storage.thawed.clear()
    await refused(call, "claim", ["mail"], "w", 1, 0)
    storage.thawed.set()
    async with asyncio.timeout(5):
        while (await call("get_task", "a"))["status"] != "queued":
            await asyncio.sleep(0.01)
    assert (await call("get_task", "a"))["attempts"] == 0
    [task] = await call("claim", ["mail"], "w", 1, 0)
    assert task["id"] == "a"
