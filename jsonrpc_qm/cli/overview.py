"""The overview of `top`: what waits, how fast it goes, and who works.

Whoever imports this imports rich, so the command does it when it paints.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from jsonrpc_qm.answers import NameRates, Rates, WorkerInfo
from jsonrpc_qm.cli.tables import age, cell, is_silent, plain_table, yielding_cell
from jsonrpc_qm.cli.words import counted
from jsonrpc_qm.task import Task

RECENT = 30.0
"""Seconds over which a rate is taken."""

BARS = " ▁▂▃▄▅▆▇█"
BARS_SHOWN = 20
TASKS_SHOWN = 3
"""Of how many tasks of a worker it is said what they are; those that have run longest."""

OTHER_LINES = 9
"""Lines besides those of names and workers."""

MOST_DIGITS = 100_000
"""From here on counts are shortened."""


NAME_WIDTH = 12
"""Characters of a name that stay on the narrowest terminal."""

LEFT_OUT_FIRST = ("DONE", "SCHED", "OUT/S", "IN/S", "STARTED", "FAILED", "OLDEST")
"""The columns that there may be no room for, those that matter least first."""


class Overview(NamedTuple):
    """What the manager said."""

    stats: dict[str, Any]
    workers: Sequence[WorkerInfo]
    running: Sequence[Task]
    """Tasks that run; not all, if there are many."""
    rates: Rates

    def table(self, height: int | None = None, width: int | None = None) -> RenderableType:
        """Everything, in at most `height` lines; None for as many as it takes.

        Where `width` columns are too few for all, what matters least is left out.
        """
        names = self._names_by_what_waits()
        for_names, for_workers = len(names), len(self.workers)
        if height is not None:
            left = max(2, height - OTHER_LINES)
            for_workers = min(for_workers, max(left // 2, left - for_names))
            for_names = left - for_workers
        return Group(
            self._about(),
            Text(),
            self._names(names[:for_names], width),
            *_rest(len(names) - for_names, "name"),
            Text(),
            self._workers(for_workers),
            *_rest(len(self.workers) - for_workers, "worker"),
        )

    def _names_by_what_waits(self) -> list[str]:
        def waits(name: str) -> tuple[float, ...]:
            counts = self.stats["names"][name]
            oldest = counts["oldest_queued_age"] or 0.0
            return (-counts["queued"], -oldest, -counts["scheduled"], -counts["started"])

        return sorted(self.stats["names"], key=lambda name: (waits(name), name))

    def _about(self) -> Text:
        manager = self.stats["manager"]
        text = cell(f"up {age(manager['uptime'])}, {manager['storage']}", "dim")
        for what in ("queued", "finished"):
            steps = self._summed(what)
            rate = _rate(steps, self.rates.interval)
            text.append(f"\n{what:<8} {rate:>6}/s ")
            text.append(_bars(steps[-BARS_SHOWN:]), "yellow" if what == "queued" else "green")
        return text

    def _summed(self, what: str) -> list[int]:
        lists = [_steps(rates, what) for rates in self.rates.names.values()]
        length = max(map(len, lists), default=0)
        # They end together; one that begins later is shorter.
        padded = [[0] * (length - len(steps)) + list(steps) for steps in lists]
        return [sum(step) for step in zip(*padded, strict=True)]

    def _names(self, names: Sequence[str], width: int | None) -> Table:
        first = [yielding_cell(name) for name in names]
        columns = self._columns(names)
        if width is not None:
            columns = _fitting(columns, width - _name_width(first))
        table = plain_table(space=1)
        table.add_column("NAME", min_width=_name_width(first))
        for heading in columns:
            table.add_column(heading, justify="right", no_wrap=True)
        for row in zip(first, *columns.values(), strict=True):
            table.add_row(*row)
        return table

    def _columns(self, names: Sequence[str]) -> dict[str, list[Text]]:
        """The cells beside the names, by the heading of their column."""
        counts = [self.stats["names"][name] for name in names]
        none = NameRates(queued=[], finished=[])
        rates = [self.rates.names.get(name, none) for name in names]
        oldest = [each["oldest_queued_age"] for each in counts]
        interval = self.rates.interval
        columns = {
            "QUEUED": [_count(each["queued"], "yellow") for each in counts],
            "SCHED": [_count(each["scheduled"]) for each in counts],
            "STARTED": [_count(each["started"], "cyan") for each in counts],
            "DONE": [_count(each["completed"]) for each in counts],
            "FAILED": [_count(each["failed"], "red") for each in counts],
            "OLDEST": [cell("-" if each is None else age(each)) for each in oldest],
            "IN/S": [cell(_rate(each.queued, interval)) for each in rates],
            "OUT/S": [cell(_rate(each.finished, interval)) for each in rates],
        }
        if any(each["paused"] for each in counts):
            columns[""] = [cell("paused" if each["paused"] else "", "yellow") for each in counts]
        return columns

    def _workers(self, most: int) -> Table:
        now = datetime.now(UTC)
        living_first = sorted(self.workers, key=lambda worker: is_silent(worker, now))
        shown = living_first[:most]
        first = [yielding_cell(worker.worker) for worker in shown]
        table = plain_table(space=1)
        table.add_column("WORKER", min_width=_name_width(first))
        table.add_column("SEEN", justify="right", no_wrap=True)
        table.add_column("RUNNING", justify="right", no_wrap=True)
        table.add_column("TASKS", ratio=1)
        for name, worker in zip(first, shown, strict=True):
            table.add_row(
                name,
                cell(age((now - worker.last_seen).total_seconds())),
                _count(worker.running, "cyan"),
                yielding_cell(self._tasks_of(worker, now)),
            )
        return table

    def _tasks_of(self, worker: WorkerInfo, now: datetime) -> str:
        held = [(t.started_at or now, t.name) for t in self.running if t.worker == worker.worker]
        said = [f"{name} {age((now - at).total_seconds())}" for at, name in sorted(held)]
        said = said[:TASKS_SHOWN]
        if worker.running > len(said) > 0:
            said.append(f"{worker.running - len(said)} more")
        if is_silent(worker, now):
            said.insert(0, "silent")
        elif worker.drain:
            said.insert(0, "draining")
        return ", ".join(said)


def _name_width(names: Iterable[Text]) -> int:
    """How much of its room a column of names keeps, in characters."""
    return min(NAME_WIDTH, max((name.cell_len for name in names), default=0))


def _fitting(columns: dict[str, list[Text]], room: int) -> dict[str, list[Text]]:
    """Those columns that there is room for, with a space before each."""
    left = dict(columns)
    for heading in LEFT_OUT_FIRST:
        if sum(1 + _width(each, left[each]) for each in left) <= room:
            break
        del left[heading]
    return left


def _width(heading: str, cells: Iterable[Text]) -> int:
    return max([len(heading), *(each.cell_len for each in cells)])


def _rest(number: int, noun: str) -> list[Text]:
    if number <= 0:
        return []
    return [cell(f"and {counted(number, f'more {noun}')}", "dim")]


def _steps(rates: NameRates, what: str) -> list[int]:
    return rates.queued if what == "queued" else rates.finished


def _rate(steps: Sequence[int], interval: float) -> str:
    recent = steps[-max(1, round(RECENT / interval)) :]
    rate = sum(recent) / (len(recent) * interval) if recent else 0.0
    return _short(rate) if rate >= 100 else f"{rate:.1f}"


def _bars(steps: Sequence[int]) -> str:
    most = max(steps, default=0) or 1
    return "".join(BARS[-(-step * (len(BARS) - 1) // most)] for step in steps)


def _count(number: int, style: str = "") -> Text:
    return cell(_short(number), style if number else "dim")


def _short(number: float) -> str:
    """A count in few characters: 99999, 123k, 4.56M."""
    if number < MOST_DIGITS:
        return f"{number:.0f}"
    unit, size = ("k", 1e3) if number < 1e6 else ("M", 1e6)
    return f"{number / size:.3g}{unit}"
