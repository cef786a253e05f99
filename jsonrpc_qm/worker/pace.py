"""How many tasks to hold beyond those that run."""

AHEAD = 0.05
"""Seconds of work to have at hand, so that a round trip to the manager costs no time."""
MAX_HELD = 1000
"""Tasks: as many as one claim can take."""
SLOWER = 0.5
FASTER = 0.1
"""How much a new duration counts: one long task is noticed at once, short ones have to add up."""


class Pace:
    """The moving average of how long attempts run.

    Short tasks are claimed many at a time. Long ones are not claimed before they can start, so that
    they are left to workers that are free.
    """

    def __init__(self) -> None:
        self._average: float | None = None

    def observe(self, seconds: float) -> None:
        """An attempt ran that long."""
        average = self._average
        if average is None:
            self._average = seconds
        else:
            self._average = average + (seconds - average) * (
                SLOWER if seconds > average else FASTER
            )

    def forget(self) -> None:
        """What was seen holds no more: hold nothing back until the next attempt has ended."""
        self._average = None

    def prefetch(self, slots: int) -> int:
        """How many tasks to hold that can't start yet, when `slots` run at a time."""
        if self._average is None or slots >= MAX_HELD:
            return 0
        ahead = slots * AHEAD / max(self._average, 1e-9)
        return int(min(ahead, MAX_HELD - slots))
