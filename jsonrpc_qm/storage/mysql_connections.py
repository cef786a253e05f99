"""Connections to MySQL and MariaDB, which carry several statements in one round trip."""

import socket
import ssl
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from typing import Any

import peewee
import pymysql
from pymysql.constants import CLIENT

from jsonrpc_qm.errors import TooLarge
from jsonrpc_qm.storage import tcp
from jsonrpc_qm.storage.mysql_schema import collation

CONNECTION: dict[str, Any] = {
    "connect_timeout": 5,
    # While it is being made; LONGEST_ANSWER later.
    "read_timeout": 5,
    "write_timeout": 30,
    "charset": "utf8mb4",
    "autocommit": True,
    "program_name": "jsonrpc-qm",
    # The number of rows of an UPDATE is of those that it found, not only of those that it changed.
    "client_flag": CLIENT.FOUND_ROWS | CLIENT.MULTI_STATEMENTS,
    "sql_mode": "STRICT_ALL_TABLES",
    "init_command": "SET SESSION innodb_lock_wait_timeout = 10, lock_wait_timeout = 10,"
    " sql_safe_updates = 0",
}

LONGEST_ANSWER = 30.0
"""Seconds after which a connection whose server does not answer is given up."""

LONGEST_IDLE = 60
"""Seconds after which the server ends a transaction whose manager says nothing: it may be gone, and
others wait for its locks."""

MOST_BYTES = 1024
"""What every server takes in one packet, its `max_allowed_packet`; as a rule it is much more."""


def _unchecked() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


UNCHECKED = _unchecked()
"""TLS with whoever answers, for the mode `preferred`."""


# The driver brings no types, so that nothing is known of what this inherits; and it takes no TLS
# context of ours for the mode `preferred`: with one it would refuse a server that has no TLS.
class Connection(pymysql.Connection):  # type: ignore[misc]
    """The driver's own, which is made much faster where no certificate is checked: the driver would
    load all authorities of the system each time, some 60 ms in which nothing else goes on."""

    def _create_ssl_ctx(self, sslp: Any) -> ssl.SSLContext:
        context: ssl.SSLContext = super()._create_ssl_ctx(sslp or UNCHECKED)
        return context


def connect(options: dict[str, Any]) -> pymysql.Connection:
    """A new connection; `options` are those of a URL.

    Raises:
        pymysql.Error: the server can't be reached or used.
    """
    connection = Connection(**CONNECTION | options)
    connection._read_timeout = LONGEST_ANSWER
    if "unix_socket" not in options:
        for option, value in tcp.OPTIONS.items():
            connection._sock.setsockopt(socket.IPPROTO_TCP, option, value)
    return connection


class Connections(peewee.MySQLDatabase):
    """A connection a thread, all of which any thread may close."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        self._opened: list[pymysql.Connection] = []
        self._closed = False
        self.most_bytes = MOST_BYTES
        super().__init__(options["database"])
        # Each thread has its own: none waits while another one connects.
        self._lock = nullcontext()

    def _connect(self) -> Any:
        # Not peewee's own way: that would prefer another driver where it is installed.
        connection = connect(self._options)
        version = connection.get_server_info()
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
            # Moments of the server are read without it changing the hour.
            cursor.execute("SET SESSION time_zone = '+00:00'")
            cursor.execute(f"SET SESSION {_idle_limit(version)} = {LONGEST_IDLE}")
            cursor.execute(f"SET NAMES utf8mb4 COLLATE {collation(version)}")
        self._opened.append(connection)
        if self._closed:
            # Whoever was left behind while it waited for the server.
            self.close_all()
            raise pymysql.InterfaceError("the storage is closed")
        return connection

    def execute_all(self, statements: Sequence[str]) -> Any:
        """Execute statements, with their values in them, in one round trip; the last one's cursor.

        One that fails ends it: those after it are not executed. Raises pymysql's errors, and
        TooLarge for more than the server takes: it would end the connection.
        """
        sql = ";".join(statements)
        # A character has up to four bytes, and one byte says what this is.
        if 4 * len(sql) >= self.most_bytes and (size := len(sql.encode()) + 1) > self.most_bytes:
            raise TooLarge.of("a statement", limit=self.most_bytes, size=size)
        cursor = self.cursor()
        cursor.execute(sql)
        for _ in statements[1:]:
            cursor.nextset()
        return cursor

    def is_usable(self) -> bool:
        """Whether this thread's connection can still be used."""
        return not self.is_closed() and bool(self.connection().open)

    def drop(self) -> None:
        """Forget this thread's connection; the next statement makes a new one."""
        if not self.is_closed():
            connection = self.connection()
            # Without a word to the server, which may not listen.
            connection._force_close()
            if connection in self._opened:
                self._opened.remove(connection)
        self.dispose()

    def close_all(self) -> None:
        """Close the connections of all threads, and make no more."""
        self._closed = True
        self.dispose()
        while self._opened:
            connection = self._opened.pop()
            with suppress(OSError, AttributeError):  # it is closed already
                # Closing would wait for the thread that waits for an answer.
                connection._sock.shutdown(socket.SHUT_RDWR)
            connection._force_close()


def _idle_limit(version: str) -> str:
    """What ends idle transactions; of MySQL only what ends any idle session."""
    return "idle_transaction_timeout" if "mariadb" in version.lower() else "wait_timeout"
