"""News between managers on one Redis, by PUBLISH and SUBSCRIBE.

News may be lost; managers look for themselves too.
"""

import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue

import msgspec
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from uuid_utils import uuid7

from jsonrpc_qm.storage.base import News
from jsonrpc_qm.storage.redis_server import RedisServer

logger = logging.getLogger("jsonrpc_qm.storage")

AGAIN_AFTER = 1.0
"""Seconds before another try to connect."""

LOOK_EVERY = 0.5
"""Seconds after which a listener looks whether it is to end."""


class _Message(News, frozen=True, kw_only=True):
    sender: str


class RedisNews:
    """Tells the other managers, and hears them, each in a thread and a connection of its own."""

    def __init__(self, server: RedisServer, channel: str) -> None:
        self._server = server
        self._channel = channel
        self._name = str(uuid7())
        self._waiting: SimpleQueue[News | None] = SimpleQueue()
        self._closed = threading.Event()
        self._threads: list[threading.Thread] = []

    def announce(self, news: News) -> None:
        """Have others told, soon."""
        if self._threads:
            self._waiting.put(news)

    def subscribe(self, heard: Callable[[News], None]) -> None:
        """Begin to tell and to hear."""
        for name, loop in (("publish", self._tell), ("listen", lambda c: self._listen(c, heard))):
            thread = threading.Thread(target=self._keep, args=(loop,), name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def close(self) -> None:
        """End both threads."""
        self._closed.set()
        self._waiting.put(None)
        for thread in self._threads:
            thread.join()

    def _keep(self, loop: Callable[["redis.Redis"], None]) -> None:
        """Run a loop on a client, and again whenever its connection is lost."""
        while not self._closed.is_set():
            try:
                with self._server.connect(Retry(NoBackoff(), 0)) as client:
                    loop(client)
            except (redis.RedisError, OSError) as error:
                logger.info("no news between managers: %s", error)
                self._closed.wait(AGAIN_AFTER)

    def _tell(self, client: "redis.Redis") -> None:
        while (news := self._waiting.get()) is not None:
            message = _Message(
                sender=self._name, due=news.due, finished=news.finished, more=news.more
            )
            client.publish(self._channel, msgspec.json.encode(message))

    def _listen(self, client: "redis.Redis", heard: Callable[[News], None]) -> None:
        with client.pubsub(ignore_subscribe_messages=True) as channel:
            channel.subscribe(self._channel)
            # Others may have told something while there was no connection.
            heard(News(more=True))
            while not self._closed.is_set():
                found = channel.get_message(timeout=LOOK_EVERY)
                if found is not None:
                    message = msgspec.json.decode(found["data"], type=_Message)
                    if message.sender != self._name:
                        heard(message)
