"""News between managers on one PostgreSQL database, by LISTEN and NOTIFY.

On a connection of its own, as within a transaction NOTIFY takes a lock that the whole server shares
until the commit.
"""

import time
from collections.abc import Callable
from typing import Any

import psycopg

from jsonrpc_qm.storage.base import News
from jsonrpc_qm.storage.postgresql_connections import forget
from jsonrpc_qm.storage.postgresql_watch import Watch
from jsonrpc_qm.storage.telling import Heard, Telling

CHANNEL = "jsonrpc_qm"

LOOK_EVERY = 0.5
"""Seconds after which a listener looks whether it is to end."""

ASK_EVERY = 10.0
"""Seconds after which a listener asks whether its server is still there."""


class Notices(Telling):
    """Each message is one notification."""

    # PostgreSQL allows 8000.
    longest = 7900

    lost = psycopg.Error

    def __init__(self, connect: "Callable[[], psycopg.Connection[Any]]", watch: Watch) -> None:
        super().__init__(connect)
        self._watch = watch

    def _send(self, connection: "psycopg.Connection[Any]", message: str) -> None:
        self._execute(connection, "SELECT pg_notify(%s, %s)", (CHANNEL, message))

    def _listen(self, connection: "psycopg.Connection[Any]", heard: Heard) -> None:
        connection.remove_notify_handler(forget)
        self._execute(connection, f"LISTEN {CHANNEL}")
        # Others may have told something while there was no connection.
        heard(News(more=True))
        asked_at = time.monotonic()
        while not self._closed.is_set():
            for notice in connection.notifies(timeout=LOOK_EVERY):
                self._receive(notice.payload, heard)
            if time.monotonic() - asked_at >= ASK_EVERY:
                # A lost connection looks like one on which nobody tells anything.
                self._execute(connection, "SELECT 1")
                asked_at = time.monotonic()

    def _execute(
        self, connection: "psycopg.Connection[Any]", statement: str, params: Any = None
    ) -> None:
        self._watch.begin(connection)
        try:
            connection.execute(statement, params)
        finally:
            self._watch.end(connection)
