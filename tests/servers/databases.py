"""The servers on which managers share tasks: a new one is one line here."""

from collections.abc import Callable
from typing import Protocol

from tests.servers.mysql import MysqlServer
from tests.servers.pgbouncer import PooledPostgres
from tests.servers.postgresql import PostgresServer
from tests.servers.redis import RedisClusterProcesses, RedisProcess


class DatabaseServer(Protocol):
    """A private server that tests may kill, as durable as it is by itself or can be made."""

    def database(self) -> str:
        """The URL of a new place for tasks."""

    def kill(self) -> None:
        """kill -9 of it, or of the part that holds the latest new place."""

    def start(self) -> None:
        """Start what was killed."""

    def end_subscriptions(self) -> int:
        """End the connections on which managers hear of each other, and maybe others of theirs; how
        many."""

    def close(self) -> None:
        """End it, and leave nothing behind."""


SERVERS: dict[str, Callable[[], DatabaseServer]] = {
    "postgresql": PostgresServer,
    "pgbouncer": PooledPostgres,
    "mysql": MysqlServer,
    "redis": RedisProcess,
    "redis-cluster": RedisClusterProcesses,
}
