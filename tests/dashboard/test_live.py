"""How the page follows what happens, and the manager's coming and going, in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jsonrpc_qm import Client
from jsonrpc_qm.server.running import Settings, in_background
from jsonrpc_qm.storage.memory import MemoryStorage
from tests.dashboard.browsers import picture
from tests.dashboard.conftest import OpenPage
from tests.servers.processes import free_port

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.timeout(120)


def test_the_overview_is_live(manager: Client, open_page: OpenPage) -> None:
    """What others do is seen without a reload, and what has the focus keeps it."""
    page = open_page()
    page.get_by_text("There are no tasks").wait_for()
    page.evaluate("window.sameAsEver = true")
    manager.queue("hello")
    button = page.get_by_role("button", name="Pause hello")
    button.focus()
    for _ in range(3):
        manager.queue("hello")
    page.locator("td.queued", has_text="4").wait_for()
    (task,) = manager.claim(["hello"])
    page.locator("td.started", has_text="1").wait_for()
    manager.complete(task.id, task.token)
    page.locator("td.completed", has_text="1").wait_for()
    assert page.evaluate("document.activeElement.textContent").split() == ["Pause", "hello"]
    assert page.evaluate("window.sameAsEver")


def test_a_hidden_tab_costs_nothing(
    manager: Client, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its stream is closed and it asks for nothing, until it is looked at again."""
    page = open_page()
    page.locator(".live.live").wait_for()
    page.evaluate(
        """Object.defineProperty(document, "hidden", {get: () => window.away, configurable: true});
        window.away = true; document.dispatchEvent(new Event("visibilitychange"))"""
    )
    page.wait_for_timeout(600)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    manager.queue("hello")
    page.wait_for_timeout(1500)
    assert not asked
    page.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")
    page.get_by_role("link", name="hello").wait_for()
    page.locator(".live.live").wait_for()


def test_a_manager_that_goes_and_comes_back_is_noticed(
    manager: Client, open_page: OpenPage
) -> None:
    """What was shown stays, with a word that it is old."""
    manager.queue("hello")
    page = open_page()
    page.get_by_role("link", name="hello").wait_for()
    page.route("**/rpc", lambda route: route.fulfill(status=502, body=""))
    manager.queue("hello")
    page.get_by_role("alert").get_by_text("Out of date").wait_for()
    page.locator(".live.offline").wait_for()
    picture(page, "offline")
    assert page.get_by_role("link", name="hello").count()
    page.unroute("**/rpc")
    manager.queue("hello")
    page.get_by_role("alert").wait_for(state="detached")
    page.locator("td.queued", has_text="3").wait_for()
    page.locator(".live.live").wait_for()


def test_a_manager_that_has_stopped_is_noticed_in_every_view(browser: Browser) -> None:
    """Also by a form, which asks for nothing; and that it is back."""
    port = free_port()
    settings = Settings(port=port)
    views = [browser.new_page() for _ in range(2)]
    with in_background(MemoryStorage(), settings):
        for page, address in zip(views, ("", "#/queue"), strict=True):
            page.goto(f"http://127.0.0.1:{port}/{address}")
            page.locator(".live.live").wait_for()
    for page in views:
        page.locator(".live.offline").wait_for()
    with in_background(MemoryStorage(), settings):
        for page in views:
            page.locator(".live.live").wait_for()
    for page in views:
        page.context.close()
