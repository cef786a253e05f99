"""News between managers: what waits to be told, and the threads that tell and hear.

News are sent after the commit and on connections of their own. They may be lost; managers look for
themselves too.
"""

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from queue import Empty, SimpleQueue
from typing import Any

import msgspec
from uuid_utils import uuid7

from jsonrpc_qm.storage.base import News

logger = logging.getLogger("jsonrpc_qm.storage")

AGAIN_AFTER = 1.0
"""Seconds between two tries to connect."""

END_SECONDS = 2.0
"""How long a thread may take to end."""

MOST_WAITING = 10_000
"""How much may wait to be told while nobody can be; managers that are not told look each second."""

Heard = Callable[[News], None]


class Message(News, frozen=True, kw_only=True):
    """News, and who tells them."""

    sender: str


class Telling(ABC):
    """Tells the other managers, and hears them, each in a thread of its own."""

    longest: int
    """Bytes of a message."""

    gather = 0.0
    """Seconds for which news wait for others to go along."""

    lost: type[Exception] | tuple[type[Exception], ...]
    """What the driver raises."""

    def __init__(self, connect: Callable[[], AbstractContextManager[Any]]) -> None:
        self._connect = connect
        self._name = str(uuid7())
        self._waiting: SimpleQueue[News | None] = SimpleQueue()
        self._unsent: Message | None = None
        self._closed = threading.Event()
        self._heard: list[Heard] = []
        self._threads: list[threading.Thread] = []

    def announce(self, news: News) -> None:
        """Have others told; what is waiting by then goes along."""
        if self._threads and self._waiting.qsize() < MOST_WAITING:
            self._waiting.put(news)

    def subscribe(self, heard: Heard) -> None:
        """Begin to tell and to hear; more may hear then."""
        self._heard.append(heard)
        if self._threads:
            return
        for name, loop in (("tell", self._tell), ("listen", lambda c: self._listen(c, self._hear))):
            thread = threading.Thread(target=self._keep, args=(loop,), name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def close(self) -> None:
        """End both threads; one whose server does not answer is left behind."""
        self._closed.set()
        self._waiting.put(None)
        for thread in self._threads:
            thread.join(END_SECONDS)

    def _hear(self, news: News) -> None:
        for heard in self._heard:
            heard(news)

    @abstractmethod
    def _send(self, connection: Any, message: str) -> None:
        """Have a message reach those who listen."""

    @abstractmethod
    def _listen(self, connection: Any, heard: Heard) -> None:
        """Hear until `close`."""

    def _keep(self, loop: Callable[[Any], None]) -> None:
        """Run a loop on a connection, and on a new one whenever that is lost."""
        while not self._closed.is_set():
            again_at = time.monotonic() + AGAIN_AFTER
            try:
                with self._connect() as connection:
                    loop(connection)
            except self.lost as error:
                logger.info("no news between managers: %s", " ".join(str(error).split()))
                self._closed.wait(max(0.0, again_at - time.monotonic()))

    def _tell(self, connection: Any) -> None:
        # A connection that was idle may have been ended; what it did not take goes to the next one.
        while (news := self._unsent or self._waiting.get()) is not None:
            if self.gather:
                self._closed.wait(self.gather)
            self._unsent = self._merged(news)
            self._send(connection, msgspec.json.encode(self._unsent).decode())
            self._unsent = None

    def _merged(self, news: News) -> Message:
        due, more = Counter(news.due), news.more
        finished, drained = [*news.finished], [*news.drained]
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
            drained.extend(other.drained)
            more = more or other.more
        merged = Message(
            sender=self._name, due=dict(due), finished=finished, drained=drained, more=more
        )
        if len(msgspec.json.encode(merged)) > self.longest:
            return Message(sender=self._name, more=True)
        return merged

    def _receive(self, message: str | bytes, heard: Heard) -> None:
        try:
            news = msgspec.json.decode(message, type=Message)
        except msgspec.MsgspecError:
            # Anybody may use the channel.
            return
        if news.sender != self._name:
            heard(news)
