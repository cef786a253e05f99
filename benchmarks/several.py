"""The same load on one, two and four managers of one storage."""

from collections.abc import Iterator
from contextlib import ExitStack

from msgspec.structs import replace

from benchmarks.compare import Comparison
from benchmarks.manager import managed
from benchmarks.many import Urls
from benchmarks.plan import Plan
from benchmarks.rates import QUEUE_MANY, REPORT, UNIT, WORK, compared_row
from benchmarks.row import Row
from benchmarks.show import progress

WORKERS = 4
"""Processes that do the work, however many managers there are."""

RATES = (
    QUEUE_MANY,
    REPORT,
    replace(WORK, what=f"no-op tasks through {WORKERS} processes of workers"),
)


def managers(urls: Urls, plan: Plan) -> Iterator[Row]:
    """Rates with each number of managers, beside one."""
    plan = replace(plan, worker_processes=WORKERS)
    turns = [_turn(urls("managers-1-0"), 1, plan)]
    single = [turns[0]]
    more: dict[int, list[dict[str, float]]] = {number: [] for number in plan.several}
    for place in range(1, plan.several_rounds + 1):
        for number in plan.several:
            more[number].append(_turn(urls(f"managers-{number}-{place}"), number, plan))
        single.append(_turn(urls(f"managers-1-{place}"), 1, plan))
    for number in plan.several:
        for rate in RATES:
            measured = Comparison.of(
                [turn[rate.key] for turn in single], [turn[rate.key] for turn in more[number]]
            )
            yield compared_row(
                "managers",
                f"{number} managers: {rate.what}",
                measured,
                base_unit=f"{UNIT} with one",
                target=None,
            )


def _turn(url: str, number: int, plan: Plan) -> dict[str, float]:
    """Start so many managers on a new storage, warm them up, and measure each rate."""
    figures: dict[str, float] = {}
    with ExitStack() as stack:
        started = [stack.enter_context(managed(url)) for _ in range(number)]
        for rate in RATES:
            with rate.load(started, plan) as turn:
                turn()
                figures[rate.key] = turn()
    said = ", ".join(f"{key} {figure:,.0f}/s" for key, figure in figures.items())
    progress(f"managers: {number}: {said}")
    return figures
