"""When a failed call is sent again: exponential backoff with full jitter, for a limited time."""

import math
import random
from typing import Any

from jsonrpc_qm.client.calls import Call
from jsonrpc_qm.client.protocol import ANSWER_LOST
from jsonrpc_qm.errors import Unavailable

FIRST_PAUSE = 0.1
"""Seconds that the pause after the first failure is at most; each further one doubles it."""
LONGEST_PAUSE = 5.0
"""Seconds that a pause is at most, unless the manager asks for more."""


def pause_after(
    failures: int, *, remaining: float, retry_after: float, spread: float
) -> float | None:
    """The seconds to wait after failure number `failures` (1 is the first); None to give up.

    `remaining` is the time left for pauses, `retry_after` what the manager asked for, `spread`
    from 0 to 1 picks the point within the jitter.
    """
    if remaining <= 0 or retry_after > remaining:
        return None
    # 2.0 ** 1024 would be an OverflowError; the cap holds long before.
    longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures - 1, 30))
    return min(retry_after + spread * longest, remaining)


class Retrying:
    """The tries of one call."""

    def __init__(self, call: Call[Any], retry_for: float, managers: int = 1) -> None:
        """`retry_for`: how many seconds after the first failure a try may still begin; `managers`:
        how many there are to try, one after the other, before a pause."""
        self._managers = managers
        self._tried = 0
        self._repeatable = call.repeatable
        self._retry_for = retry_for
        self._failures = 0
        self._failed_at = 0.0

    def pause(self, error: Unavailable, now: float) -> float | None:
        """The seconds to wait before the next try; None when there is to be none.

        `now` in seconds of any clock that does not jump.
        """
        if error.data.get(ANSWER_LOST) and not self._repeatable:
            return None
        self._tried += 1
        if self._tried % self._managers:
            return 0.0
        self._failures += 1
        if self._failures == 1:
            self._failed_at = now
        return pause_after(
            self._failures,
            remaining=self._failed_at + self._retry_for - now,
            retry_after=_retry_after(error),
            # Not for secrets: the jitter keeps clients from coming back all at once.
            spread=random.random(),  # noqa: S311
        )


def _retry_after(error: Unavailable) -> float:
    """The seconds that the manager asks for; whatever else comes in their place counts as none."""
    asked = error.data.get("retry_after")
    return asked if isinstance(asked, int | float) and 0 < asked < math.inf else 0.0
