"""News between managers on one MySQL database, by a table that is looked at often.

The table is in the server's memory, so neither telling nor looking waits for a disk.
"""

import time

import pymysql

from jsonrpc_qm.storage.base import News
from jsonrpc_qm.storage.telling import Heard, Telling

LOOK_EVERY = (0.005, 0.025)
"""Seconds between two looks: right after there were news, and after there were none for a while."""

KEEP = 2
"""Seconds for which news stay; the server keeps few megabytes of such a table."""


class MysqlNews(Telling):
    """Each message is a row."""

    longest = 2000

    gather = 0.002

    lost = pymysql.Error

    _cleared_at = 0.0

    def _send(self, connection: pymysql.Connection, message: str) -> None:
        with connection.cursor() as cursor:
            # First, for the table may be full.
            if time.monotonic() - self._cleared_at > KEEP / 2:
                self._cleared_at = time.monotonic()
                cursor.execute("DELETE FROM news WHERE told_at < unix_timestamp() - %s", (KEEP,))
            cursor.execute(
                "INSERT INTO news (told_at, sender, message) VALUES (unix_timestamp(), %s, %s)",
                (self._name, message),
            )

    def _listen(self, connection: pymysql.Connection, heard: Heard) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT coalesce(max(number), 0) FROM news")
            last = cursor.fetchall()[0][0]
            # Others may have told something while there was no connection.
            heard(News(more=True))
            shortest, longest = LOOK_EVERY
            pause = longest
            while not self._closed.wait(pause):
                cursor.execute(
                    "SELECT number, message FROM news WHERE number > %s AND sender <> %s"
                    " ORDER BY number",
                    (last, self._name),
                )
                rows = cursor.fetchall()
                for number, message in rows:
                    last = number
                    self._receive(message, heard)
                pause = shortest if rows else min(pause * 1.2, longest)
