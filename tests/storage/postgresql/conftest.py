"""What tests of PostgreSQL alone begin with."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from jsonrpc_qm.storage.postgresql import PostgresqlStorage
from tests.servers.postgresql import empty_schema


@pytest.fixture
def url() -> str:
    """An empty schema."""
    return empty_schema()


@pytest.fixture
def storage(url: str) -> Iterator[PostgresqlStorage]:
    """A storage in it."""
    with closing(PostgresqlStorage(url)) as opened:
        yield opened
