"""How long the dashboard's views take with many tasks: `python -m benchmarks.views [TASKS]`.

It needs Chromium and Playwright. A quarter of the tasks are completed, a few have failed, the rest
waits. Each time is from the click or the address to the frame that shows what was asked for.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

from msgspec.structs import replace
from playwright.sync_api import Page

from benchmarks.manager import Manager, managed
from benchmarks.plan import FULL
from benchmarks.prefill import CROWDED, prefill
from tests.dashboard.browsers import DESK, chromium

TASKS = 1_000_000
BROKEN = 200
"""Tasks of the name `broken` that have failed."""

TIMES = 5

FRAME = "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"
RARE = "a needle"
"""What the parameters of the oldest tasks have, which a search finds last."""


def main() -> None:
    """Print what was measured."""
    tasks = int(sys.argv[1]) if len(sys.argv) > 1 else TASKS
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'tasks.db'}"
        needle(url)
        plan = replace(FULL, finished=tasks // 4, scheduled=tasks // 10, queued=tasks * 13 // 20)
        prefill(url, plan)
        with managed(url) as manager, chromium() as browser:
            break_some(manager)
            page = browser.new_context(viewport=DESK).new_page()
            page.set_default_timeout(120_000)
            for view in views(manager.url):
                times = [measured(page, manager.url, view) for _ in range(TIMES)]
                print(f"{view.what:45} median {median(times):6.0f} ms, ", end="")
                print(f"at worst {max(times):6.0f} ms", flush=True)


def needle(url: str) -> None:
    """Store the task that a search through all finds."""
    with managed(url) as manager:
        manager.call("queue", name="needle", parameters={"text": RARE}, delay=86_400)


def break_some(manager: Manager) -> None:
    """Have some tasks fail."""
    manager.call("queue_many", tasks=[{"name": "broken", "max_attempts": 1}] * BROKEN)
    answer = json.loads(manager.call("claim", names=["broken"], max_tasks=BROKEN))
    error = {"type": "ValueError", "message": "no data"}
    outcomes = [
        {"id": task["id"], "token": task["token"], "status": "failed", "error": error}
        for task in answer["result"]
    ]
    manager.call("report", outcomes=outcomes)


class View(NamedTuple):
    """Something to look at."""

    what: str
    act: Callable[[Page], None]
    """What is measured: it ends when there is what was asked for."""
    before: str | None = None
    """The address of the list that it begins at."""


def measured(page: Page, url: str, view: View) -> float:
    """Milliseconds until what was asked for is painted."""
    page.goto("about:blank")
    if view.before is not None:
        listed(url, view.before)(page)
    begun = time.perf_counter()
    view.act(page)
    page.evaluate(FRAME)
    return (time.perf_counter() - begun) * 1000


def listed(url: str, query: str = "", number: int = 50) -> Callable[[Page], None]:
    """Open a list, until it has so many tasks."""

    def act(page: Page) -> None:
        page.goto(f"{url}/#/tasks{query}")
        page.locator("main tbody tr").nth(number - 1).wait_for()

    return act


def overview(url: str) -> Callable[[Page], None]:
    """Open the overview."""

    def act(page: Page) -> None:
        page.goto(f"{url}/")
        page.get_by_role("link", name=CROWDED).wait_for()

    return act


def go_on(page: Page) -> None:
    """To the next page of a list."""
    first = page.locator("main tbody tr").first.inner_text()
    page.get_by_role("link", name="Older").click()
    page.wait_for_function(
        "(text) => document.querySelector('main tbody tr')?.innerText !== text", arg=first
    )


def open_task(page: Page) -> None:
    """One of a list."""
    page.locator("main tbody tr").nth(7).get_by_role("link").click()
    page.locator("article.task table.history").wait_for()


def counted(action: str) -> Callable[[Page], None]:
    """Have all counted that the action would change."""

    def act(page: Page) -> None:
        page.locator(".bulk").get_by_role("button", name=action).click()
        page.get_by_role("dialog").wait_for()

    return act


def views(url: str) -> list[View]:
    """What is measured."""
    crowd = f"?name={CROWDED}"
    return [
        View("the overview", overview(url)),
        View("the list of all tasks", listed(url)),
        View("its next page", go_on, ""),
        View("tasks of one name", listed(url, crowd)),
        View("completed tasks of one name", listed(url, f"{crowd}&status=completed")),
        View("failed tasks, which are few", listed(url, "?status=failed")),
        View("tasks since a time", listed(url, "?since=2020-01-01T00:00:00Z")),
        View("a text that most tasks have", listed(url, "?query=a")),
        View("a text that one has, the oldest", listed(url, "?query=a+needle", 1)),
        View("a task", open_task, crowd),
        View("the count before retrying the failed", counted("Retry"), "?status=failed"),
        View("the count before cancelling all that wait", counted("Cancel"), "?status=queued"),
    ]


if __name__ == "__main__":
    main()
