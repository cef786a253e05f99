"""The clock of a server that managers share, by which they all go."""

import time
from collections.abc import Callable

ASK_EVERY = 30.0
"""Seconds after which the server is asked anew how far its clock is from ours."""

OURS: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""A clock that nobody sets, and that goes on while a machine sleeps where the system has such a
one."""


class ServerClock:
    """Tells a server's time without asking it each time.

    `ask` asks the server for its time, in microseconds, and may take a while; `now` never does.
    """

    def __init__(self, ask: Callable[[], int]) -> None:
        self._ask = ask
        # Until the server was asked, the calendar of this machine.
        self._ahead = time.time_ns() // 1000 - _ours()
        self._asked_at = 0.0

    def now(self) -> int:
        """The server's time in microseconds, as far as it is known."""
        return _ours() + self._ahead

    def set(self) -> None:
        """Ask the server.

        Raises:
            whatever asking raises; the time goes on as it is known then.
        """
        self._asked_at = time.monotonic()
        before = _ours()
        theirs = self._ask()
        # It has told its time at some moment in between.
        self._ahead = theirs - (before + _ours()) // 2

    def set_now_and_then(self) -> None:
        """The same, if that was not done within ASK_EVERY."""
        if time.monotonic() - self._asked_at >= ASK_EVERY:
            self.set()


def _ours() -> int:
    return time.clock_gettime_ns(OURS) // 1000
