"""What is long, and what nobody has named with a table in mind, in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jsonrpc_qm import Client
from tests.dashboard.browsers import PHONE, picture
from tests.dashboard.conftest import OpenPage

if TYPE_CHECKING:
    from playwright.sync_api import Locator

pytestmark = pytest.mark.timeout(120)

LONG = "com.example.billing." + "render_and_archive_the_statement_of_a_subsidiary." * 3 + "now"


def lines(text: Locator) -> int:
    """How many lines high it is."""
    line = "parseFloat(getComputedStyle(element).lineHeight)"
    return int(text.evaluate(f"(element) => Math.round(element.offsetHeight / {line})"))


@pytest.mark.parametrize("address", ["", "#/tasks"])
def test_a_long_name_has_two_lines(manager: Client, open_page: OpenPage, address: str) -> None:
    """And is told whole to who points at it, or does not see it; a phone shows all of it."""
    manager.queue(LONG)
    page = open_page(address)
    link = page.get_by_role("link", name=LONG)
    link.wait_for()
    assert lines(link) == 2
    assert link.get_attribute("title") == LONG
    page.set_viewport_size(PHONE)
    assert link.evaluate("(element) => element.getClientRects().length") > 2


def test_a_workers_name_is_not_broken(manager: Client, open_page: OpenPage) -> None:
    """Whatever it asks for: the name is short, and that is not."""
    names = [LONG, *(f"name-{number}" for number in range(40))]
    manager.queue(LONG)
    manager.claim(names, worker="vm-10175", wait=0)
    page = open_page()
    worker = page.locator("table.workers .two-lines", has_text="vm-10175")
    worker.wait_for()
    assert lines(worker) == 1
    asks = page.locator("table.workers td.wide .two-lines")
    assert lines(asks) == 2
    assert asks.get_attribute("title") == ", ".join(names)
    picture(page, "long-names")


def test_rates_stand_under_their_headings(manager: Client, open_page: OpenPage) -> None:
    """While there is no line yet as well."""
    manager.queue("hello")
    page = open_page()
    page.locator("td.rate").first.wait_for()
    right = "(element) => Math.round(element.getBoundingClientRect().right)"
    for place in range(2):
        heading = page.locator("th.rate button").nth(place).evaluate(right)
        assert page.locator("td.rate > span").nth(place).evaluate(right) == heading
