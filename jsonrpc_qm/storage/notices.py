"""News between managers on one PostgreSQL database, by LISTEN and NOTIFY.

On a connection of its own, as within a transaction NOTIFY takes a lock that the whole server shares
until the commit.
"""

from typing import Any

import psycopg

from jsonrpc_qm.storage.base import News
from jsonrpc_qm.storage.postgresql_connections import forget
from jsonrpc_qm.storage.telling import Heard, Telling

CHANNEL = "jsonrpc_qm"


class Notices(Telling):
    """Each message is one notification."""

    # PostgreSQL allows 8000.
    longest = 7900

    lost = psycopg.Error

    def _send(self, connection: psycopg.Connection[Any], message: str) -> None:
        connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, message))

    def _listen(self, connection: psycopg.Connection[Any], heard: Heard) -> None:
        connection.remove_notify_handler(forget)
        connection.execute(f"LISTEN {CHANNEL}")
        # Others may have told something while there was no connection.
        heard(News(more=True))
        while not self._closed.is_set():
            for notice in connection.notifies(timeout=0.5):
                self._receive(notice.payload, heard)
