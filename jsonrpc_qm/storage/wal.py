"""The write-ahead log of an SQLite file in use.

SQLite goes on writing to files that were deleted or replaced, and all of that would be lost. And it
gives its write lock to whoever asks in the right moment, so that a process that writes in a loop
has it nearly always, and others wait until they give up.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

RETRY_EVERY = 0.001
"""Seconds between two tries to get a lock that another process has."""


class WriteAheadLog:
    """Of the database at `path`, in which a transaction must be open; OSError when it has none."""

    def __init__(self, path: str) -> None:
        self._files = (Path(path), Path(f"{path}-wal"))
        self._identities = self._found()
        # SQLite keeps this file while the database is in use, and puts no locks of its own on it.
        self._descriptor = os.open(self._files[1], os.O_RDONLY)

    def is_in_place(self) -> bool:
        """Whether the database and its log are the files that were opened."""
        try:
            return self._found() == self._identities
        except OSError:
            return False

    def _found(self) -> list[tuple[int, int]]:
        return [(found.st_dev, found.st_ino) for found in (file.stat() for file in self._files)]

    @contextmanager
    def turn(self, timeout: float) -> Iterator[None]:
        """Nobody else gets the write lock between the begin and the end of this block.

        To be held while waiting for the write lock, no longer. After `timeout` seconds it goes on
        without: whoever has the turn is in trouble.
        """
        deadline = time.monotonic() + timeout
        while not self._entered() and time.monotonic() < deadline:
            time.sleep(RETRY_EVERY)
        try:
            yield
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def _entered(self) -> bool:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Give the file back."""
        os.close(self._descriptor)
