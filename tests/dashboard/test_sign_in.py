"""A manager that asks who one is, in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jsonrpc_qm import Client
from tests.dashboard.browsers import picture
from tests.dashboard.conftest import OpenPage

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

pytestmark = pytest.mark.timeout(120)

TOKEN = "let-me-in"


def guarded(page: Page) -> None:
    """Have calls of the page answered by 401 until it has signed in."""
    known = False

    def sign_in(route: Route) -> None:
        nonlocal known
        known = (route.request.post_data_json or {}).get("token") == TOKEN
        route.fulfill(status=200 if known else 401, json={})

    def sign_out(route: Route) -> None:
        nonlocal known
        known = False
        route.fulfill(status=204)

    def call(route: Route) -> None:
        if known:
            route.continue_()
        else:
            route.fulfill(status=401, json={"error": "this manager wants a bearer token"})

    page.route("**/rpc", call)
    page.route("**/sign-in", sign_in)
    page.route("**/sign-out", sign_out)


def test_who_is_not_known_signs_in_and_out(manager: Client, open_page: OpenPage) -> None:
    """By a token; a wrong one is said so. The view that was asked for comes then."""
    manager.queue("hello")
    page = open_page("#/queue")
    guarded(page)
    page.get_by_role("link", name="Tasks").click()
    page.get_by_role("heading", name="Sign in").wait_for()
    assert not page.get_by_text("hello").count()
    picture(page, "sign-in")
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("The manager does not know this token.").wait_for()
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="hello").wait_for()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="Sign in").wait_for()
    assert not page.get_by_text("hello").count()
