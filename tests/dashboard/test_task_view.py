"""One task, why it waits, and what has become of it, in a real browser."""

from __future__ import annotations

import re
from datetime import timedelta, timezone

import pytest

from jsonrpc_qm import Client
from tests.dashboard.browsers import PHONE, picture
from tests.dashboard.conftest import OpenPage

pytestmark = pytest.mark.timeout(120)


def test_why_a_task_does_not_run_is_told(manager: Client, open_page: OpenPage) -> None:
    """Not due yet, paused, nobody asks for it; what no longer holds goes away."""
    task = manager.queue("hello", delay=3600)
    manager.pause("hello")
    page = open_page(f"#/tasks/{task.id}")
    reasons = page.locator(".reasons li")
    reasons.nth(2).wait_for()
    said = " ".join(reasons.all_inner_texts())
    assert "hello is paused" in said
    assert "it is not to run before" in said
    assert "no worker has asked for hello" in said
    picture(page, "waiting-task")
    manager.resume("hello")
    page.get_by_text("hello is paused").wait_for(state="detached")


def test_who_runs_a_task_and_until_when_is_told(manager: Client, open_page: OpenPage) -> None:
    """What ends by itself is the lease, not the task."""
    task = manager.queue("hello")
    manager.claim(["hello"], worker="host-1", lease=3600)
    page = open_page(f"#/tasks/{task.id}")
    said = page.locator(".reasons li", has_text="host-1 runs it; its lease ends")
    said.filter(has_text=re.compile(r"\(in (1h|59m)\)")).wait_for()
    manager.cancel(task.id)
    page.locator(".reasons li", has_text="host-1 is asked to stop").wait_for()


def test_times_are_told_whole(manager: Client, open_page: OpenPage) -> None:
    """With their zone, so that a picture of the page says when; a phone has room for them."""
    task = manager.queue("hello", max_attempts=1)
    (held,) = manager.claim(["hello"])
    failed = manager.fail(held.id, held.token, {"type": "ValueError", "message": "no data"})
    assert failed.finished_at is not None
    zone = timezone(timedelta(hours=-9, minutes=-30))
    said = f"{failed.finished_at.astimezone(zone):%Y-%m-%d %H:%M:%S} UTC-09:30"
    page = open_page(f"#/tasks/{task.id}", viewport=PHONE, timezone_id="Pacific/Marquesas")
    page.locator(".fields time", has_text=said).first.wait_for()
    page.locator("table.history time", has_text=said).first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    picture(page, "times-phone")


def test_a_traceback_is_copied(manager: Client, open_page: OpenPage) -> None:
    """As it came, for a report or a chat."""
    task = manager.queue("hello", max_attempts=1)
    (held,) = manager.claim(["hello"])
    traceback = "Traceback:\n  line 1\nValueError: no data\u202e"
    error = {"type": "ValueError", "message": "no data", "traceback": traceback}
    manager.fail(held.id, held.token, error)
    page = open_page(f"#/tasks/{task.id}", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy Traceback").click()
    page.get_by_text("Traceback copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == traceback


def test_a_task_has_its_history(manager: Client, open_page: OpenPage) -> None:
    """Each step with when, who and why."""
    task = manager.queue("hello", backoff={"base": 0, "max": 0})
    (held,) = manager.claim(["hello"], worker="host-1")
    manager.fail(held.id, held.token, {"type": "ValueError", "message": "no data"})
    (held,) = manager.claim(["hello"], worker="host-2")
    page = open_page(f"#/tasks/{task.id}")
    steps = page.locator("table.history tbody tr")
    steps.nth(3).wait_for()
    became = page.locator("table.history .status").all_inner_texts()
    assert became == ["queued", "started", "queued", "started"]
    assert "ValueError: no data" in steps.nth(2).inner_text()
    assert "host-2" in steps.nth(3).inner_text()
    manager.complete(held.id, held.token)
    steps.nth(4).wait_for()
    picture(page, "history")


def test_what_a_task_queued_is_linked(manager: Client, open_page: OpenPage) -> None:
    """Its continuations, with what they are at."""
    task = manager.queue("first")
    (held,) = manager.claim(["first"])
    manager.complete(held.id, held.token, queue=[{"name": "second"}, {"name": "third"}])
    page = open_page(f"#/tasks/{task.id}")
    page.get_by_role("link", name="third").wait_for()
    assert page.locator(".continuations .status.queued").count() == 2
    picture(page, "continuations")
    page.get_by_role("link", name="second").click()
    page.get_by_role("heading", name="second").wait_for()


def test_a_history_can_be_read_on_a_phone(manager: Client, open_page: OpenPage) -> None:
    """Its steps are cards: why a task failed has the width of the page."""
    task = manager.queue("hello", max_attempts=1)
    (held,) = manager.claim(["hello"], worker="worker-eu-central-1a-7f9c6d5b8-x2x4q.example.org")
    message = "the database of the ledger does not answer within 30 seconds"
    manager.fail(held.id, held.token, {"type": "ConnectionError", "message": message})
    page = open_page(f"#/tasks/{task.id}", viewport=PHONE, is_mobile=True, has_touch=True)
    why = page.locator("table.history td.wide", has_text="ConnectionError")
    why.wait_for()
    assert why.evaluate("(cell) => cell.clientWidth") > PHONE["width"] * 0.8
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    picture(page, "history-phone")
