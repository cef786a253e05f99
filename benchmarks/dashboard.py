"""How long one waits for the dashboard: `python -m benchmarks.dashboard [TIMES]`.

It needs Chromium and Playwright. Each load is one by a browser that has never seen the page, of a
manager with a few hundred tasks, up to the frame in which the overview's rows are painted.
"""

import random
import sys
import tempfile
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser

from benchmarks.manager import managed
from tests.dashboard.browsers import DESK, chromium

NAMES = 20
TASKS = 500

WATCH = """
new MutationObserver((_, observer) => {
  if (!document.querySelector("table.names tbody tr")) return;
  observer.disconnect();
  requestAnimationFrame(() => setTimeout(() => { window.shownAt = performance.now(); }));
}).observe(document, { childList: true, subtree: true });
"""

SENT = """
performance.getEntries()
  .filter((entry) => entry.entryType === "navigation" || /[/]page[/]/.test(entry.name))
  .reduce((sum, entry) => sum + entry.transferSize, 0)
"""


def load(browser: Browser, url: str) -> tuple[float, int]:
    """Milliseconds until the overview is shown, and the bytes that were sent for the page."""
    context = browser.new_context(viewport=DESK)
    context.add_init_script(WATCH)
    page = context.new_page()
    page.goto(url)
    page.locator("table.names tbody tr").first.wait_for()
    while (shown := page.evaluate("window.shownAt ?? null")) is None:
        page.wait_for_timeout(5)
    sent = page.evaluate(SENT)
    context.close()
    return shown, sent


def main() -> None:
    """Print what was measured."""
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    with (
        tempfile.TemporaryDirectory() as folder,
        managed(f"sqlite:///{Path(folder) / 'tasks.db'}") as manager,
        chromium() as browser,
    ):
        tasks = [{"name": f"name-{random.randrange(NAMES)}"} for _ in range(TASKS)]
        manager.call("queue_many", tasks=tasks)
        first, sent = load(browser, manager.url)
        shown = [load(browser, manager.url)[0] for _ in range(times)]
    print(f"the first load of a manager: {first:.0f} ms, {sent / 1000:.1f} kB")
    print(f"{times} more: median {median(shown):.0f} ms, at best {min(shown):.0f} ms, ", end="")
    print(f"at worst {max(shown):.0f} ms")


if __name__ == "__main__":
    main()
