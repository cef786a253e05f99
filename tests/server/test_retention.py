"""Finished tasks are forgotten after a while, a few at a time, and nothing else is."""

import asyncio
from typing import Any

import aiohttp
import pytest

from jsonrpc_qm.server import chores
from jsonrpc_qm.server.running import Settings, running
from jsonrpc_qm.storage.base import Storage
from tests.server.callers import Caller

ERROR = {"type": "E", "message": "m"}
ALL = {"completed", "failed", "cancelled", "queued", "scheduled", "started"}


async def one_of_each(call: Caller) -> None:
    """A task in each state, with the state as its id."""
    for id in ("completed", "failed", "cancelled", "started", "queued"):
        await call("queue", name=id, id=id)
    await call("queue", name="scheduled", id="scheduled", delay=3600)
    await call("cancel", "cancelled")
    names = ["completed", "failed", "started"]
    tokens = {t["id"]: t["token"] for t in await call("claim", names, None, 3, 0)}
    await call("complete", "completed", tokens["completed"])
    await call("fail", "failed", tokens["failed"], ERROR, False)


async def ids(call: Caller) -> set[str]:
    """The ids of all tasks."""
    return {task["id"] for task in (await call("list_tasks", limit=1000))["tasks"]}


async def left(call: Caller, expected: set[str]) -> None:
    """Wait until these tasks are there and no others."""
    async with asyncio.timeout(10):
        while await ids(call) != expected:
            await asyncio.sleep(0.01)


async def restarted(storage: Storage, expected: set[str], **keep: Any) -> None:
    """Have another manager on the storage forget what it has kept too long."""
    async with (
        running(storage, Settings(port=0, **keep)) as url,
        aiohttp.ClientSession() as session,
    ):
        await left(Caller(session, url), expected)


class TestByDefault:
    """Seven days for completed tasks, thirty for failed and cancelled ones."""

    async def test_nothing_goes_soon(self, call: Caller, storage: Storage) -> None:
        """A manager that starts again finds all there, and forgets what is a month old."""
        await one_of_each(call)
        await restarted(storage, ALL)
        day = 86400.0
        assert (Settings().keep_completed, Settings().keep_failed) == (7 * day, 30 * day)


class TestKeepingForNoTime:
    """A manager that forgets at once, on tasks that another one has kept."""

    async def test_completed_tasks_have_their_own_time(
        self, call: Caller, storage: Storage
    ) -> None:
        """keep_completed=0 leaves failed and cancelled ones."""
        await one_of_each(call)
        await restarted(storage, ALL - {"completed"}, keep_completed=0.0)

    async def test_failed_and_cancelled_tasks_share_theirs(
        self, call: Caller, storage: Storage
    ) -> None:
        """keep_failed=0 leaves completed ones."""
        await one_of_each(call)
        await restarted(storage, ALL - {"failed", "cancelled"}, keep_failed=0.0)

    async def test_unfinished_tasks_stay(self, call: Caller, storage: Storage) -> None:
        """Whatever the times are."""
        await one_of_each(call)
        unfinished = {"queued", "scheduled", "started"}
        await restarted(storage, unfinished, keep_completed=0.0, keep_failed=0.0)

    async def test_none_keeps_for_ever(self, call: Caller, storage: Storage) -> None:
        """Not a second is counted."""
        await one_of_each(call)
        await restarted(storage, ALL - {"completed"}, keep_completed=0.0, keep_failed=None)

    async def test_many_go_in_several_batches(self, call: Caller, storage: Storage) -> None:
        """More than one transaction deletes, and still all."""
        await call("queue_many", [{"name": "mail"}] * 1100)
        for _ in range(2):
            claimed = await call("claim", ["mail"], None, 1000, 0)
            outcomes = [
                {"id": task["id"], "token": task["token"], "status": "completed"}
                for task in claimed
            ]
            await call("report", outcomes)
        await call("queue", name="mail", id="a")
        await restarted(storage, {"a"}, keep_completed=0.0)


class TestWhileItRuns:
    """A manager that keeps completed tasks for a second, and looks often."""

    @pytest.fixture
    def settings(self, monkeypatch: pytest.MonkeyPatch) -> Settings:
        """A second for completed tasks."""
        monkeypatch.setattr(chores, "PRUNE_EVERY", 0.05)
        return Settings(port=0, keep_completed=1.0)

    async def test_tasks_go_when_their_time_is_over(self, call: Caller) -> None:
        """Not before, and one after the other."""
        await one_of_each(call)
        assert "completed" in await ids(call)
        await left(call, ALL - {"completed"})
        await call("retry", "failed")
        [held] = await call("claim", ["failed"], None, 1, 0)
        await call("complete", "failed", held["token"])
        assert "failed" in await ids(call)
        await left(call, ALL - {"completed", "failed"})
