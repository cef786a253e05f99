"""How long a call waits for a storage that neither answers nor fails."""

import asyncio
from collections.abc import Callable

from jsonrpc_qm.errors import Unavailable
from jsonrpc_qm.server.entry import Entry, never

PATIENCE = 30.0
"""Seconds after which a call is answered that the storage does not answer."""

LOOKS = 20
"""How often within PATIENCE it is looked: a call is answered that much of it late at most."""


def unanswered() -> Unavailable:
    """The error of such a call."""
    return Unavailable.in_doubt(f"the storage has not answered within {PATIENCE:g} s")


class Patience:
    """Ends the waiting of entries that the storage keeps for too long, and withdraws them.

    It looks at the oldest now and then: a timer for each would cost a tenth of a call. To be used
    in the event loop; `lost` is called for each such entry.
    """

    def __init__(self, lost: Callable[[], None]) -> None:
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._since: dict[Entry, float] = {}
        """When each was begun; the oldest first."""
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, entry: Entry) -> None:
        """An entry is on its way."""
        self._since[entry] = self._loop.time()
        if self._timer is None:
            self._look_later()

    def end(self, entry: Entry) -> None:
        """The storage has answered."""
        self._since.pop(entry, None)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look_later(self) -> None:
        self._timer = self._loop.call_later(PATIENCE / LOOKS, self._look)

    def _look(self) -> None:
        self._timer = None
        latest = self._loop.time() - PATIENCE
        while self._since:
            entry, since = next(iter(self._since.items()))
            if since > latest:
                self._look_later()
                break
            self._give_up(entry)

    def _give_up(self, entry: Entry) -> None:
        self.end(entry)
        entry.alive = never
        if not entry.future.done():
            self._lost()
            entry.future.set_exception(unanswered())
