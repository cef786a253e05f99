"""What only the async client has: cancellation, its event loop, and many calls at once."""

import asyncio
from threading import Lock
from typing import Any

import pytest

from jsonrpc_qm.client.aio import AsyncClient
from jsonrpc_qm.errors import QueueError
from tests.unit.client_stub import TASK, FakeManager, LongPoll, Received, result


async def happens(event: Any) -> None:
    assert await asyncio.to_thread(event.wait, 5)


async def test_cancelling_a_long_poll_closes_its_connection(manager: FakeManager) -> None:
    """The manager sees it go, so it takes no task for it; the next call has another connection."""
    poll = LongPoll()
    manager.will(poll)
    async with AsyncClient(manager.url) as client:
        claiming = asyncio.create_task(client.claim(["a"], wait=55.0))
        await happens(poll.began)
        claiming.cancel()
        with pytest.raises(asyncio.CancelledError):
            await claiming
        await happens(poll.gone)
        assert (await client.get_task("x")).id == TASK["id"]
    assert len(manager.requests) == 2


async def test_close_ends_calls_under_way(manager: FakeManager) -> None:
    """They raise, and the manager sees them go."""
    poll = LongPoll()
    manager.will(poll)
    client = AsyncClient(manager.url)
    claiming = asyncio.create_task(client.claim(["a"], wait=55.0))
    await happens(poll.began)
    await client.close()
    with pytest.raises(QueueError, match="this client is closed"):
        await claiming
    await happens(poll.gone)


async def test_long_polls_hold_up_no_other_call(manager: FakeManager) -> None:
    """However many there are: a heartbeat gets through."""
    polls = [LongPoll() for _ in range(5)]
    manager.will(*polls)
    async with AsyncClient(manager.url, connections=1) as client:
        claims = [asyncio.create_task(client.claim(["a"], wait=55.0)) for _ in polls]
        for poll in polls:
            await happens(poll.began)
        async with asyncio.timeout(5):
            assert (await client.get_task("x")).id == TASK["id"]
        for claim in claims:
            claim.cancel()
        await asyncio.gather(*claims, return_exceptions=True)


async def test_no_more_calls_are_under_way_than_connections_allow(manager: FakeManager) -> None:
    """A thousand calls at once do not open a thousand connections."""
    lock, under_way, most = Lock(), 0, 0

    def watch(handler: Any, received: Received) -> None:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        with lock:
            under_way -= 1
        result(TASK)(handler, received)

    manager.usual = watch
    async with AsyncClient(manager.url, connections=4) as client:
        await asyncio.gather(*(client.get_task("x") for _ in range(200)))
    assert most <= 4
    assert len(manager.requests) == 200
    assert len({received.port for received in manager.requests}) <= 4


def test_a_client_in_another_loop_is_refused(manager: FakeManager) -> None:
    """Its connections belong to the loop that made them."""
    client = AsyncClient(manager.url)
    with asyncio.Runner() as first, asyncio.Runner() as second:
        first.run(client.get_task("x"))
        with pytest.raises(QueueError, match="another event loop"):
            second.run(client.get_task("x"))
        first.run(client.close())
