"""The kinds of storages that are measured beside SQLite."""

import msgspec


class Kind(msgspec.Struct, frozen=True):
    """A kind of storage."""

    key: str
    title: str
    of_sqlite: float | None
    """What `queue_many` and `report` have to reach of SQLite's rates."""


KINDS = (
    Kind("postgresql", "PostgreSQL", 0.6),
    Kind("mysql", "MariaDB", 0.4),
    Kind("redis", "Redis", 0.8),
    Kind("redis-cluster", "Redis Cluster", None),
)
