"""News between managers on one Redis, by PUBLISH and SUBSCRIBE."""

from typing import Any

from redis.backoff import NoBackoff
from redis.retry import Retry

from jsonrpc_qm.storage.base import News
from jsonrpc_qm.storage.redis_server import FAULTS, RedisServer
from jsonrpc_qm.storage.telling import Heard, Telling

LOOK_EVERY = 0.5
"""Seconds after which a listener looks whether it is to end."""


class RedisNews(Telling):
    """Each message is published."""

    longest = 64 * 1024

    lost = FAULTS

    def __init__(self, server: RedisServer, channel: str) -> None:
        super().__init__(lambda: server.connect(Retry(NoBackoff(), 0)))
        self._channel = channel

    def _send(self, connection: Any, message: str) -> None:
        connection.publish(self._channel, message)

    def _listen(self, connection: Any, heard: Heard) -> None:
        with connection.pubsub(ignore_subscribe_messages=True) as channel:
            channel.subscribe(self._channel)
            # Others may have told something while there was no connection.
            heard(News(more=True))
            while not self._closed.is_set():
                found = channel.get_message(timeout=LOOK_EVERY)
                if found is not None:
                    self._receive(found["data"], heard)
