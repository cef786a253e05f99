"""Databases that other servers keep, for tests."""

import os
from urllib.parse import quote

import psycopg

POSTGRESQL = "JSONRPC_QM_TEST_POSTGRESQL"
"""The variable with the URL of a server to use."""


def empty_postgresql() -> str:
    """The URL of a schema on that server, emptied; one for each test process."""
    url, name = os.environ[POSTGRESQL], f"acceptance_{os.getpid()}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET client_min_messages = warning")
        connection.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")
        connection.execute(f"CREATE SCHEMA {name}")
    return f"{url}{'&' if '?' in url else '?'}options={quote(f'-csearch_path={name}')}"
