"""/health says that the manager lives, /ready that it can serve."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from jsonrpc_qm.errors import Unavailable
from jsonrpc_qm.record import Record
from jsonrpc_qm.server import health
from jsonrpc_qm.storage.memory import MemoryStorage
from tests.server.callers import Caller, until
from tests.server.metrics import scrape
from tests.server.waiting import Waiting, Watched


async def status(call: Caller, path: str) -> tuple[int, dict[str, str]]:
    """The status and what comes with it."""
    async with call.session.get(call.url + path) as response:
        return response.status, await response.json()


async def test_a_manager_is_alive_and_ready(call: Caller) -> None:
    """On every storage; checking changes nothing."""
    assert await status(call, "/health") == (200, {"status": "alive"})
    assert await status(call, "/ready") == (200, {"status": "ready"})
    assert (await call("stats"))["names"] == {}
    assert (await scrape(call)).value("ready") == 1


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics"])
async def test_they_are_only_read(call: Caller, path: str) -> None:
    """GET and HEAD."""
    async with call.session.head(call.url + path) as response:
        assert response.status == 200
    async with call.session.post(call.url + path) as response:
        assert response.status == 405


class Sick(MemoryStorage):
    """A storage that fails or hangs when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.fails = False
        self.well = threading.Event()
        self.well.set()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Like its reads."""
        self._suffer()
        with super().transaction():
            yield

    def get(self, ids: object) -> list[Record | None]:
        """After a while, or not at all."""
        self.asked += 1
        self._suffer()
        return [None]

    def _suffer(self) -> None:
        self.well.wait(30)
        if self.fails:
            raise Unavailable.of("it is away")


class TestWithASickStorage:
    """What happens while the storage can't be used."""

    @pytest.fixture
    def storage(self) -> Iterator[Sick]:
        """It is well at the end, so that the manager can stop."""
        storage = Sick()
        yield storage
        storage.well.set()

    async def test_a_failing_storage_is_not_ready(self, call: Caller, storage: Sick) -> None:
        """But the manager is alive, and ready again when the storage is."""
        storage.fails = True
        assert (await status(call, "/health"))[0] == 200
        expected = {"status": "unavailable", "reason": "the storage can't be used"}
        assert await status(call, "/ready") == (503, expected)
        scraped = await scrape(call)
        assert scraped.value("ready") == 0
        assert scraped.value("storage_errors_total", tried="write") != 0
        storage.fails = False
        assert (await status(call, "/ready"))[0] == 200

    async def test_a_hanging_storage_is_not_ready_soon(
        self, call: Caller, waiting: Waiting, storage: Sick, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Checks do not pile up: it is asked once, however often somebody wants to know."""
        monkeypatch.setattr(health, "PATIENCE", 0.1)
        service = Watched.made[0]
        reading = asyncio.ensure_future(service.probe())
        await reading
        asked, threads = storage.asked, threading.active_count()
        hanging = threading.Event()
        monkeypatch.setattr(storage, "well", hanging)
        expected = {"status": "unavailable", "reason": "the storage does not answer"}
        for _ in range(5):
            assert await status(call, "/ready") == (503, expected)
            assert (await status(call, "/health"))[0] == 200
        assert threading.active_count() <= threads
        hanging.set()
        await until(lambda: storage.asked > asked)
        assert (await status(call, "/ready"))[0] == 200
        assert storage.asked <= asked + 2


async def test_a_manager_that_stops_is_not_ready(call: Caller, waiting: Waiting) -> None:
    """Connections that it still has hear so."""
    Watched.made[0].stop_waiting()
    expected = {"status": "unavailable", "reason": "the manager is stopping"}
    assert await status(call, "/ready") == (503, expected)
    assert (await status(call, "/health"))[0] == 200
