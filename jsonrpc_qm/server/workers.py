"""Which workers this manager has heard of, so that not every call has to write it down."""

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec

from jsonrpc_qm.server import patience
from jsonrpc_qm.server.entry import Entry

REMEMBER_SECONDS = 5.0
"""How old the stored `last_seen` of a worker may be."""

MOST_REMEMBERED = 10_000
"""After this many workers the cache starts anew."""

FRESH_SECONDS = 0.1
"""For how long after a sighting it is taken for known whether the worker is asked to drain."""


class _Seen(msgspec.Struct):
    stored_at: float
    names: Sequence[str]
    drained_at: float | None = None
    """When this manager last heard that the worker is asked to drain; None if it isn't."""


class Sightings:
    """Remembers workers; stores a sighting when it is news, or REMEMBER_SECONDS after the last.

    `drained` is called with a worker whenever it is heard that it is asked to drain.
    """

    def __init__(
        self, store: Callable[[str, Sequence[str]], Entry], drained: Callable[[str], None]
    ) -> None:
        self._store = store
        self._drained = drained
        self._seen: dict[str, _Seen] = {}

    def saw(self, worker: str | None, names: Sequence[str] = ()) -> asyncio.Future[Any] | None:
        """A worker called, asking for these names, or for none in a heartbeat, which is always
        stored: only that tells for sure whether it is asked to drain.

        What is done when it has been stored; None when there is no need to.
        """
        if worker is None:
            return None
        now = time.monotonic()
        seen = self._seen.get(worker)
        if seen is not None:
            if names and seen.names == names and now - seen.stored_at < REMEMBER_SECONDS:
                return None
        elif len(self._seen) >= MOST_REMEMBERED:
            self._seen.clear()
        seen = self._seen.setdefault(worker, _Seen(now, names))
        seen.stored_at = now
        seen.names = names or seen.names
        entry = self._store(worker, seen.names)
        entry.future.add_done_callback(partial(self._stored, worker, now))
        return entry.future

    def _stored(
        self, worker: str, began: float, future: "asyncio.Future[list[list[bool]]]"
    ) -> None:
        if future.cancelled() or future.exception() is not None:
            return
        seen = self._seen.get(worker)
        if future.result()[0][0]:
            self.drained(worker)
        elif seen is not None and seen.drained_at is not None and seen.drained_at < began:
            # It starts anew. An answer that may be from before a drain does not undo that.
            seen.drained_at = None

    def drained(self, worker: str) -> None:
        """The worker is asked to finish."""
        if worker in self._seen:
            self._seen[worker].drained_at = time.monotonic()
        self._drained(worker)

    def is_draining(self, worker: str | None) -> bool:
        """Whether the worker is asked to finish, as far as is known here."""
        seen = self._seen.get(worker) if worker is not None else None
        return seen is not None and seen.drained_at is not None

    async def still_drains(self, worker: str | None, stored: "asyncio.Future[Any] | None") -> bool:
        """The same of a worker that has just been seen, `stored` when that is: one that was gone
        for long starts anew."""
        if stored is not None and self.is_draining(worker):
            await asyncio.wait({stored}, timeout=patience.PATIENCE)
        return self.is_draining(worker)

    def is_fresh(self, worker: str | None) -> bool:
        """Whether a sighting has just told whether the worker is asked to drain."""
        seen = self._seen.get(worker) if worker is not None else None
        return seen is not None and time.monotonic() - seen.stored_at < FRESH_SECONDS
