"""Actions on many tasks at once, in a real browser."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from jsonrpc_qm import Client
from tests.dashboard.browsers import picture
from tests.dashboard.conftest import OpenPage

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.timeout(120)


def failed_tasks(manager: Client, number: int) -> None:
    """So many reports that have failed, the first with the parameters 0."""
    manager.queue_many(
        [{"name": "report", "parameters": n, "max_attempts": 1} for n in range(number)]
    )
    for task in manager.claim(["report"], max_tasks=number):
        manager.fail(task.id, task.token, {"type": "ValueError", "message": "no data"})


def press(page: Page, action: str, *, sure: bool = True) -> None:
    """Press a button of the bar and answer its question."""
    page.locator(".bulk").get_by_role("button", name=action).click()
    dialog = page.get_by_role("dialog")
    dialog.wait_for()
    dialog.get_by_role("button", name=action if sure else "No, go back").click()
    dialog.wait_for(state="hidden")


def test_all_that_match_are_retried_after_a_question(manager: Client, open_page: OpenPage) -> None:
    """More than a page shows; the question says how many, and for no nothing is done."""
    failed_tasks(manager, 70)
    manager.queue("other")
    page = open_page("#/tasks?name=report&status=failed")
    page.get_by_text("50 shown").wait_for()
    press(page, "Retry", sure=False)
    assert manager.stats()["names"]["report"]["failed"] == 70
    page.locator(".bulk").get_by_role("button", name="Retry").click()
    page.get_by_role("dialog").get_by_text("Retry 70 tasks?").wait_for()
    picture(page, "bulk-retry")
    page.get_by_role("button", name="Retry 70").click()
    page.get_by_text("70 tasks queued again.").wait_for()
    page.get_by_text("No tasks match.").wait_for()
    assert manager.stats()["names"]["report"]["queued"] == 70


def test_selected_tasks_are_retried_and_no_others(manager: Client, open_page: OpenPage) -> None:
    """By their boxes."""
    failed_tasks(manager, 5)
    page = open_page("#/tasks")
    boxes = page.get_by_role("checkbox", name=re.compile("^Select report"))
    boxes.nth(1).check()
    boxes.nth(3).check()
    page.get_by_text("With the 2 selected:").wait_for()
    press(page, "Retry")
    page.get_by_text("2 tasks queued again.").wait_for()
    page.get_by_text("With all tasks:").wait_for()
    again = [task.parameters for task in manager.list_tasks(status="queued").tasks]
    assert again == [3, 1]


def test_a_page_is_selected_and_deleted(manager: Client, open_page: OpenPage) -> None:
    """By the box in the heading."""
    failed_tasks(manager, 60)
    page = open_page("#/tasks")
    page.get_by_label("Select all on this page").check()
    page.get_by_text("With the 50 selected:").wait_for()
    press(page, "Delete")
    page.get_by_text("50 tasks deleted.").wait_for()
    page.get_by_text("10 shown").wait_for()
    assert manager.stats()["names"]["report"]["failed"] == 10


def test_what_can_not_be_done_is_said(manager: Client, open_page: OpenPage) -> None:
    """A button that fits no task of the filter can't be pressed; one that finds none says so."""
    manager.queue("report")
    page = open_page("#/tasks?status=queued")
    bar = page.locator(".bulk")
    bar.wait_for()
    assert bar.get_by_role("button", name="Retry").is_disabled()
    assert bar.get_by_role("button", name="Delete").is_disabled()
    assert bar.get_by_role("button", name="Cancel").is_enabled()
    page.get_by_role("link", name="Clear").click()
    bar.get_by_role("button", name="Retry").click()
    page.get_by_text("None of all tasks is failed or cancelled.").wait_for()


@pytest.mark.parametrize("address", ["#/tasks", "#/tasks?name=hello"])
def test_of_no_tasks_nothing_can_be_done(open_page: OpenPage, address: str) -> None:
    """Without any, and when none matches."""
    page = open_page(address)
    page.locator(".nothing").wait_for()
    for action in ("Retry", "Cancel", "Delete"):
        assert page.locator(".bulk").get_by_role("button", name=action).is_disabled()


def test_tasks_are_found_by_text_and_time(manager: Client, open_page: OpenPage) -> None:
    """In the parameters or the id, while one types; and by when they were queued."""
    manager.queue("mail", {"to": "ada@example.org"}, id="first-mail")
    manager.queue("mail", {"to": "bob@example.org"})
    page = open_page("#/tasks")
    rows = page.locator("main tbody tr")
    rows.nth(1).wait_for()
    page.get_by_label("Text in id or parameters").press_sequentially("ada@")
    rows.nth(1).wait_for(state="detached")
    assert "ada@example.org" in rows.first.inner_text()
    page.get_by_label("Text in id or parameters").fill("first-m")
    page.wait_for_url("**query=first-m")
    rows.filter(has_text="ada@").wait_for()
    page.get_by_label("until").fill("2020-01-01T00:00")
    page.get_by_text("No tasks match.").wait_for()
    page.get_by_label("until").fill("")
    page.get_by_label("Queued from").fill("2020-01-01T00:00")
    rows.filter(has_text="ada@").wait_for()
    page.get_by_text("With all tasks with “first-m” in id or parameters from 2020").wait_for()
