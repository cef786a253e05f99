"""A manager with many tasks: its rates beside one with few, its reads, its memory."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

from benchmarks.calls import Answer, Listed, Reader
from benchmarks.compare import compared
from benchmarks.load import drained_per_second
from benchmarks.manager import BULK_CONNECTIONS, Manager, managed, queued_per_second
from benchmarks.plan import Plan
from benchmarks.prefill import CROWDED, OLD, OTHERS
from benchmarks.processes import Broken
from benchmarks.rates import UNIT
from benchmarks.row import Row
from benchmarks.show import progress

MEGABYTE = 1_000_000

Urls = Callable[[str], str]
"""From a name to the URL of a storage that is empty."""

_listed = Reader(Answer[Listed])


def rates(manager: Manager, urls: Urls, plan: Plan) -> Row:
    """Claim and complete with many tasks, beside a manager with few."""
    turns = 0

    def few() -> float:
        nonlocal turns
        turns += 1
        # A new one each time, else the finished tasks would become many.
        with managed(urls(f"few-{turns}")) as small:
            _refilled(small, plan.few)
            return _drains(small, plan)

    _refilled(manager, plan.few)
    measured = compared("many", few, lambda: _drains(manager, plan), plan.rounds)
    return Row(
        key="many",
        what=f"claim and report with {plan.queued:,} queued, {plan.scheduled:,} scheduled,"
        f" {plan.finished:,} finished",
        unit=UNIT,
        figure=measured.figure,
        target=0.7,
        base=measured.base,
        base_unit=f"{UNIT} with {plan.few:,}",
        ratio=measured.ratio,
        spread=measured.spread,
    )


def _refilled(manager: Manager, tasks: int) -> float:
    """Queue tasks and work off as many; seconds of the working off."""
    queued_per_second([manager], CROWDED, tasks)
    rate = drained_per_second([manager.port], CROWDED, tasks=tasks, connections=BULK_CONNECTIONS)
    return tasks / rate


def _drains(manager: Manager, plan: Plan) -> float:
    """Tasks a second, over several drains."""
    spent = [_refilled(manager, plan.few) for _ in range(plan.drains)]
    return plan.drains * plan.few / sum(spent)


def reads(manager: Manager, plan: Plan) -> Row:
    """The slowest of `stats` and of many kinds of `list_tasks`: its median."""
    calls: dict[str, tuple[str, dict[str, Any]]] = {
        "stats": ("stats", {}),
        "the newest": ("list_tasks", {}),
        "1,000 of them": ("list_tasks", {"limit": 1000}),
        "a name": ("list_tasks", {"name": OTHERS[3]}),
        "a crowded name": ("list_tasks", {"name": CROWDED}),
        "an old name": ("list_tasks", {"name": OLD}),
        "no such name": ("list_tasks", {"name": "nobody"}),
        "a name and a status": ("list_tasks", {"name": CROWDED, "status": "completed"}),
        "far down": ("list_tasks", {"cursor": _cursor(manager, plan)}),
        "far down a name": (
            "list_tasks",
            {"name": CROWDED, "cursor": _cursor(manager, plan, name=CROWDED)},
        ),
    }
    for status in ("queued", "started", "completed", "failed", "cancelled"):
        calls[f"all {status}"] = ("list_tasks", {"status": status})
    medians: dict[str, float] = {}
    longest: list[float] = []
    for kind, (method, params) in calls.items():
        samples = [_milliseconds(manager, method, params) for _ in range(plan.read_samples)]
        medians[kind] = median(samples)
        longest.append(max(samples))
    slowest = max(medians, key=lambda kind: medians[kind])
    progress("reads, ms: " + ", ".join(f"{kind} {ms:.1f}" for kind, ms in medians.items()))
    return Row(
        key="reads",
        what="`stats`, `list_tasks` there, the slowest kind",
        unit="ms",
        figure=medians[slowest],
        target=50.0,
        spread=(min(medians.values()), max(longest)),
        note=f"slowest: {slowest}; stats {medians['stats']:.1f} ms",
    )


def _milliseconds(manager: Manager, method: str, params: dict[str, Any]) -> float:
    start = time.perf_counter()
    manager.call(method, **params)
    return (time.perf_counter() - start) * 1000


def _cursor(manager: Manager, plan: Plan, **params: Any) -> str:
    """Where one arrives after many pages."""
    cursor: str | None = None
    for _ in range(plan.pages):
        if cursor is not None:
            params["cursor"] = cursor
        page = _listed(manager.call("list_tasks", limit=1000, **params))
        if len(page.tasks) != 1000 or page.next_cursor is None:
            raise Broken(f"a page of {len(page.tasks)} tasks where there are many more")
        cursor = page.next_cursor
    assert cursor is not None
    return cursor


def memory(manager: Manager) -> Row:
    """What the manager occupies after all this."""
    return Row(
        key="memory",
        what="memory of the manager there",
        unit="MB",
        figure=manager.process.resident_bytes() / MEGABYTE,
        target=150.0,
        note=f"peak {manager.process.peak_bytes() / MEGABYTE:.0f} MB",
    )


@contextmanager
def crowded(url: str) -> Iterator[Manager]:
    """The manager on the prefilled storage; all is counted at the end as it was at the start."""
    with managed(url) as manager:
        before = manager.stats().names[CROWDED]
        yield manager
        manager.expect(CROWDED, queued=before.queued, scheduled=before.scheduled, started=0)
