"""What a manager does not take on, and how it says so."""

import asyncio
from collections import Counter

import pytest

from jsonrpc_qm.client import calls
from jsonrpc_qm.client.retrying import Retrying
from jsonrpc_qm.errors import TooLarge, Unavailable
from jsonrpc_qm.server.limits import Limits, QueueLimits, Share
from jsonrpc_qm.server.running import Settings
from jsonrpc_qm.storage.base import NameStats, Storage
from jsonrpc_qm.storage.memory import MemoryStorage
from tests.server.callers import Caller, Refused
from tests.server.waiting import Waiting


@pytest.fixture
def storage() -> Storage:
    """Limits do not care where tasks are."""
    return MemoryStorage()


async def sent_away(call: Caller, method: str, *args: object) -> float:
    """The seconds after which a call that is Unavailable is to come back."""
    with pytest.raises(Refused) as refusal:
        await call(method, *args)
    assert (refusal.value.code, refusal.value.message) == (-32006, "Unavailable")
    after: float = refusal.value.data["retry_after"]
    return after


class TestQueuedTasks:
    """--max-queued and --max-queued-per-name."""

    @pytest.fixture
    def settings(self) -> Settings:
        """Three of a name, five in all."""
        return Settings(port=0, max_queued=5, max_queued_per_name=3)

    async def test_a_name_may_have_so_many(self, call: Caller) -> None:
        """The others go on; scheduled ones count; what is claimed makes room."""
        await call("queue", "a")
        await call("queue_many", [{"name": "a", "delay": 60}, {"name": "a"}])
        assert await sent_away(call, "queue", "a") > 0
        assert await sent_away(call, "queue_many", [{"name": "b"}, {"name": "a"}]) > 0
        await call("queue", "b")
        assert (await call("stats"))["names"]["a"]["queued"] == 2
        await call("claim", ["a"], None, 1, 0)
        await asyncio.sleep(0.06)
        await call("queue", "a")
        assert await sent_away(call, "queue", "a") > 0

    async def test_all_names_together_may_have_so_many(self, call: Caller) -> None:
        """Whatever each has."""
        await call("queue_many", [{"name": name} for name in "aabbc"])
        assert await sent_away(call, "queue", "d") > 0

    async def test_more_than_ever_fit_are_too_large(self, call: Caller) -> None:
        """Trying again would not help."""
        for names, limit in [("aaaa", 3), ("aabbcc", 5)]:
            with pytest.raises(Refused) as refusal:
                await call("queue_many", [{"name": name} for name in names])
            assert refusal.value.code == -32005
            assert refusal.value.data == {"limit": limit, "size": len(names)}

    async def test_outcomes_are_always_taken(self, call: Caller) -> None:
        """A full queue holds no worker up: results, follow-up tasks, released and retried ones."""
        tasks = await call("queue_many", [{"name": "a"}] * 3)
        await call("queue_many", [{"name": "b"}] * 2)
        held = await call("claim", ["a"], None, 3, 0)
        await asyncio.sleep(0.06)
        await call("queue_many", [{"name": "c"}] * 3)
        follow = [{"name": "b"}] * 9
        await call("complete", held[0]["id"], held[0]["token"], None, follow)
        await call("release", held[1]["id"], held[1]["token"])
        await call("cancel", tasks[1]["id"])
        await call("retry", tasks[1]["id"])
        assert (await call("stats"))["names"]["b"]["queued"] == 11

    async def test_many_at_once_do_not_slip_through(self, call: Caller) -> None:
        """What is on its way counts."""
        answers = await asyncio.gather(
            *(call("queue", "a") for _ in range(50)), return_exceptions=True
        )
        assert sum(isinstance(answer, dict) for answer in answers) == 3


class Counts:
    """A storage's counts, and how often they were asked for."""

    def __init__(self, **queued: int) -> None:
        self.queued = queued
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.time = 0.0

    async def stats(self) -> dict[str, NameStats]:
        self.asked += 1
        found = {name: NameStats(queued=number) for name, number in self.queued.items()}
        await self.gate.wait()
        return found

    def limits(self, **limits: int) -> QueueLimits:
        return QueueLimits(Limits(**limits), self.stats, lambda: self.time)


async def add(limits: QueueLimits, name: str, number: int = 1) -> bool:
    """Whether there was room."""
    try:
        async with limits.room_for(Counter({name: number}), "tasks"):
            return True
    except Unavailable:
        return False


async def test_the_storage_is_not_asked_by_each_call() -> None:
    """Once a second, and when it matters."""
    counts = Counts(a=0)
    limits = counts.limits(max_queued=100)
    for _ in range(100):
        assert await add(limits, "a")
    assert counts.asked == 1
    assert not await add(limits, "a")
    assert counts.asked == 1  # it was read this very moment
    counts.time = 0.06
    counts.queued = {"a": 99}
    assert await add(limits, "a")
    assert counts.asked == 2
    counts.time = 1.2
    counts.queued = {"a": 0}
    assert await add(limits, "a")
    assert counts.asked == 3


async def test_what_is_added_while_the_count_is_read_is_not_forgotten() -> None:
    """The count may have been taken before it was stored."""
    counts = Counts(a=0)
    limits = counts.limits(max_queued_per_name=10)
    async with limits.room_for(Counter(a=4), "tasks"):
        counts.time = 2.0
        counts.gate.clear()
        other = asyncio.create_task(add(limits, "a", 3))
        await asyncio.sleep(0)
        counts.gate.set()
        assert await other
        # 4 are on their way, and 3 were added since: the storage says 0.
        assert not await add(limits, "a", 4)
        assert await add(limits, "a", 3)


async def test_a_call_that_failed_takes_no_room_for_long() -> None:
    """The next count does not have it."""
    counts = Counts()
    limits = counts.limits(max_queued=1)
    with pytest.raises(ZeroDivisionError):
        async with limits.room_for(Counter(a=1), "tasks"):
            raise ZeroDivisionError
    counts.time = 0.06
    assert await add(limits, "a")


async def test_too_many_at_once_name_the_list() -> None:
    """As every list over its limit does."""
    with pytest.raises(TooLarge, match="tasks is 3, the limit is 2"):
        async with Counts().limits(max_queued=2).room_for(Counter(a=3), "tasks"):
            raise AssertionError


class TestWaitingCalls:
    """--max-waiting-claims and --max-waiting-per-client."""

    @pytest.fixture
    def settings(self) -> Settings:
        """Two of one address."""
        return Settings(port=0, max_waiting_per_client=2)

    async def test_so_many_may_wait(self, call: Caller, waiting: Waiting) -> None:
        """Claims and get_task together; one that does not wait is no burden."""
        claim = await waiting.claim("none")
        task = await call("queue", "a")
        watch = await waiting.get_task(task["id"])
        assert await sent_away(call, "claim", ["none"]) > 0
        assert await sent_away(call, "get_task", task["id"], 10) > 0
        assert await call("get_task", task["id"]) == task
        [held] = await call("claim", ["a"], None, 1, 0)
        await call("complete", held["id"], held["token"])
        assert (await watch)["status"] == "completed"
        again = await waiting.claim("none")
        claim.cancel()
        again.cancel()

    async def test_who_has_gone_makes_room(self, call: Caller, waiting: Waiting) -> None:
        """A claim that hung up waits no longer."""
        claims = [await waiting.claim("none") for _ in range(2)]
        claims[0].cancel()
        async with asyncio.timeout(5):
            while waiting.parked > 1:
                await asyncio.sleep(0.005)
        third = await waiting.claim("none")
        assert not third.done()
        for claim in (*claims, third):
            claim.cancel()


def test_a_share_is_of_each_and_of_all() -> None:
    """One client leaves room for the others."""
    share = Share(3, 2)
    for client in "aa":
        assert share.has_room(client)
        share.take(client)
    assert not share.has_room("a")
    with (
        share.one("b", "calls"),
        pytest.raises(Unavailable, match="too many calls"),
        share.one("c", "calls"),
    ):
        raise AssertionError
    assert share.has_room("c")
    share.give_back("a")
    assert share.has_room("a")


def test_clients_come_back_when_they_are_asked_to() -> None:
    """Not before, and not at all when that is later than they may."""
    refusal = Unavailable.of("5 tasks are queued, which is the limit", retry_after=1.0)
    pause = Retrying(calls.queue("a", None), 30.0).pause(refusal, 0.0)
    assert pause is not None
    assert pause >= 1.0
    assert Retrying(calls.queue("a", None), 0.5).pause(refusal, 0.0) is None
