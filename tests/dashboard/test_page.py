"""The dashboard in a real browser."""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from jsonrpc_qm import Client
from jsonrpc_qm.server import rates
from tests.acceptance.rpc import until
from tests.dashboard.browsers import PHONE, picture
from tests.dashboard.conftest import OpenPage

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page, Route

pytestmark = pytest.mark.timeout(120)

BIG = 12345678901234567890


def some_tasks(manager: Client) -> None:
    """Tasks in each state, of two names; and a name that is paused."""
    for month in range(1, 6):
        manager.queue("report", {"month": month, "net": BIG}, max_attempts=1)
    manager.queue("mail", {"to": "ada@example.org"}, delay=7200)
    manager.queue("nightly", None)
    manager.pause("nightly")
    done, failed, held = manager.claim(["report"], worker="host-1", max_tasks=3)
    result = {"pages": 3, "rows": [{"sum": 1.5}, {"sum": BIG}]}
    manager.complete(done.id, done.token, result=result)
    error = {"type": "ValueError", "message": "no data", "traceback": "Traceback:\n  line 1"}
    manager.fail(failed.id, failed.token, error)
    manager.heartbeat([{"id": held.id, "token": held.token, "progress": {"percent": 40}}])


def row(page: Page, text: str) -> str:
    """The words of the table row that has this text."""
    return " ".join(page.locator("main tbody tr", has_text=text).first.inner_text().split())


def test_the_overview_has_a_row_a_name_and_a_worker(manager: Client, open_page: OpenPage) -> None:
    """With counts, what is paused, and what the worker runs."""
    some_tasks(manager)
    page = open_page()
    page.wait_for_selector("table.names")
    assert re.match(r"report 2 0 1 1 1 0 \d+s", row(page, "report"))
    assert re.match("mail 0 1 0 0 0 0 \N{EN DASH}", row(page, "mail"))
    assert re.match(r"nightly paused 1 0 0 0 0 0 \d+s .*Resume", row(page, "nightly"))
    assert re.match(r"host-1 \d+s ago 1 report for \d+s report Drain", row(page, "host-1"))
    picture(page, "overview")


@pytest.mark.parametrize("address", ["", "#/tasks"])
def test_without_tasks_it_is_told_how_to_queue_one(
    open_page: OpenPage, url: str, address: str
) -> None:
    """By the form, and by a command that finds this manager."""
    page = open_page(address)
    page.get_by_text(f"""queue hello '{{"name": "Ada"}}' --manager {url}""").wait_for()
    picture(page, f"no-tasks{address.replace('#/', '-')}")
    assert not page.get_by_text("No tasks match.").count()
    page.get_by_role("link", name="Queue one").click()
    page.get_by_label("Parameters").wait_for()


def test_rates_are_lines(
    manager: Client, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For all names together and for each; what they show is said to who can't see them."""
    monkeypatch.setattr(rates, "STEP", 0.7)
    for number in range(15):
        manager.queue_many([{"name": "hello"}] * (number % 4 + 1))
        time.sleep(0.1)
    page = open_page()
    line = page.get_by_role("img", name=re.compile("hello: queued per second over the last .+: at"))
    line.locator("polyline").wait_for()
    assert page.locator(".chart svg polyline").count() == 2

    def shows_a_rate() -> bool:
        # It is that of the last interval, in which nothing may have been queued.
        manager.queue("hello")
        return float(page.locator(".chart strong").first.inner_text()) > 0

    until(shows_a_rate)
    picture(page, "rates")


def test_names_are_paused_and_resumed(manager: Client, open_page: OpenPage) -> None:
    """By a button, whose outcome is told."""
    manager.queue("hello")
    page = open_page()
    page.get_by_role("button", name="Pause hello").click()
    page.get_by_role("status").get_by_text("hello paused").wait_for()
    page.locator(".badge", has_text="paused").wait_for()
    assert manager.stats()["names"]["hello"]["paused"]
    page.get_by_role("button", name="Resume hello").click()
    page.locator(".badge", has_text="paused").wait_for(state="detached")
    assert not manager.stats()["names"]["hello"]["paused"]


def test_a_worker_is_drained_after_a_question(manager: Client, open_page: OpenPage) -> None:
    """Escape is no."""
    manager.claim(["hello"], worker="host-1", wait=0)
    page = open_page()
    page.get_by_role("button", name="Drain host-1").click()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Drain host-1").click()
    assert not manager.workers()[0].drain
    page.get_by_role("dialog").get_by_role("button", name="Drain").click()
    page.locator(".badge", has_text="draining").wait_for()
    assert manager.workers()[0].drain


def test_silent_workers_are_counted_apart(manager: Client, open_page: OpenPage) -> None:
    """Those not heard of for a minute; the manager remembers them for longer."""
    for worker in ("host-1", "host-2", "host-3"):
        manager.claim(["hello"], worker=worker, wait=0)
    page = open_page()
    page.locator(".about", has_text="3 workers, memory").wait_for()

    def hush(route: Route) -> None:
        body = route.fetch().text()
        seen = re.compile(r'("worker":"host-2".*?"last_seen":")\d{4}')
        route.fulfill(body=seen.sub(r"\g<1>2020", body))

    page.route("**/rpc", hush)
    manager.queue("hello")
    page.locator(".about", has_text="2 workers and 1 silent, memory").wait_for()
    assert "silent" in row(page, "host-2")


def test_tasks_are_listed_and_filtered(manager: Client, open_page: OpenPage) -> None:
    """The filter is in the address, so that it can be kept and sent to others."""
    some_tasks(manager)
    page = open_page("#/tasks")
    page.locator("main tbody tr").nth(6).wait_for()
    assert "ValueError: no data" in row(page, "failed")
    assert re.search(r"due in (2h|1h 59m)", row(page, "mail"))
    assert str(BIG) in row(page, "started")
    picture(page, "tasks")
    page.get_by_label("Status").select_option("failed")
    page.locator("main tbody tr").nth(1).wait_for(state="detached")
    page.get_by_label("Name").fill("nobody")
    page.get_by_text("No tasks match.").wait_for()
    assert page.url.endswith("#/tasks?name=nobody&status=failed")
    page.get_by_role("link", name="Clear").click()
    page.locator("main tbody tr").nth(6).wait_for()
    assert page.get_by_label("Name").input_value() == ""


def test_a_list_tells_when_what_it_lists_has_happened(manager: Client, open_page: OpenPage) -> None:
    """Of failed tasks when they failed, of queued ones when they were queued."""
    some_tasks(manager)
    (failed,) = manager.list_tasks(status="failed").tasks
    (started,) = manager.list_tasks(status="started").tasks
    queued = manager.list_tasks(status="queued").tasks[0]
    page = open_page("#/tasks")
    for status, heading, task, moment in (
        ("", "When", started, started.started_at),
        ("failed", "Finished", failed, failed.finished_at),
        ("started", "Started", started, started.started_at),
        ("queued", "Queued", queued, queued.created_at),
    ):
        page.get_by_label("Status").select_option(status)
        page.locator("thead th", has_text=re.compile(f"^{heading}$")).wait_for()
        row = page.locator("main tbody tr", has=page.locator(f"[title='{task.id}']"))
        told = row.locator("time").first.get_attribute("datetime")
        assert told is not None
        assert datetime.fromisoformat(told) == moment


def test_a_long_list_has_pages(manager: Client, open_page: OpenPage) -> None:
    """Older and newer ones, by links."""
    manager.queue_many([{"name": "hello", "parameters": number} for number in range(120)])
    page = open_page("#/tasks?name=hello")

    def first(parameters: str) -> Locator:
        exactly = re.compile(f"^{parameters}$")
        return page.locator("main tbody tr:first-child td.preview", has_text=exactly)

    page.get_by_role("link", name="Older").click()
    first("69").wait_for()
    page.get_by_role("link", name="Older").click()
    page.get_by_text("20 shown").wait_for()
    first("19").wait_for()
    assert not page.get_by_role("link", name="Older").count()
    page.get_by_role("link", name="Newer").click()
    page.get_by_text("50 shown").wait_for()
    first("69").wait_for()
    page.get_by_role("link", name="Newest").click()
    first("119").wait_for()


def test_the_list_is_live_but_does_not_move_under_a_selection(
    manager: Client, open_page: OpenPage
) -> None:
    """Then states go on changing, and new tasks wait."""
    first = manager.queue("hello", "first")
    page = open_page("#/tasks")
    page.get_by_label(f"Select hello {first.id}").check()
    manager.queue("hello", "second")
    manager.cancel(first.id)
    page.locator(".status.cancelled").wait_for()
    assert page.locator("main tbody tr").count() == 1
    assert page.get_by_label(f"Select hello {first.id}").is_checked()
    page.get_by_role("button", name="Refresh").click()
    page.get_by_text("second").wait_for()


def test_a_failed_task_tells_why_and_is_retried(manager: Client, open_page: OpenPage) -> None:
    """Its error with the traceback, and a button for what its state allows."""
    some_tasks(manager)
    (failed,) = manager.list_tasks(status="failed").tasks
    page = open_page(f"#/tasks/{failed.id}")
    page.get_by_text("Traceback:").wait_for()
    picture(page, "failed-task")
    assert not page.get_by_role("button", name="Cancel").count()
    page.get_by_role("button", name="Retry").click()
    page.locator("header .status.queued").wait_for()
    page.get_by_role("button", name="Cancel").click()
    page.locator("header .status.cancelled").wait_for()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.wait_for_url("**/#/tasks")
    assert failed.id not in [task.id for task in manager.list_tasks().tasks]


def test_a_result_is_a_tree_that_folds(manager: Client, open_page: OpenPage) -> None:
    """And integers keep all their digits."""
    some_tasks(manager)
    (done,) = manager.list_tasks(status="completed").tasks
    page = open_page(f"#/tasks/{done.id}")
    tree = page.locator("section", has_text="Result").locator(".tree")
    tree.get_by_text("rows").wait_for()
    assert not tree.get_by_text(str(BIG)).count()
    tree.locator("summary", has_text=re.compile(r"^\s*1\b")).click()
    tree.get_by_text(str(BIG), exact=True).wait_for()
    tree.locator("summary").first.click()
    tree.get_by_text("pages").wait_for(state="hidden")
    picture(page, "completed-task")


def test_a_task_is_live_while_it_runs(manager: Client, open_page: OpenPage) -> None:
    """From the queue to its result, its progress in between."""
    task = manager.queue("hello")
    page = open_page(f"#/tasks/{task.id}")
    page.locator("header .status.queued").wait_for()
    (held,) = manager.claim(["hello"], worker="host-1")
    page.locator("header .status.started").wait_for()
    manager.heartbeat([{"id": held.id, "token": held.token, "progress": "half of it"}])
    page.get_by_text("half of it").wait_for()
    manager.complete(held.id, held.token, result="all of it")
    page.get_by_text("all of it").wait_for()


def test_a_task_that_is_not_there_is_said_so(open_page: OpenPage) -> None:
    """As after its deletion."""
    page = open_page("#/tasks/none")
    page.get_by_text("Task not found").wait_for()


def test_a_task_is_queued_by_the_form(manager: Client, open_page: OpenPage) -> None:
    """Wrong JSON and refused values are pointed out; digits are kept."""
    page = open_page("#/queue")
    page.get_by_label("Name").fill("hello")
    page.get_by_label("Parameters").fill("{")
    page.get_by_role("button", name="Queue").click()
    page.get_by_role("alert").wait_for()
    assert page.get_by_label("Parameters").get_attribute("aria-invalid") == "true"
    page.get_by_label("Parameters").fill(f'{{"big": {BIG}, "one": 1.0}}')
    page.get_by_text("More").click()
    page.get_by_label("Priority").fill("2000000")
    page.get_by_role("button", name="Queue").click()
    page.get_by_role("alert").get_by_text("priority").wait_for()
    picture(page, "queue")
    page.get_by_label("Priority").fill("7")
    page.get_by_role("button", name="Queue").click()
    page.locator("header .status.queued").wait_for()
    (task,) = manager.list_tasks().tasks
    assert task.parameters == {"big": BIG, "one": 1.0}
    assert isinstance(task.parameters["one"], float)
    assert task.priority == 7
    page.get_by_role("button", name="Queue one like it").click()
    assert str(BIG) in page.get_by_label("Parameters").input_value()
    assert page.get_by_label("Priority").input_value() == "7"


def test_a_hostile_task_is_nothing_but_text(manager: Client, open_page: OpenPage) -> None:
    """Markup in every field, and marks that turn text around."""
    evil = "<script>window.hurt = 1</script><img src=x onerror='window.hurt = 1'>\u202e\u0007"
    error = {"type": evil, "message": evil, "traceback": evil, "data": {evil: evil}}
    task = manager.queue(
        evil, {evil: [evil]}, metadata={evil: evil}, unique_key=evil, max_attempts=1
    )
    held = manager.claim([evil], worker=evil)[0]
    manager.heartbeat([{"id": held.id, "token": held.token, "progress": {"__proto__": evil}}])
    for address in ("", "#/tasks", f"#/tasks/{task.id}"):
        page = open_page(address)
        page.get_by_text("<script>").first.wait_for()
        assert page.get_by_text("\\u202e").count()
        assert not page.locator("main script, main img, body > img").count()
        assert not page.evaluate("window.hurt")
    manager.fail(held.id, held.token, error)
    page.locator(".failure pre").wait_for()
    page.locator(".failure summary").click()
    picture(page, "hostile-task")
    page.get_by_role("button", name="Retry").click()
    page.locator("header .status.queued").wait_for()
    assert not page.evaluate("window.hurt")


def test_keys_do_what_the_list_of_keys_says(manager: Client, open_page: OpenPage) -> None:
    """From the overview to a task and its selection without a mouse."""
    some_tasks(manager)
    page = open_page()
    page.wait_for_selector("table.names")
    page.keyboard.press("?")
    page.get_by_role("dialog").get_by_text("search the tasks").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.locator("input[name=query]:focus").wait_for()
    page.evaluate("document.activeElement.blur()")
    page.locator("main tbody tr").nth(6).wait_for()
    for key in ("j", "j", "j", "k", "x"):
        page.keyboard.press(key)
    assert page.locator("tr.selected").count() == 1
    assert page.locator("main tbody tr").nth(1).get_attribute("class") == "selected"
    page.keyboard.press("Enter")
    page.locator("article.task").wait_for()
    page.keyboard.press("n")
    page.get_by_label("Parameters").wait_for()


def test_the_theme_is_the_systems_or_the_chosen_one(manager: Client, open_page: OpenPage) -> None:
    """And the choice is kept."""
    some_tasks(manager)
    page = open_page(color_scheme="dark")
    page.wait_for_selector("table.names")

    def brightness() -> int:
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, re.findall(r"\d+", colour)[:3]))

    assert brightness() < 200
    picture(page, "overview-dark")
    page.get_by_role("button", name="Theme: auto").click()
    assert brightness() > 600
    page.reload()
    page.get_by_role("button", name="Theme: light").wait_for()
    assert brightness() > 600


@pytest.mark.parametrize("view", ["overview", "tasks", "task", "queue"])
def test_a_phone_shows_all_without_scrolling_sideways(
    manager: Client, open_page: OpenPage, view: str
) -> None:
    """Every view fits into 390 pixels."""
    some_tasks(manager)
    (failed,) = manager.list_tasks(status="failed").tasks
    address = {"overview": "", "task": f"#/tasks/{failed.id}"}.get(view, f"#/{view}")
    page = open_page(address, viewport=PHONE, is_mobile=True, has_touch=True)
    page.locator("main table, main form, main article").first.wait_for()
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    picture(page, f"{view}-phone")


def test_names_are_sorted_by_any_column(manager: Client, open_page: OpenPage) -> None:
    """The most on top; by name again by its own heading."""
    for name, tasks in (("a", 1), ("b", 3), ("c", 2)):
        manager.queue_many([{"name": name}] * tasks)
    page = open_page()
    heads = page.locator("table.names tbody th")
    heads.nth(2).wait_for()
    assert heads.all_inner_texts() == ["a", "b", "c"]
    page.get_by_role("button", name="Queued", exact=True).click()
    page.locator("th[aria-sort=descending]").wait_for()
    assert heads.all_inner_texts() == ["b", "c", "a"]
    page.get_by_role("button", name="Name").click()
    page.locator("th[aria-sort=ascending]").wait_for()
    assert heads.all_inner_texts() == ["a", "b", "c"]
