"""Answers `GET /metrics`."""

import asyncio
import logging

import msgspec
from aiohttp import hdrs, web

from jsonrpc_qm.errors import QueueError
from jsonrpc_qm.server.health import Health, Shared
from jsonrpc_qm.server.metrics import Metrics
from jsonrpc_qm.server.service import Service
from jsonrpc_qm.storage.base import NameStats, Storage, WorkerRow

logger = logging.getLogger("jsonrpc_qm.server")

METRICS_PATH = "/metrics"

PATIENCE = 5.0
"""Seconds that the storage has to count its tasks; without it there are metrics all the same."""


class Counts(msgspec.Struct, frozen=True):
    """What the storage says of tasks and workers."""

    now: int
    """The storage's time."""
    names: dict[str, NameStats]
    workers: list[WorkerRow]


def _counts(storage: Storage) -> Counts:
    now = storage.now()
    return Counts(now, storage.stats(now), storage.workers())


class Scrape(msgspec.Struct, frozen=True, kw_only=True):
    """What metrics are made of, at one moment."""

    metrics: Metrics
    counts: Counts | None
    """None while the storage does not say."""
    storage: str
    """What kind it is."""
    ready: bool
    waiting_claims: int


class MetricsEndpoint:
    """Answers `/metrics` for one manager."""

    def __init__(self, service: Service, health: Health) -> None:
        self._service = service
        self._health = health
        self._counts = Shared(lambda: service.read(_counts, service.storage))

    async def __call__(self, request: web.Request) -> web.Response:
        scrape = await self.scrape()
        accept = request.headers.get(hdrs.ACCEPT, "")
        body, kind = await asyncio.to_thread(_text, scrape, accept)
        response = web.Response(body=body, headers={hdrs.CONTENT_TYPE: kind})
        response.enable_compression()
        return response

    async def scrape(self) -> Scrape:
        """All that there is to say now."""
        hindrance, counts = await asyncio.gather(self._health.hindrance(), self._counted())
        return Scrape(
            metrics=self._service.metrics.copy(),
            counts=counts,
            storage=self._service.storage.url.partition(":")[0],
            ready=not hindrance,
            waiting_claims=self._service.waiting_claims,
        )

    async def _counted(self) -> Counts | None:
        try:
            return await self._counts.answer(PATIENCE)
        except (TimeoutError, QueueError) as error:
            logger.warning("metrics without tasks: %s", error or "the storage does not answer")
            return None


def _text(scrape: Scrape, accept: str) -> tuple[bytes, str]:
    # Imported here, in a thread: a manager that nobody scrapes need not wait for the library.
    from jsonrpc_qm.server.metrics_text import text

    return text(scrape, accept)
