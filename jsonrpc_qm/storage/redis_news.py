"""News between managers on one Redis, by PUBLISH and SUBSCRIBE."""

import time
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from jsonrpc_qm.storage.base import News
from jsonrpc_qm.storage.redis_server import FAULTS, RedisServer
from jsonrpc_qm.storage.telling import Heard, Telling

LOOK_EVERY = 0.5
"""Seconds after which a listener looks whether it is to end."""

ASK_EVERY = 10.0
"""Seconds after which a listener asks whether its server is still there."""

LONGEST_SILENCE = 20.0
"""Seconds without an answer after which it is given up."""


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
            heard_at = asked_at = time.monotonic()
            while not self._closed.is_set():
                found = channel.get_message(timeout=LOOK_EVERY)
                now = time.monotonic()
                if found is not None:
                    heard_at = now
                    # An answer to a ping has no data.
                    self._receive(found["data"], heard)
                elif now - heard_at >= LONGEST_SILENCE:
                    raise redis.TimeoutError("the server says nothing any more")
                elif now - asked_at >= ASK_EVERY:
                    # A lost connection looks like one on which nobody tells anything.
                    channel.ping()
                    asked_at = now
