"""A manager that asks who one is, in a real browser, with real tokens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jsonrpc_qm import Client
from jsonrpc_qm.access.files import add_token
from jsonrpc_qm.access.grants import Role
from jsonrpc_qm.access.tokens import new_token
from jsonrpc_qm.server.running import Settings
from tests.dashboard.browsers import picture
from tests.dashboard.conftest import OpenPage
from tests.dashboard.test_accessibility import complaints

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.timeout(120)

_MADE = {
    "admin": new_token(Role.ADMIN),
    "operator": new_token(Role.OPERATOR),
    "mail's operator": new_token(Role.OPERATOR, ["mail"]),
    "producer": new_token(Role.PRODUCER),
}
TOKENS = {whose: token for whose, (token, _) in _MADE.items()}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A manager that knows TOKENS."""
    for _, entry in _MADE.values():
        add_token(tmp_path / "tokens.toml", entry)
    return Settings(port=0, tokens=str(tmp_path / "tokens.toml"))


@pytest.fixture
def manager(url: str) -> Iterator[Client]:
    """Calls the manager, and may do everything."""
    with closing(Client(url, retry_for=0, token=TOKENS["admin"])) as client:
        yield client


def sign_in(page: Page, whose: str) -> None:
    """Type a token into the form."""
    page.get_by_label("Token").fill(TOKENS[whose])
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Sign out").wait_for()


def places(page: Page) -> list[str]:
    """Where the links at the top lead to."""
    return page.get_by_role("navigation", name="Places").get_by_role("link").all_inner_texts()


def test_who_is_not_known_signs_in_and_out(manager: Client, open_page: OpenPage) -> None:
    """A wrong token is said so; the view that was asked for comes with the right one."""
    manager.queue("hello")
    page = open_page("#/tasks")
    page.get_by_role("heading", name="Sign in").wait_for()
    assert places(page) == []
    picture(page, "sign-in")
    assert complaints(page) == []
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("The manager does not know this token.").wait_for()
    sign_in(page, "operator")
    page.get_by_role("link", name="hello").wait_for()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="Sign in").wait_for()
    assert not page.get_by_text("hello").count()
    page.reload()
    page.get_by_role("heading", name="Sign in").wait_for()
    assert page.context.cookies() == []


def test_the_token_is_out_of_scripts_reach(open_page: OpenPage) -> None:
    """It is in a cookie that only this manager's own pages send, and in nothing else."""
    page = open_page()
    sign_in(page, "operator")
    (cookie,) = page.context.cookies()
    assert cookie["value"] == TOKENS["operator"]
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/")
    kept = page.evaluate("document.cookie + JSON.stringify(localStorage) + location.href")
    assert TOKENS["operator"] not in kept
    assert page.get_by_label("Token").count() == 0


def test_who_can_not_queue_is_not_asked_to(open_page: OpenPage) -> None:
    """An operator waits for others; an admin is told what a shell needs."""
    page = open_page()
    sign_in(page, "operator")
    page.get_by_text("There are no tasks").wait_for()
    assert not page.get_by_role("link", name="Queue one").count()
    assert not page.get_by_text("jsonrpc-qm queue").count()
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, "admin")
    page.get_by_role("link", name="Queue one").wait_for()
    page.get_by_text("with a token in JSONRPC_QM_TOKEN").wait_for()


def test_an_operator_sees_and_acts(manager: Client, open_page: OpenPage) -> None:
    """Live, and without a form to queue with."""
    failed = manager.queue("report", max_attempts=1)
    (held,) = manager.claim(["report"])
    manager.fail(held.id, held.token, {"type": "ValueError", "message": "no data"})
    page = open_page()
    sign_in(page, "operator")
    page.locator(".live.live").wait_for()
    page.get_by_role("button", name="Pause report").click()
    page.locator(".badge", has_text="paused").wait_for()
    assert places(page) == ["Overview", "Tasks"]
    page.goto(page.url.partition("#")[0] + f"#/tasks/{failed.id}")
    page.get_by_role("button", name="Retry").click()
    page.locator("header .status.queued").wait_for()
    assert page.get_by_role("button", name="Queue one like it").count() == 0
    page.goto(page.url.partition("#")[0] + "#/queue")
    page.get_by_text("Your token does not show this").wait_for()


def test_a_producer_queues_and_sees_no_more_than_its_task(
    manager: Client, open_page: OpenPage
) -> None:
    """Neither the overview nor the list; and it may cancel what waits."""
    manager.queue("secret")
    page = open_page()
    sign_in(page, "producer")
    page.get_by_text("Your token does not show this").wait_for()
    picture(page, "sign-in-producer")
    assert places(page) == ["Queue a task"]
    page.get_by_role("main").get_by_role("link", name="Queue a task").click()
    page.get_by_label("Name").fill("hello")
    page.get_by_role("button", name="Queue", exact=True).click()
    page.locator("header .status.queued").wait_for()
    page.get_by_role("button", name="Cancel").click()
    page.locator("header .status.cancelled").wait_for()
    for action in ("Retry", "Delete"):
        assert page.get_by_role("button", name=action).count() == 0
    assert not page.get_by_text("secret").count()


def test_a_token_shows_its_names_only(manager: Client, open_page: OpenPage) -> None:
    """In the overview, in lists, and by an id that somebody told."""
    manager.queue("mail")
    other = manager.queue("report")
    manager.claim(["payroll"], worker="host-9", wait=0)
    page = open_page()
    sign_in(page, "mail's operator")
    page.get_by_role("link", name="mail").wait_for()
    assert not page.get_by_text("report").count()
    assert not page.get_by_text("host-9").count()
    page.get_by_role("link", name="Tasks").click()
    page.get_by_text("1 shown").wait_for()
    assert not page.get_by_text("report").count()
    page.goto(page.url.partition("#")[0] + f"#/tasks/{other.id}")
    page.get_by_text("may have been deleted").wait_for()
    assert not page.get_by_text("report").count()
