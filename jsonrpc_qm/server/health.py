"""Whether the manager lives, and whether it can serve: for whoever restarts or routes to it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from aiohttp import web

from jsonrpc_qm.errors import QueueError
from jsonrpc_qm.server.service import Service

T = TypeVar("T")

HEALTH_PATH = "/health"
READY_PATH = "/ready"

PATIENCE = 2.0
"""Seconds that the storage has to answer a check."""


class Shared(Generic[T]):
    """Asks something slow, once for all that want to know at the same time.

    What does not answer is not asked again before it has: checks do not pile up.
    """

    def __init__(self, ask: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._ask = ask
        self._asking: asyncio.Task[T] | None = None

    async def answer(self, seconds: float) -> T:
        """The answer.

        Raises:
            TimeoutError: there is none yet.
        """
        if self._asking is None or self._asking.done():
            self._asking = asyncio.get_running_loop().create_task(self._ask())
            # Nobody may be left to hear of its failure.
            self._asking.add_done_callback(lambda asked: asked.cancelled() or asked.exception())
        async with asyncio.timeout(seconds):
            return await asyncio.shield(self._asking)


class Health:
    """Answers `/health` and `/ready`."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._probe = Shared(service.probe)

    async def hindrance(self) -> str:
        """Why the manager can't serve; empty when it can."""
        if self._service.stopping:
            return "the manager is stopping"
        try:
            await self._probe.answer(PATIENCE)
        except TimeoutError:
            return "the storage does not answer"
        except QueueError:
            return "the storage can't be used"
        return ""

    async def health(self, request: web.Request) -> web.Response:
        """200 as long as the process answers at all; the storage is not asked."""
        return web.json_response({"status": "alive"})

    async def ready(self, request: web.Request) -> web.Response:
        """200 when calls can be served, else 503 and why."""
        if reason := await self.hindrance():
            return web.json_response({"status": "unavailable", "reason": reason}, status=503)
        return web.json_response({"status": "ready"})
