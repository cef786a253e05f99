"""Workers that are asked to drain: what they hear, and that they are in nobody's way."""

import asyncio
from typing import Any

import pytest

from jsonrpc_qm.server import chores, workers
from jsonrpc_qm.storage import memory
from jsonrpc_qm.storage.base import News, Storage
from tests.server.callers import Caller
from tests.server.waiting import Waiting, Watched


@pytest.fixture
def sweeps_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without this a sweep a second would find what nobody was woken for."""
    monkeypatch.setattr(chores, "LONGEST_SLEEP", 600.0)


async def see(call: Caller, *names: str) -> None:
    """Have workers call the manager."""
    for name in names:
        await call("claim", ["mail"], name, 1, 0)


def drain_elsewhere(storage: Storage, worker: str) -> None:
    """Ask a worker to drain as another manager does, which tells nobody."""
    with storage.transaction():
        assert storage.drain(worker, storage.now())


async def drained_beside_another(
    call: Caller, waiting: Waiting, storage: Storage
) -> "tuple[asyncio.Task[Any], asyncio.Task[Any]]":
    """The waiting claims of a worker that was drained elsewhere, and of another one behind it."""
    await see(call, "w")
    claims = await waiting.claim(worker="w"), await waiting.claim(worker="v")
    drain_elsewhere(storage, "w")
    return claims


async def soon(claim: "asyncio.Task[Any] | Any") -> Any:
    """What is answered long before the wait of a claim is over."""
    async with asyncio.timeout(5):
        return await claim


@pytest.mark.usefixtures("sweeps_seldom")
async def test_a_claim_of_a_drained_worker_does_not_wait(call: Caller) -> None:
    """However often it asks."""
    await see(call, "w")
    await call("drain", "w")
    for _ in range(3):
        assert await soon(call("claim", ["mail"], "w", 1, 30)) == []


@pytest.mark.usefixtures("sweeps_seldom")
async def test_a_drained_worker_keeps_nothing_from_others(call: Caller, waiting: Waiting) -> None:
    """The task goes to who may have it, though the drained one has asked before."""
    await see(call, "w")
    await call("drain", "w")
    drained = await waiting.claim(worker="w")
    other = await waiting.claim(worker="v")
    await call("queue", "mail")
    assert len(await soon(other)) == 1
    assert await soon(drained) == []


@pytest.mark.usefixtures("sweeps_seldom")
async def test_a_claim_waits_no_more_when_its_worker_is_drained_while_it_asks(
    call: Caller, waiting: Waiting
) -> None:
    """There is no moment at which a drain is missed."""
    for number in range(20):
        worker = f"w{number}"
        await see(call, worker)
        claim = asyncio.create_task(call("claim", ["mail"], worker, 1, 30))
        await asyncio.sleep(0.0002 * number)
        await call("drain", worker)
        assert await soon(claim) == []
    assert waiting.parked == 0


@pytest.mark.usefixtures("sweeps_seldom")
async def test_a_drain_that_another_manager_tells_of_ends_claims(
    call: Caller, waiting: Waiting, storage: Storage
) -> None:
    """And those to come, and the next heartbeat hears of it."""
    drained, other = await drained_beside_another(call, waiting, storage)
    Watched.made[0]._heard(News(drained=["w", "unknown"]))
    assert await soon(drained) == []
    assert await soon(call("claim", ["mail"], "w", 1, 30)) == []
    assert (await call("heartbeat", [], "w"))["drain"]
    await call("queue", "mail")
    assert len(await soon(other)) == 1


@pytest.mark.usefixtures("sweeps_seldom")
async def test_a_manager_looks_for_drains_when_it_is_told_to_look(
    call: Caller, waiting: Waiting, storage: Storage
) -> None:
    """There was more than one message holds, or it may have missed some."""
    drained, other = await drained_beside_another(call, waiting, storage)
    await asyncio.sleep(1)
    Watched.made[0]._heard(News(more=True))
    assert await soon(drained) == []
    await call("queue", "mail")
    assert len(await soon(other)) == 1


async def test_a_drain_that_nobody_tells_of_is_heard_of(call: Caller, storage: Storage) -> None:
    """By the next heartbeat, and by a claim."""
    await see(call, "w", "v")
    drain_elsewhere(storage, "w")
    drain_elsewhere(storage, "v")
    assert (await call("heartbeat", [], "w"))["drain"]
    assert await soon(call("claim", ["mail"], "w", 1, 30)) == []
    if storage.shared:
        # As long after the last sighting as claims are answered by it.
        await asyncio.sleep(2 * workers.FRESH_SECONDS)
        assert await soon(call("claim", ["mail"], "v", 1, 30)) == []


@pytest.mark.parametrize("storage", ["sqlite", "postgresql"], indirect=True)
async def test_a_drained_worker_is_in_nobodys_way_though_nobody_tells(
    call: Caller, waiting: Waiting, storage: Storage
) -> None:
    """It gets nothing when it is woken, so the manager looks whether it drains."""
    drained, other = await drained_beside_another(call, waiting, storage)
    await call("queue", "mail")
    assert len(await soon(other)) == 1
    assert await soon(drained) == []


@pytest.mark.parametrize("storage", ["memory"], indirect=True)
async def test_a_drained_worker_that_was_gone_starts_anew(
    call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes by its name later has its tasks at once."""
    await see(call, "w")
    await call("drain", "w")
    await call("queue", "mail")
    monkeypatch.setattr(workers, "REMEMBER_SECONDS", 0.0)
    monkeypatch.setattr(memory, "WORKER_GONE", 0)
    assert len(await soon(call("claim", ["mail"], "w", 1, 30))) == 1
    assert not (await call("heartbeat", [], "w"))["drain"]
