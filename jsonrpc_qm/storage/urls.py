"""From a URL to a storage."""

from collections.abc import Callable
from urllib.parse import unquote, urlsplit

from jsonrpc_qm.errors import InvalidParams, Unavailable
from jsonrpc_qm.storage.base import Storage


def open_storage(url: str) -> Storage:
    """Open the storage that a URL names.

    `memory:` for one that ends with its process; `sqlite:///tasks.db` for a file, relative to the
    current folder; `sqlite:////var/lib/tasks.db` for an absolute path; `redis://host:6379/0`, with
    `rediss://` for TLS and `redis+cluster://` for a Redis Cluster.

    Raises:
        InvalidParams: no such kind of storage, or the URL lacks something.
        Unavailable: the storage can't be reached or used.
    """
    scheme, colon, _ = url.partition(":")
    opener = _OPENERS.get(scheme)
    if not colon or opener is None:
        kinds = ", ".join(sorted(_OPENERS))
        raise InvalidParams.of("storage", f"{url!r} is no storage URL; known kinds: {kinds}")
    return opener(url)


def _memory(url: str) -> Storage:
    from jsonrpc_qm.storage.memory import MemoryStorage

    if url not in ("memory:", "memory://"):
        raise InvalidParams.of("storage", f"{url!r}: nothing may follow memory:")
    return MemoryStorage()


def _sqlite(url: str) -> Storage:
    from jsonrpc_qm.storage.sqlite import SqliteStorage

    parts = urlsplit(url)
    path = unquote(parts.path.removeprefix("/") if url.startswith("sqlite://") else parts.path)
    if parts.netloc or parts.query or parts.fragment or not path:
        raise InvalidParams.of("storage", f"{url!r}: write sqlite:///file or sqlite:////abs/file")
    return SqliteStorage(path)


def _postgresql(url: str) -> Storage:
    from jsonrpc_qm.storage.postgresql import PostgresqlStorage

    return PostgresqlStorage(url)


def _redis(url: str) -> Storage:
    try:
        from jsonrpc_qm.storage.redis import RedisStorage
    except ModuleNotFoundError as error:
        if error.name != "redis":
            raise
        raise Unavailable.of("redis:// needs the extra: pip install jsonrpc-qm[redis]") from None
    return RedisStorage(url)


_OPENERS: dict[str, Callable[[str], Storage]] = {
    "memory": _memory,
    "sqlite": _sqlite,
    "postgresql": _postgresql,
    "redis": _redis,
    "redis+cluster": _redis,
    "rediss": _redis,
    "rediss+cluster": _redis,
}
