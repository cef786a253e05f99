"""The log's lines about tokens that were refused."""

from collections.abc import Callable
from time import monotonic

from jsonrpc_qm.rpc.guard import audit

MOST_LINES = 20
"""How many there are in PERIOD, whoever sends how many tokens: nobody is to fill the disk so."""

PERIOD = 60.0
"""Seconds."""


class Refusals:
    """Tells the log who came with a token that is not known, and never the token."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        """`clock` gives seconds."""
        self._clock = clock
        self._since = clock()
        self._number = 0

    def tell(self, address: str | None, what: str) -> None:
        """A token came from an address, for `what`."""
        now = self._clock()
        if now - self._since >= PERIOD:
            if self._number > MOST_LINES:
                audit.info("%d more tokens were refused before", self._number - MOST_LINES)
            self._since, self._number = now, 0
        self._number += 1
        if self._number <= MOST_LINES:
            last = "; more are counted only" if self._number == MOST_LINES else ""
            audit.info("nobody at %s: %s: this token is not known%s", address, what, last)
