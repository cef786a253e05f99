"""Which transactions of one manager run side by side on Redis.

Those that the server decides do. One that reads, decides here, and then writes what still holds has
to be alone: others would change what it read.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """Any number of transactions at a time, or one that is alone."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._together = 0
        self._is_alone = False
        self._waiting = 0
        """How many want to be alone; they go first."""

    @contextmanager
    def together(self) -> Iterator[None]:
        """Run beside others."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_alone and not self._waiting)
            self._together += 1
        try:
            yield
        finally:
            with self._changed:
                self._together -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Run while no other does."""
        with self._changed:
            self._waiting += 1
            self._changed.wait_for(lambda: not self._is_alone and not self._together)
            self._waiting -= 1
            self._is_alone = True
        try:
            yield
        finally:
            with self._changed:
                self._is_alone = False
                self._changed.notify_all()
