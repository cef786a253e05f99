"""From a URL to a storage."""

from collections.abc import Callable
from urllib.parse import unquote, urlsplit

from jsonrpc_qm.errors import InvalidParams, Unavailable
from jsonrpc_qm.storage.base import Storage
from jsonrpc_qm.storage.upgrade import Upgrade


def open_storage(url: str, *, upgrade: Upgrade = Upgrade.AT_START) -> Storage:
    """Open the storage that a URL names.

    `memory:` for one that ends with its process; `sqlite:///tasks.db` for a file, relative to the
    current folder; `sqlite:////var/lib/tasks.db` for an absolute path;
    `postgresql://user:password@host:5432/database` and `mysql://...` for databases;
    `redis://host:6379/0`, with `rediss://` for TLS and `redis+cluster://` for a Redis Cluster.
    `upgrade` is for storages that have a schema.

    Raises:
        InvalidParams: no such kind of storage, or the URL lacks something.
        Unavailable: the storage can't be reached or used.
    """
    scheme, colon, _ = url.partition(":")
    opener = _OPENERS.get(scheme)
    if not colon or opener is None:
        kinds = ", ".join(sorted(_OPENERS))
        # The rest may hold a password.
        said = repr(f"{scheme}:..." if colon and "@" in url else url)
        raise InvalidParams.of("storage", f"{said} is no storage URL; known kinds: {kinds}")
    return opener(url, upgrade)


def _memory(url: str, upgrade: Upgrade) -> Storage:
    from jsonrpc_qm.storage.memory import MemoryStorage

    if url not in ("memory:", "memory://"):
        raise InvalidParams.of("storage", f"{url!r}: nothing may follow memory:")
    return MemoryStorage()


def _sqlite(url: str, upgrade: Upgrade) -> Storage:
    from jsonrpc_qm.storage.sqlite import SqliteStorage

    parts = urlsplit(url)
    path = unquote(parts.path.removeprefix("/") if url.startswith("sqlite://") else parts.path)
    if parts.netloc or parts.query or parts.fragment or not path:
        raise InvalidParams.of("storage", f"{url!r}: write sqlite:///file or sqlite:////abs/file")
    return SqliteStorage(path, upgrade=upgrade)


def _postgresql(url: str, upgrade: Upgrade) -> Storage:
    try:
        from jsonrpc_qm.storage.postgresql import PostgresqlStorage
    except ImportError as error:
        raise _driver_missing(error, "postgresql") from error
    return PostgresqlStorage(url, upgrade=upgrade)


def _driver_missing(error: ImportError, extra: str) -> Unavailable:
    """What to install for a kind of storage."""
    # A driver may be there without the library that it needs.
    fault = f"{error.name} is not installed"
    if not isinstance(error, ModuleNotFoundError):
        fault = " ".join(str(error).split())
    return Unavailable.of(f"{fault}; install it with: pip install 'jsonrpc-qm[{extra}]'")


def _redis(url: str, upgrade: Upgrade) -> Storage:
    try:
        from jsonrpc_qm.storage.redis import RedisStorage
    except ImportError as error:
        raise _driver_missing(error, "redis") from error
    return RedisStorage(url)


def _mysql(url: str, upgrade: Upgrade) -> Storage:
    try:
        from jsonrpc_qm.storage.mysql import MysqlStorage
    except ImportError as error:
        raise _driver_missing(error, "mysql") from error
    return MysqlStorage(url, upgrade=upgrade)


_OPENERS: dict[str, Callable[[str, Upgrade], Storage]] = {
    "memory": _memory,
    "sqlite": _sqlite,
    "postgresql": _postgresql,
    "mysql": _mysql,
    "redis": _redis,
    "redis+cluster": _redis,
    "rediss": _redis,
    "rediss+cluster": _redis,
}
