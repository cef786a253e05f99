"""What tests of clients begin with; others have a manager of their own."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.client_stub import AsyncCaller, Caller, Connect, FakeManager, SyncCaller


@pytest.fixture
def manager() -> Iterator[FakeManager]:
    with FakeManager() as running:
        yield running


@pytest.fixture(params=[SyncCaller, AsyncCaller], ids=["Client", "AsyncClient"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    made: list[Caller] = []

    def make(url: str | None, **options: Any) -> Caller:
        made.append(request.param(url, **options))
        return made[-1]

    yield make
    for caller in made:
        caller.close()
