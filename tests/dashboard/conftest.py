"""A manager, something that calls it, and a browser that looks at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from jsonrpc_qm import Client
from jsonrpc_qm.server.running import Settings, in_background
from jsonrpc_qm.storage.memory import MemoryStorage
from tests.dashboard.browsers import DESK, chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

OpenPage = Callable[..., "Page"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for the tests of a module: each has a context of its own.

    No longer, for what drives it runs an event loop in this thread, beside which no other can.
    """
    with chromium() as started:
        yield started


@pytest.fixture
def settings() -> Settings:
    """How the manager runs; for tests to override."""
    return Settings(port=0)


@pytest.fixture
def url(settings: Settings) -> Iterator[str]:
    """Where a fresh manager listens."""
    with in_background(MemoryStorage(), settings) as started:
        yield started


@pytest.fixture
def manager(url: str) -> Iterator[Client]:
    """Calls the manager."""
    with closing(Client(url, retry_for=0)) as client:
        yield client


@pytest.fixture
def open_page(browser: Browser, url: str) -> Iterator[OpenPage]:
    """Opens the dashboard; what a script throws and what the policy forbids makes the test fail."""
    complaints: list[str] = []
    contexts = []

    def heard(message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            complaints.append(message.text)

    def open_at(address: str = "", **options: Any) -> Page:
        context = browser.new_context(**{"viewport": DESK, "reduced_motion": "reduce", **options})
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", heard)
        page.goto(f"{url}/{address}")
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert not complaints
