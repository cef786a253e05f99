"""PgBouncer before a PostgreSQL server of the tests."""

import shutil
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from tests.servers.postgresql import PostgresServer
from tests.servers.processes import PrivateServer, ServerAccount, missing

SETTINGS = """
[databases]
* = host=127.0.0.1 port={server} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = 200
server_login_retry = 1
server_tls_sslmode = disable
"""


class PgBouncer(PrivateServer):
    """Gives connections to a server, by its port, for the time of a transaction."""

    title = "PgBouncer"

    def __init__(self, server: int, *, pool_size: int) -> None:
        self._server = server
        self._pool_size = pool_size
        super().__init__(ServerAccount("postgres", "nobody"))

    def through(self, database: str) -> str:
        """The URL by which a database of the server is reached through here."""
        parts = urlsplit(database)
        return parts._replace(netloc=f"postgres@127.0.0.1:{self.port}").geturl()

    def _program(self) -> list[str | Path]:
        found = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
        settings = self._folder / "pgbouncer.ini"
        settings.write_text(
            SETTINGS.format(server=self._server, port=self.port, pool_size=self._pool_size)
        )
        return [found or missing("PgBouncer"), settings]

    def _answers(self) -> bool:
        try:
            url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
            with psycopg.connect(url, connect_timeout=2, prepare_threshold=None):
                return True
        except psycopg.OperationalError:
            return False


class PooledPostgres:
    """A PostgreSQL server that is reached through PgBouncer."""

    def __init__(self) -> None:
        self._server = PostgresServer()
        self._pooler = PgBouncer(self._server.port, pool_size=5)

    def database(self) -> str:
        """The URL of a new database."""
        return f"{self._pooler.through(self._server.database())}?prepared_statements=off"

    def kill(self) -> None:
        """kill -9 of the database server, of which PgBouncer is left to find out."""
        self._server.kill()

    def start(self) -> None:
        """Start it again."""
        self._server.start()

    def end_subscriptions(self) -> int:
        """End those that there are, though they hear nothing; how many."""
        return self._server.end_subscriptions()

    def close(self) -> None:
        """End both, and leave nothing behind."""
        self._pooler.close()
        self._server.close()
