"""News between managers on one PostgreSQL database, by LISTEN and NOTIFY.

Sent after the commit and on a connection of its own: within a transaction NOTIFY takes a lock that
the whole server shares until the commit. News may be lost; managers look for themselves too.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

import msgspec
import psycopg
from uuid_utils import uuid7

from jsonrpc_qm.storage.base import News

logger = logging.getLogger("jsonrpc_qm.storage")

CHANNEL = "jsonrpc_qm"

LONGEST = 7900
"""Bytes of a message; PostgreSQL allows 8000."""

AGAIN_AFTER = 1.0
"""Seconds before another try to connect."""

Connect = Callable[[], psycopg.Connection[Any]]


class _Message(News, frozen=True, kw_only=True):
    sender: str


class Notices:
    """Tells the other managers, and hears them, each in a thread of its own."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._name = str(uuid7())
        self._waiting: SimpleQueue[News | None] = SimpleQueue()
        self._closed = threading.Event()
        self._heard: list[Callable[[News], None]] = []
        self._threads: list[threading.Thread] = []

    def announce(self, news: News) -> None:
        """Have others told; what is waiting by then goes along."""
        if self._threads:
            self._waiting.put(news)

    def subscribe(self, heard: Callable[[News], None]) -> None:
        """Begin to tell and to hear; more may hear then."""
        self._heard.append(heard)
        if self._threads:
            return
        for name, loop in (("notify", self._tell), ("listen", self._listen)):
            thread = threading.Thread(target=self._keep, args=(loop,), name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def close(self) -> None:
        """End both threads."""
        self._closed.set()
        self._waiting.put(None)
        for thread in self._threads:
            thread.join()

    def _keep(self, loop: Callable[[psycopg.Connection[Any]], None]) -> None:
        """Run a loop on a connection, and on a new one whenever that is lost."""
        while not self._closed.is_set():
            try:
                with self._connect() as connection:
                    loop(connection)
            except psycopg.Error as error:
                logger.info("no news between managers: %s", error)
                self._closed.wait(AGAIN_AFTER)

    def _tell(self, connection: psycopg.Connection[Any]) -> None:
        while (news := self._waiting.get()) is not None:
            payload = msgspec.json.encode(self._merged(news))
            if len(payload) > LONGEST:
                payload = msgspec.json.encode(_Message(sender=self._name, more=True))
            connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, payload.decode()))

    def _merged(self, news: News) -> _Message:
        due, finished, more = Counter(news.due), [*news.finished], news.more
        while True:
            try:
                other = self._waiting.get_nowait()
            except Empty:
                break
            if other is None:
                self._waiting.put(None)
                break
            due.update(other.due)
            finished.extend(other.finished)
            more = more or other.more
        return _Message(sender=self._name, due=dict(due), finished=finished, more=more)

    def _listen(self, connection: psycopg.Connection[Any]) -> None:
        connection.execute(f"LISTEN {CHANNEL}")
        # Others may have told something while there was no connection.
        self._hear(News(more=True))
        while not self._closed.is_set():
            for notice in connection.notifies(timeout=0.5):
                message = _message_in(notice.payload)
                if message is not None and message.sender != self._name:
                    self._hear(message)

    def _hear(self, news: News) -> None:
        for heard in self._heard:
            heard(news)


def _message_in(payload: str) -> _Message | None:
    """The message; None for what is none, since anybody may use the channel."""
    try:
        return msgspec.json.decode(payload, type=_Message)
    except msgspec.MsgspecError:
        return None
