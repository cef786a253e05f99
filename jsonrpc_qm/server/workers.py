"""Which workers this manager has heard of, so that not every call has to write it down."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from jsonrpc_qm.server.entry import Entry

REMEMBER_SECONDS = 5.0
"""How old the stored `last_seen` of a worker may be."""

MOST_REMEMBERED = 10_000
"""After this many workers the cache starts anew."""


class _Seen(msgspec.Struct):
    stored_at: float
    names: Sequence[str]
    draining: bool = False


class Sightings:
    """Remembers workers; stores a sighting when it is news, or REMEMBER_SECONDS after the last."""

    def __init__(self, store: Callable[[str, Sequence[str]], Entry]) -> None:
        self._store = store
        self._seen: dict[str, _Seen] = {}

    def saw(self, worker: str | None, names: Sequence[str] = ()) -> asyncio.Future[Any] | None:
        """A worker called, asking for these names, or for none in a heartbeat.

        What is done when it has been stored; None when there is no need to.
        """
        if worker is None:
            return None
        now = time.monotonic()
        seen = self._seen.get(worker)
        if seen is not None:
            news = bool(names) and seen.names != names
            if not news and now - seen.stored_at < REMEMBER_SECONDS:
                return None
        elif len(self._seen) >= MOST_REMEMBERED:
            self._seen.clear()
        seen = self._seen.setdefault(worker, _Seen(now, names))
        seen.stored_at = now
        seen.names = names or seen.names
        entry = self._store(worker, seen.names)
        entry.future.add_done_callback(lambda future: self._stored(worker, future))
        return entry.future

    def _stored(self, worker: str, future: "asyncio.Future[list[list[bool]]]") -> None:
        if not future.cancelled() and future.exception() is None and worker in self._seen:
            self._seen[worker].draining = future.result()[0][0]

    def drained(self, worker: str) -> None:
        """An operator asked the worker to finish."""
        if worker in self._seen:
            self._seen[worker].draining = True

    def is_draining(self, worker: str | None) -> bool:
        """Whether the worker is asked to finish; known REMEMBER_SECONDS later when another manager
        was told."""
        seen = self._seen.get(worker) if worker is not None else None
        return seen is not None and seen.draining
