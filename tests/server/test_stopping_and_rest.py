"""A manager that has nothing to do does nothing, and one that stops lets nobody hang."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
import pytest

from jsonrpc_qm.server import running as start_up
from jsonrpc_qm.server.chores import LONGEST_SLEEP
from jsonrpc_qm.server.running import Settings, running
from jsonrpc_qm.storage.base import Storage
from jsonrpc_qm.storage.memory import MemoryStorage
from tests.server.callers import Caller
from tests.server.waiting import Waiting, Watched


async def test_a_manager_that_stops_answers_who_waits(
    storage: Storage, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Claims with nothing, get_task with what is there; and it does not take long."""
    monkeypatch.setattr(Watched, "made", [], raising=False)
    monkeypatch.setattr(start_up, "Service", Watched)
    async with aiohttp.ClientSession() as session:
        async with running(storage, settings) as url:
            call = Caller(session, url)
            waiting = Waiting(call, Watched.made[0])
            await call("queue", name="other", id="a")
            claims = [await waiting.claim() for _ in range(10)]
            wait = await waiting.get_task("a")
            began = time.monotonic()
        assert time.monotonic() - began < 1.5
        assert [await claim for claim in claims] == [[]] * 10
        assert (await wait)["status"] == "queued"


class Counting(MemoryStorage):
    """A storage that counts what it is asked to do."""

    def __init__(self) -> None:
        super().__init__()
        self.transactions = 0

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.transactions += 1
        with super().transaction():
            yield


class TestAtRest:
    """A manager with tasks that are not due and claims that wait."""

    @pytest.fixture
    def storage(self) -> Counting:
        """A storage that counts."""
        return Counting()

    async def test_it_does_not_spin(
        self, call: Caller, waiting: Waiting, storage: Counting
    ) -> None:
        """200 claims wait: a sweep now and then, and next to no processor time."""
        await call("queue_many", [{"name": "mail", "delay": 3600} for _ in range(100)])
        claims = [await waiting.claim("mail", "other") for _ in range(200)]
        before, busy = storage.transactions, time.process_time()
        seconds = 2.0
        await asyncio.sleep(seconds)
        assert storage.transactions - before <= seconds / LONGEST_SLEEP + 1
        assert time.process_time() - busy < 0.1 * seconds
        assert waiting.parked == 200
        for claim in claims:
            claim.cancel()
        await asyncio.gather(*claims, return_exceptions=True)
