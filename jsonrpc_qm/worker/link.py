"""Whether the manager can be reached, and when to try again."""

import logging
import random
import threading
from time import monotonic

from jsonrpc_qm.errors import (
    InvalidParams,
    InvalidRequest,
    ParseError,
    QueueError,
    TooLarge,
    Unavailable,
)
from jsonrpc_qm.retry import Backoff, backoff_seconds

logger = logging.getLogger("jsonrpc_qm.worker")

PAUSES = Backoff(base=0.1, factor=2, max=4.0, jitter=0.5)

AGAIN = 60.0
"""Seconds after which the log says again that, and why, the manager can't be reached."""

REFUSALS = (TooLarge, InvalidParams, InvalidRequest, ParseError, TypeError, ValueError)
"""What says that a call will never be taken as it is."""

AWAY = (QueueError, OSError)
"""What else says that the manager can't serve, and that another try makes sense."""


class Link:
    """What all calls to the manager have shown, for all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures = 0
        self._since = 0.0
        self._said = 0.0

    @property
    def away(self) -> bool:
        """Whether the last call failed."""
        return self._failures > 0

    def failed(self, error: Exception) -> float:
        """A call failed; the seconds to wait before the next."""
        now = monotonic()
        with self._lock:
            self._failures += 1
            failures = self._failures
            if failures == 1:
                self._since = now
            says = failures == 1 or now - self._said >= AGAIN
            if says:
                self._said = now
        if says:
            logger.warning("the manager can't be reached, trying again: %s", error)
        # Not for secrets: the jitter keeps workers from coming back all at once.
        pause = backoff_seconds(PAUSES, failures, random.random())  # noqa: S311
        asked = error.data.get("retry_after") if isinstance(error, Unavailable) else None
        if isinstance(asked, int | float):
            pause = max(pause, min(asked, PAUSES.max))
        return pause

    def answered(self) -> None:
        """A call was answered."""
        if not self._failures:
            return
        with self._lock:
            away, self._failures = self._failures > 0, 0
        if away:
            logger.info("the manager is back after %.1f s", monotonic() - self._since)
