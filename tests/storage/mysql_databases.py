"""Empty MySQL storages for the contract tests, all on one server."""

import atexit
import os
from contextlib import ExitStack
from functools import cache

import pymysql

from jsonrpc_qm.storage.mysql import MysqlStorage
from jsonrpc_qm.storage.mysql_url import options_of
from tests.storage.mysql_server import SERVER, mysql_server

# What tests store need not outlast a crash.
FAST = ("--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=64M")


@cache
def server_url() -> str:
    """The server of this run: the one that is given, or one that ends with the run."""
    if url := os.environ.get(SERVER):
        return url
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(mysql_server(*FAST)).url


def empty_mysql_storage() -> MysqlStorage:
    """Open the database of this run, without any task."""
    storage = MysqlStorage(server_url())
    with pymysql.connect(**options_of(server_url())) as connection, connection.cursor() as cursor:
        for table in ("task", "tally", "paused", "worker"):
            cursor.execute(f"DELETE FROM {table}")
        connection.commit()
    return storage
