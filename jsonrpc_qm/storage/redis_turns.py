"""Which transactions of one manager run side by side on Redis.

Those that a server decides do. One that reads, decides here, and then writes what still holds has
to be alone in the shards that it is about: others would change what it read.
"""

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from jsonrpc_qm.storage.redis_keys import Keys


class Turn:
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


class Turns:
    """A turn for each shard. Who needs several takes all of them, one after the other, before it
    begins, and all do so in the same order: nobody waits for those who wait for it."""

    def __init__(self, shards: Sequence[Keys]) -> None:
        self._turns = {keys: Turn() for keys in shards}

    @contextmanager
    def together(self, shards: Collection[Keys]) -> Iterator[None]:
        """Run beside others in these shards."""
        with ExitStack() as stack:
            for turn in self._of(shards):
                stack.enter_context(turn.together())
            yield

    @contextmanager
    def alone(self, shards: Collection[Keys]) -> Iterator[None]:
        """Run while no other does in these shards."""
        with ExitStack() as stack:
            for turn in self._of(shards):
                stack.enter_context(turn.alone())
            yield

    def _of(self, shards: Collection[Keys]) -> list[Turn]:
        return [turn for keys, turn in self._turns.items() if keys in shards]
