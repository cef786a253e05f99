"""The Redis that holds a queue: connections, clock, commit, and what its settings promise."""

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit, urlunsplit

import redis
from redis.backoff import ExponentialBackoff
from redis.cluster import RedisCluster
from redis.exceptions import RedisClusterException
from redis.retry import Retry
from uuid_utils import uuid7

from jsonrpc_qm.errors import InvalidParams, Unavailable
from jsonrpc_qm.storage.base import Overtaken
from jsonrpc_qm.storage.redis_keys import Keys
from jsonrpc_qm.storage.redis_view import Commit

logger = logging.getLogger("jsonrpc_qm.storage")

SCHEMA_VERSION = 1

ASK_TIME_EVERY = 30.0
"""Seconds after which the server is asked anew how far its clock is from ours."""

DEFAULT_PREFIX = "jsonrpc-qm"

TIMEOUT = 5.0
"""Seconds that a reply may take."""

TRIES_AGAIN = 3
"""How often what met no server is sent again. A commit too: its mark tells when it was done."""

FAULTS = (redis.RedisError, RedisClusterException, OSError)
"""What the driver raises when a server can't be used."""

Client = redis.Redis | RedisCluster

_COMMIT = files("jsonrpc_qm.storage").joinpath("lua/commit.lua").read_text()


class RedisServer:
    """The server at `url`, for any thread."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.prefix = _prefix(url, parse_qs(parts.query))
        options = [part for part in parts.query.split("&") if not part.startswith("prefix=")]
        self.url = _without_credentials(url)
        scheme = parts.scheme.removesuffix("+cluster")
        self._kind = redis.Redis if scheme == parts.scheme else RedisCluster
        query = "&".join(filter(None, options))
        self._address = urlunsplit(parts._replace(scheme=scheme, query=query))
        with self.translated():
            self._client = self.connect(Retry(ExponentialBackoff(cap=1.0, base=0.05), TRIES_AGAIN))
        self._script = self._client.register_script(_COMMIT)
        self._name = str(uuid7())
        self._clock = threading.Lock()
        self._ahead = 0
        self._asked_at = -ASK_TIME_EVERY

    def connect(self, retry: Retry) -> Client:
        """A client of its own.

        Raises:
            InvalidParams: the URL is none that the driver understands.
        """
        try:
            return self._kind.from_url(
                self._address,
                socket_connect_timeout=5.0,
                socket_timeout=TIMEOUT,
                socket_keepalive=True,
                health_check_interval=30,
                retry=retry,
                client_name="jsonrpc-qm",
            )
        except (ValueError, TypeError):
            raise InvalidParams.of("storage", f"{self.url}: no URL of a Redis") from None

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Errors of the driver as Unavailable."""
        try:
            yield
        except FAULTS as error:
            logger.warning("%s: %s", self.url, error)
            raise Unavailable.of(f"the Redis {self.url} can't be used: {error}") from error

    def run(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """Carry out commands that read, at one moment."""
        with self.translated():
            if len(commands) == 1:
                return [self._client.execute_command(*commands[0])]
            with self._client.pipeline(transaction=True) as pipeline:
                for command in commands:
                    pipeline.execute_command(*command)
                return list(pipeline.execute())

    def commit(self, commit: Commit, keys: Keys) -> None:
        """Write all of a transaction.

        Raises:
            Overtaken: what it read has changed; nothing is written.
        """
        script_keys = [keys.of(f"commit:{self._name}"), *commit.keys]
        with self.translated():
            written = self._script(keys=script_keys, args=commit.arguments())
        if not written:
            raise Overtaken.of("another manager changed the same tasks")

    def now(self) -> int:
        """The server's clock, in microseconds."""
        with self._clock:
            if time.monotonic() - self._asked_at >= ASK_TIME_EVERY:
                with self.translated():
                    seconds, micros = self._client.time(**self._where())
                self._ahead = int(seconds) * 1_000_000 + int(micros) - time.time_ns() // 1000
                self._asked_at = time.monotonic()
            return time.time_ns() // 1000 + self._ahead

    def _where(self) -> dict[str, Any]:
        """For commands without a key: where the queue is."""
        if isinstance(self._client, RedisCluster):
            return {"target_nodes": self._client.get_node_from_key(Keys(self.prefix).number)}
        return {}

    def check(self, keys: Keys) -> None:
        """See that the server can be used, and warn of settings that may lose tasks.

        Raises:
            Unavailable: it can't be reached, or holds a queue of a newer version.
        """
        with self.translated():
            self._client.set(keys.schema, SCHEMA_VERSION, nx=True)
            stored = int(self._client.get(keys.schema) or SCHEMA_VERSION)
            settings = self._settings()
        if stored > SCHEMA_VERSION:
            raise Unavailable.of(
                f"{self.url} has schema version {stored}, this program knows up to "
                f"{SCHEMA_VERSION}: use a newer jsonrpc-qm"
            )
        for warning in warnings_of(settings):
            logger.warning("%s: %s", self.url, warning)

    def _settings(self) -> dict[str, str]:
        wanted = ("appendonly", "appendfsync", "maxmemory", "maxmemory-policy")
        try:
            return {
                str(name): str(value)
                for setting in wanted
                for name, value in self._client.config_get(setting, **self._where()).items()
            }
        except redis.ResponseError:
            # Hosted ones often forbid CONFIG.
            return {}

    def close(self) -> None:
        """Close all connections."""
        self._client.close()


def warnings_of(settings: dict[str, str]) -> list[str]:
    """What settings of a server may cost, as CONFIG GET tells them; empty when it tells none."""
    if not settings:
        return ["its settings can't be read: see that appendonly is yes and appendfsync always"]
    warnings = []
    if settings.get("appendonly") != "yes":
        warnings.append("appendonly is no: a crash loses what was answered since the last snapshot")
    elif settings.get("appendfsync") != "always":
        warnings.append(
            f"appendfsync is {settings.get('appendfsync')}: a crash may lose what was answered "
            "last; only always keeps every answered call"
        )
    policy = settings.get("maxmemory-policy", "noeviction")
    if settings.get("maxmemory", "0") != "0" and policy.startswith("allkeys"):
        warnings.append(f"maxmemory-policy is {policy}: it throws tasks away; set noeviction")
    return warnings


def _prefix(url: str, query: dict[str, list[str]]) -> str:
    prefix = query.get("prefix", [DEFAULT_PREFIX])[-1]
    if not prefix or set(prefix) & set("{}"):
        raise InvalidParams.of("storage", f"{_without_credentials(url)}: no braces in a prefix")
    return unquote(prefix)


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))
