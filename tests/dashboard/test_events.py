"""The stream that says when something has changed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import aiohttp
import pytest

from jsonrpc_qm.server import events
from jsonrpc_qm.server import running as start_up
from jsonrpc_qm.server.running import Settings, running
from jsonrpc_qm.server.service import Service
from jsonrpc_qm.storage.base import News
from jsonrpc_qm.storage.memory import MemoryStorage
from tests.server.callers import Caller, until


class Stream:
    """What a page hears."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def line(self) -> str:
        """The next line that is not empty."""
        async with asyncio.timeout(5):
            while not (line := (await self.response.content.readline()).decode().strip()):
                assert not self.response.content.at_eof()
        return line

    async def is_told(self) -> bool:
        """Whether the next thing is that something has changed."""
        return await self.line() == "event: changed" and await self.line() == "data: {}"

    async def is_silent(self) -> bool:
        """Whether nothing comes for a while."""
        try:
            async with asyncio.timeout(0.4):
                while not (await self.response.content.readline()).strip():
                    pass
                return False
        except TimeoutError:
            return True


OpenStream = Callable[[], AbstractAsyncContextManager[Stream]]


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> list[Service]:
    """The services that are made."""
    made: list[Service] = []

    class Kept(Service):
        def start(self) -> None:
            made.append(self)
            super().start()

    monkeypatch.setattr(start_up, "Service", Kept)
    monkeypatch.setattr(events, "PAUSE", 0.01)
    return made


@pytest.fixture
async def call(services: list[Service]) -> AsyncIterator[Caller]:
    """Calls a fresh manager."""
    async with (
        running(MemoryStorage(), Settings(port=0)) as url,
        aiohttp.ClientSession() as session,
    ):
        yield Caller(session, url)


@pytest.fixture
def stream(call: Caller) -> OpenStream:
    """Opens a stream, which begins with a comment."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Stream]:
        async with call.session.get(call.url + "/events") as response:
            assert response.status == 200
            assert response.headers["Content-Type"] == "text/event-stream"
            found = Stream(response)
            assert (await found.line()).startswith(":")
            yield found

    return opened


async def test_a_page_is_told_of_each_change(call: Caller, stream: OpenStream) -> None:
    """Queued, claimed, completed, paused."""
    async with stream() as page:
        await call("queue", "hello")
        assert await page.is_told()
        (task,) = await call("claim", ["hello"])
        assert await page.is_told()
        await call("complete", task["id"], task["token"], 1)
        assert await page.is_told()
        await call("pause", "hello")
        assert await page.is_told()


async def test_what_changes_nothing_is_not_told(call: Caller, stream: OpenStream) -> None:
    """Reads, and claims that find nothing."""
    async with stream() as page:
        assert await call("claim", names=["hello"], wait=0) == []
        await call("stats")
        await call("list_tasks")
        assert await page.is_silent()


async def test_many_changes_are_told_by_few_events(
    call: Caller, stream: OpenStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an event comes a pause, and then one for all that has changed meanwhile."""
    monkeypatch.setattr(events, "PAUSE", 0.3)
    async with stream() as page:
        for _ in range(30):
            await call("queue", "hello")
        assert await page.is_told()
        assert await page.is_told()
        assert await page.is_silent()


async def test_news_of_other_managers_and_processes_are_told(
    services: list[Service], stream: OpenStream
) -> None:
    """Those that share the storage."""
    async with stream() as page:
        services[0]._heard(News(due={"hello": 1}))
        assert await page.is_told()
        services[0]._foreign()
        assert await page.is_told()


async def test_a_page_that_has_gone_costs_nothing(
    services: list[Service], stream: OpenStream
) -> None:
    """Nobody observes the service any more."""
    async with stream():
        assert len(services[0].observers) == 1
    await until(lambda: not services[0].observers)


async def test_comments_keep_the_connection_alive(
    stream: OpenStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proxies close what is silent for too long."""
    monkeypatch.setattr(events, "SILENCE", 0.05)
    async with stream() as page:
        assert await page.line() == ": nothing new"


async def test_streams_are_limited(
    call: Caller, stream: OpenStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One more is refused, and told when to come back."""
    monkeypatch.setattr(events, "MOST_STREAMS", 1)
    async with stream(), call.session.get(call.url + "/events") as refused:
        assert (refused.status, refused.headers["Retry-After"]) == (503, "5")


async def test_streams_end_when_the_manager_stops(services: list[Service]) -> None:
    """It does not wait for them."""
    async with aiohttp.ClientSession() as session:
        async with running(MemoryStorage(), Settings(port=0)) as url:
            response = await session.get(url + "/events")
            page = Stream(response)
            await page.line()
            began = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - began < start_up.STOP_SECONDS
        assert await response.content.read() == b"\n"
