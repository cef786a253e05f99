"""Claims that wait, seen from both sides: who sent them, and the manager that holds them."""

import asyncio
from typing import Any

from jsonrpc_qm.server.service import Service
from tests.server.callers import Caller, until


class Watched(Service):
    """A service that remembers itself, so that tests can look at what waits."""

    made: "list[Watched]"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.made.append(self)

    @property
    def parked(self) -> int:
        """How many claims wait, and have asked for tasks before."""
        waiters = {w for group in self._room._by_name.values() for w in group}
        return sum(waiter.resume is not None for waiter in waiters)

    @property
    def watchers(self) -> int:
        """How many callers wait for the end of a task."""
        return sum(len(futures) for futures in self._watch._by_id.values())


class Waiting:
    """Sends calls that wait."""

    def __init__(self, call: Caller, service: Watched) -> None:
        self._call = call
        self._service = service

    @property
    def parked(self) -> int:
        """How many claims wait."""
        return self._service.parked

    @property
    def watchers(self) -> int:
        """How many calls wait for the end of a task."""
        return self._service.watchers

    async def claim(self, *names: str, **params: Any) -> "asyncio.Task[Any]":
        """A claim that is parked when this returns, or answered; by default of one `mail`."""
        before = self.parked
        given = {"names": names or ["mail"], "wait": 30, **params}
        claim = asyncio.create_task(self._call("claim", **given))
        await until(lambda: self.parked > before or claim.done())
        return claim

    async def get_task(self, id: str, wait: float = 30) -> "asyncio.Task[Any]":
        """A call that waits for the end of a task when this returns."""
        before = self.watchers
        call = asyncio.create_task(self._call("get_task", id, wait))
        await until(lambda: self.watchers > before)
        return call
