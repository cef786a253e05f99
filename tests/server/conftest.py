"""A manager for each test, on each storage; and one for many tests that leave nothing behind."""

from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest

from jsonrpc_qm.access.files import add_token
from jsonrpc_qm.access.grants import Role
from jsonrpc_qm.server import running as start_up
from jsonrpc_qm.server.running import Settings, in_background, running
from jsonrpc_qm.storage import notices
from jsonrpc_qm.storage.base import Storage
from jsonrpc_qm.storage.memory import MemoryStorage
from tests.server.callers import Caller
from tests.server.plain import PlainCaller
from tests.server.sites import MADE, Site
from tests.server.waiting import Waiting, Watched
from tests.storage.conftest import STORAGES


# One that ends with the process, one with a single writer, one with several: what else differs from
# storage to storage is in tests/storage/.
@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def storage(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Storage]:
    """An empty storage, which is closed without a wait."""
    monkeypatch.setattr(notices, "LOOK_EVERY", 0.02)
    opened = STORAGES[request.param](tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def settings() -> Settings:
    """How the manager runs; for tests to override."""
    return Settings(port=0)


@pytest.fixture
async def call(
    storage: Storage, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Caller]:
    """Calls a fresh manager."""
    monkeypatch.setattr(Watched, "made", [], raising=False)
    monkeypatch.setattr(start_up, "Service", Watched)
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        running(storage, settings) as url,
        aiohttp.ClientSession(connector=connector) as session,
    ):
        yield Caller(session, url)


@pytest.fixture
def waiting(call: Caller) -> Waiting:
    """Sends calls that wait to the manager that `call` calls."""
    return Waiting(call, Watched.made[0])


@pytest.fixture(scope="module")
def shared() -> Iterator[PlainCaller]:
    """Calls a manager that the tests of a module share."""
    with (
        in_background(MemoryStorage(), Settings(port=0)) as url,
        closing(PlainCaller(url)) as caller,
    ):
        yield caller


@pytest.fixture(scope="module")
def tokens_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file with all of TOKENS."""
    file = tmp_path_factory.mktemp("access") / "tokens.toml"
    for _, entry in MADE.values():
        add_token(file, entry)
    return str(file)


@pytest.fixture
def site(tokens_file: str) -> Iterator[Site]:
    """A manager with an empty queue."""
    settings = Settings(port=0, tokens=tokens_file)
    with in_background(MemoryStorage(), settings) as url, closing(Site(url)) as site:
        yield site


@pytest.fixture
def admin(site: Site) -> PlainCaller:
    """May do everything."""
    return site.bearer(Role.ADMIN)
