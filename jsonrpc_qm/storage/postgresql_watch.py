"""Gives up on PostgreSQL servers that are there and do not answer: only we can end that."""

import socket
import threading
import time
from contextlib import suppress
from typing import Any

import psycopg

LONGEST_STATEMENT = 45.0
"""Seconds after which a connection whose server does not answer is given up."""

LOOK_EVERY = 5.0
"""Seconds between two looks for such connections."""


class Watch:
    """Hangs up where a statement takes too long, in a thread of its own.

    Whoever waits for its answer then finds the connection lost.
    """

    def __init__(self) -> None:
        self._begun: dict[psycopg.Connection[Any], float] = {}
        """When the statements that are under way have begun."""
        self._closed = threading.Event()

    def start(self) -> None:
        """Begin to look, in a child process again; statements may take for ever before."""
        self._begun.clear()
        threading.Thread(target=self._look, name="postgresql", daemon=True).start()

    def begin(self, connection: psycopg.Connection[Any]) -> None:
        """A statement is on its way."""
        self._begun[connection] = time.monotonic()

    def end(self, connection: psycopg.Connection[Any]) -> None:
        """It has been answered, or has failed."""
        self._begun.pop(connection, None)

    def close(self) -> None:
        """Wait for no answer any more."""
        self._closed.set()
        self._hang_up(time.monotonic())

    def _look(self) -> None:
        while not self._closed.wait(LOOK_EVERY):
            self._hang_up(time.monotonic() - LONGEST_STATEMENT)

    def _hang_up(self, latest: float) -> None:
        """End the connections whose statements began before that moment."""
        for connection, begun in list(self._begun.items()):
            if begun <= latest:
                with suppress(OSError, psycopg.Error):
                    _shut_down(connection.fileno())


def _shut_down(number: int) -> None:
    with socket.socket(fileno=socket.dup(number)) as copy:
        copy.shutdown(socket.SHUT_RDWR)
