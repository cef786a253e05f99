"""What the log is told of a storage that can't be used.

Every call fails then, and a line for each would fill a disk that may be full already.
"""

import logging
import threading
import time
from collections.abc import Callable

import msgspec

logger = logging.getLogger("jsonrpc_qm.storage")

PERIOD = 10.0
"""Seconds for which the same is not said again."""

MOST_REASONS = 100
"""How many are remembered: a reason may have a number in it that differs each time."""


class _Said(msgspec.Struct):
    at: float
    left_out: int = 0


class Complaints:
    """Warns of each reason once in PERIOD, and then says how often there was cause in between."""

    def __init__(self, place: str, clock: Callable[[], float] = time.monotonic) -> None:
        """`place` is the storage's, without credentials; `clock` gives seconds."""
        self._place = place
        self._clock = clock
        self._turn = threading.Lock()
        self._said: dict[str, _Said] = {}

    def warn(self, reason: str) -> None:
        """It can't be used, for a reason in one line."""
        with self._turn:
            now = self._clock()
            said = self._said.get(reason)
            if said is not None and now - said.at < PERIOD:
                said.left_out += 1
                return
            if len(self._said) >= MOST_REASONS:
                self._said.clear()
            self._said[reason] = _Said(now)
        more = f" (and {said.left_out} more before)" if said and said.left_out else ""
        logger.warning("%s: %s%s", self._place, reason, more)
