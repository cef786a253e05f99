"""The Redis that holds a queue: connections, clock, scripts, and what its settings promise."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from hashlib import sha1
from importlib.resources import files
from typing import Any, TypeVar
from urllib.parse import parse_qs, unquote, urlunsplit

import redis
from redis.backoff import ExponentialBackoff
from redis.cluster import RedisCluster
from redis.exceptions import AskError, RedisClusterException
from redis.retry import Retry

from jsonrpc_qm.errors import InvalidParams, Unavailable
from jsonrpc_qm.storage import tcp
from jsonrpc_qm.storage.addresses import shown, taken_apart
from jsonrpc_qm.storage.clock import ServerClock
from jsonrpc_qm.storage.complaints import Complaints
from jsonrpc_qm.storage.redis_keys import Keys
from jsonrpc_qm.storage.redis_reads import Command
from jsonrpc_qm.storage.redis_shards import SHARDS, Shards, common_begin

logger = logging.getLogger("jsonrpc_qm.storage")

SCHEMA_VERSIONS = {1: 3, SHARDS: 4}
"""By the number of shards that a queue is in, which stays as it was when the queue began."""

DEFAULT_PREFIX = "jsonrpc-qm"

TIMEOUT = 5.0
"""Seconds that a reply may take."""

PAUSES = (0.1, 0.2, 0.4)
"""Seconds after which what met no server is sent again, each time. A commit too: its mark tells
when it was done."""

FAULTS = (redis.RedisError, RedisClusterException, OSError)
"""What the driver raises when a server can't be used."""

LOST = (redis.ConnectionError, redis.TimeoutError)
"""Those after which nobody knows what the server has done."""

T = TypeVar("T")


class Script:
    """One of lua/, sent once to each server and called by its digest."""

    def __init__(self, *names: str) -> None:
        sources = files("jsonrpc_qm.storage").joinpath("lua")
        self.text = "".join(sources.joinpath(f"{name}.lua").read_text() for name in names)
        # Redis wants it like that; nothing is kept secret by it.
        self.sha = sha1(self.text.encode(), usedforsecurity=False).hexdigest()


SCRIPTS = {
    "work": Script("changes", "complete", "claim", "work"),
    "commit": Script("changes", "commit"),
    "prepare": Script("changes", "prepare"),
    "settle": Script("changes", "settle"),
    "decide": Script("decide"),
    "read": Script("read"),
}


class RedisServer:
    """The server at `url`, for any thread."""

    shards = 1
    """Into how many a new queue is divided."""

    _maker: type[redis.Redis] | type[RedisCluster] = redis.Redis

    _tries_again = 0
    """How often the driver does so by itself; it then tells of the last try alone."""

    _passing: tuple[type[Exception], ...] = LOST
    """What may be over when it is sent again."""

    def __init__(self, url: str) -> None:
        parts = taken_apart(url)
        self.url = shown(parts)
        self._complaints = Complaints(self.url)
        if parts.path.strip("/") and not parts.path[1:].isdecimal():
            # The driver would take the first database.
            raise InvalidParams.of("storage", f"{self.url}: a database is a number")
        self.prefix = _prefix(self.url, parse_qs(parts.query, keep_blank_values=True))
        options = [part for part in parts.query.split("&") if not part.startswith("prefix=")]
        scheme = parts.scheme.removesuffix("+cluster")
        query = "&".join(filter(None, options))
        self._address = urlunsplit(parts._replace(scheme=scheme, query=query))
        self.clock = ServerClock(self._server_time)
        self._client: Any = None
        with self.translated():
            self._client = self.connect(
                Retry(ExponentialBackoff(cap=1.0, base=0.05), self._tries_again)
            )

    def connect(self, retry: Retry) -> Any:
        """A client of its own.

        Raises:
            InvalidParams: the URL is none that the driver understands.
        """
        try:
            client = self._maker.from_url(
                self._address,
                socket_connect_timeout=5.0,
                socket_timeout=TIMEOUT,
                socket_keepalive=True,
                socket_keepalive_options=tcp.OPTIONS,
                health_check_interval=30,
                retry=retry,
                client_name="jsonrpc-qm",
            )
            if isinstance(client, redis.Redis):
                # It looks at the options when it makes a connection, and not before.
                client.connection_pool.make_connection()
        except (ValueError, TypeError):
            raise InvalidParams.of("storage", f"{self.url}: no URL of a Redis") from None
        return client

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Errors of the driver as Unavailable."""
        try:
            yield
        except FAULTS as error:
            reason = self._reason(error)
            self._complaints.warn(reason)
            self._begin_anew()
            raise Unavailable.of(f"the Redis {self.url} can't be used: {reason}") from error

    def _reason(self, error: Exception) -> str:
        """Why it can't be used."""
        if self._maker is redis.Redis and isinstance(error, AskError):
            # All that it says is which node to ask.
            scheme = self.url.partition(":")[0]
            return f"it is a node of a Redis Cluster: use {scheme}+cluster://"
        return str(error)

    def _begin_anew(self) -> None:
        """Use no connection again that there is: the server at its end may be a replica by now."""
        if self._client is not None:
            self._client.connection_pool.disconnect(inuse_connections=False)

    def reached(self, shards: Sequence[Keys]) -> Sequence[Keys]:
        """Those of the shards that can be asked now."""
        return shards

    def run(self, commands: Sequence[Command], *, together: bool = False) -> list[Any]:
        """Carry out commands, each with a key, at one moment; in a cluster see there."""
        with self.translated():
            return self._insist(partial(self._run, commands))

    def _run(self, commands: Sequence[Command]) -> list[Any]:
        if len(commands) == 1:
            return [self._client.execute_command(*commands[0])]
        with self._client.pipeline(transaction=True) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            return list(pipeline.execute())

    def together(self, calls: Sequence[Callable[[], T]]) -> list[T]:
        """Make some calls, if that gains anything side by side; all are done when one raises."""
        return [call() for call in calls]

    def script(self, name: str, keys: Sequence[str], args: Sequence[Any]) -> Any:
        """Run one of SCRIPTS."""
        with self.translated():
            return self._insist(partial(self._script, SCRIPTS[name], keys, args))

    def _script(self, script: Script, keys: Sequence[str], args: Sequence[Any]) -> Any:
        """Send it once."""
        try:
            return self._client.evalsha(script.sha, len(keys), *keys, *args)
        except redis.exceptions.NoScriptError:
            return self._client.eval(script.text, len(keys), *keys, *args)

    def _insist(self, ask: Callable[[], T]) -> T:
        """Ask a server, and again while that may pass; the loss if there was one, else the last
        error: a try before the last one may have done what is asked for."""
        lost: BaseException | None = None
        pauses = iter(PAUSES)
        while True:
            try:
                return ask()
            except FAULTS as error:
                lost = lost or _loss(error)
                pause = next(pauses, None)
                if pause is None or not isinstance(error, self._passing):
                    raise lost or error from None
                # Whatever has ended this connection may have ended the others too.
                self._begin_anew()
                time.sleep(pause)

    def _server_time(self) -> int:
        with self.translated():
            seconds, micros = self._insist(self._time)
        return int(seconds) * 1_000_000 + int(micros)

    def _time(self) -> tuple[int, int]:
        """Seconds and microseconds of the clock that leases are judged by."""
        seconds, micros = self._client.time()
        return seconds, micros

    def open(self) -> Shards:
        """See that the server can be used, and warn of settings that may lose tasks.

        Raises:
            Unavailable: it can't be reached, or holds a queue of another version.
        """
        with self.translated():
            stored = self._insist(self._schema_version)
            settings = self._insist(self._settings)
        self.clock.set()
        for shards, version in SCHEMA_VERSIONS.items():
            if version == stored:
                for where, found in settings.items():
                    for warning in warnings_of(found):
                        logger.warning("%s: %s", where, warning)
                return Shards(self.prefix, shards)
        raise Unavailable.of(f"{self.url} has schema version {stored}, {_advice(stored)}")

    def _schema_version(self) -> int:
        """That of the queue, which is new if it has none."""
        key = f"{common_begin(self.prefix)}schema_version"
        self._client.set(key, SCHEMA_VERSIONS[self.shards], nx=True)
        return int(self._client.get(key) or SCHEMA_VERSIONS[self.shards])

    def _settings(self) -> dict[str, dict[str, str]]:
        """The settings that matter, by where they are."""
        return {self.url: settings_of(self._client)}

    def close(self) -> None:
        """Close all connections."""
        self._client.close()


def _advice(stored: int) -> str:
    """What to do about a queue whose schema has another version."""
    versions = SCHEMA_VERSIONS.values()
    if stored > max(versions):
        return f"this program knows up to {max(versions)}: use a newer jsonrpc-qm"
    return (
        f"this program reads from {min(versions)} on: let the jsonrpc-qm that wrote it copy it to "
        "another storage, or begin a new queue with another prefix"
    )


def settings_of(client: redis.Redis) -> dict[str, str]:
    """What a server's CONFIG GET tells of what matters here; nothing where it is forbidden."""
    wanted = ("appendonly", "appendfsync", "maxmemory", "maxmemory-policy")
    try:
        return {
            str(name): str(value)
            for setting in wanted
            for name, value in client.config_get(setting).items()
        }
    except redis.ResponseError:
        # Hosted ones often forbid CONFIG.
        return {}


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


def _prefix(shown_url: str, query: dict[str, list[str]]) -> str:
    prefix = query.get("prefix", [DEFAULT_PREFIX])[-1]
    if not prefix or set(prefix) & set("{}"):
        raise InvalidParams.of("storage", f"{shown_url}: a prefix is a text without braces")
    return unquote(prefix)


def _loss(error: Exception) -> BaseException | None:
    """The loss that an error is, or in which it came up: when no node is left to be asked."""
    return next((each for each in (error, error.__context__) if isinstance(each, LOST)), None)
