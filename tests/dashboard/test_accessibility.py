"""The dashboard for those who do not see it, or do not use a mouse, in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jsonrpc_qm import Client
from tests.dashboard.browsers import PHONE, picture
from tests.dashboard.conftest import OpenPage
from tests.dashboard.test_page import some_tasks
from tests.servers.processes import missing

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.timeout(120)

VIEWS = ["overview", "tasks", "task", "queue", "keys"]

FOCUSABLE = "a[href], button:not(:disabled), input, select, textarea, summary, [tabindex='0']"

NUMBERED = f"""
() => [...document.querySelectorAll("{FOCUSABLE}")]
  .filter((element) => element.checkVisibility() && !element.closest("dialog"))
  .map((element, number) => (element.dataset.number = number)).length
"""
"""Gives each element that is to get the focus a number; how many there are."""

FOCUSED = """
() => {
  const element = document.activeElement;
  const { outlineStyle, outlineWidth } = getComputedStyle(element);
  return [element.dataset.number, outlineStyle !== "none" && outlineWidth !== "0px"];
}
"""
"""The number of the element that has the focus, and whether one sees that it has it."""


def complaints(page: Page) -> list[str]:
    """What axe finds wrong with the page: the rule, and where."""
    try:
        from axe_playwright_python.sync_playwright import Axe
    except ImportError:
        missing("axe-playwright-python, of the extra `test`,")
    found = Axe().run(page).response["violations"]
    return [f"{rule['id']}: {node['html']}" for rule in found for node in rule["nodes"]]


def opened(manager: Client, open_page: OpenPage, view: str, **options: object) -> Page:
    """A view with something in it."""
    some_tasks(manager)
    (failed,) = manager.list_tasks(status="failed").tasks
    addresses = {"task": f"#/tasks/{failed.id}", "tasks": "#/tasks", "queue": "#/queue"}
    page = open_page(addresses.get(view, ""), **options)
    page.locator("main table, main form, main article").first.wait_for()
    if view == "tasks":
        page.locator("main tbody tr").nth(6).wait_for()
    if view == "queue":
        page.get_by_text("More").click()
    if view == "keys":
        page.keyboard.press("?")
        page.get_by_role("dialog").wait_for()
    return page


@pytest.mark.parametrize("view", VIEWS)
def test_each_view_follows_the_rules(manager: Client, open_page: OpenPage, view: str) -> None:
    """Names, roles, headings and contrast, light and dark, as axe looks at them."""
    page = opened(manager, open_page, view)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        picture(page, f"{view}-{scheme}")
        assert complaints(page) == []


@pytest.mark.parametrize("address", ["", "#/tasks", "#/tasks?name=hello"])
def test_views_without_tasks_follow_them_too(open_page: OpenPage, address: str) -> None:
    """Where there is a word instead of a table."""
    page = open_page(address)
    page.locator(".nothing").wait_for()
    assert complaints(page) == []


def test_a_phone_follows_them_too(manager: Client, open_page: OpenPage) -> None:
    """Where rows are cards."""
    page = opened(manager, open_page, "tasks", viewport=PHONE, is_mobile=True, has_touch=True)
    assert complaints(page) == []


@pytest.mark.parametrize("view", ["overview", "tasks", "task", "queue"])
def test_the_keyboard_reaches_everything(manager: Client, open_page: OpenPage, view: str) -> None:
    """By Tab alone, and one sees where it is."""
    page = opened(manager, open_page, view)
    number = page.evaluate(NUMBERED)
    assert number > 5
    page.evaluate("document.activeElement.blur()")
    reached = {}
    for _ in range(number + 20):
        page.keyboard.press("Tab")
        which, is_seen = page.evaluate(FOCUSED)
        if which is not None:
            reached[which] = is_seen
    assert len(reached) == number
    assert all(reached.values())


def test_a_dialog_keeps_the_focus_and_gives_it_back(manager: Client, open_page: OpenPage) -> None:
    """To the button that had opened it."""
    manager.claim(["hello"], worker="host-1", wait=0)
    page = open_page()
    page.get_by_role("button", name="Drain host-1").press("Enter")
    page.get_by_role("dialog", name="Drain this worker?").wait_for()
    for _ in range(5):
        page.keyboard.press("Tab")
        inside = page.evaluate(
            "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
        )
        assert inside
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="hidden")
    assert "Drain" in page.evaluate("document.activeElement.textContent")
