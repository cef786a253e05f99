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


class Overview(NamedTuple):
    """What the manager said."""

    stats: dict[str, Any]
    workers: Sequence[WorkerInfo]
    running: Sequence[Task]
    """Tasks that run; not all, if there are many."""
    rates: Rates

    def table(self, height: int | None = None) -> RenderableType:
        """Everything, in at most `height` lines; None for as many as it takes."""
        names = self._names_by_what_waits()
        for_names, for_workers = len(names), len(self.workers)
        if height is not None:
            left = max(2, height - OTHER_LINES)
            for_workers = min(for_workers, max(left // 2, left - for_names))
            for_names = left - for_workers
        return Group(
            self._about(),
            Text(),
            self._names(names[:for_names]),
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

    def _names(self, names: Iterable[str]) -> Table:
        table = plain_table(space=1)
        table.add_column("NAME")
        for heading in ("QUEUED", "SCHED", "STARTED", "DONE", "FAILED", "OLDEST", "IN/S", "OUT/S"):
            table.add_column(heading, justify="right", no_wrap=True)
        table.add_column("", no_wrap=True)
        for name in names:
            counts = self.stats["names"][name]
            oldest = counts["oldest_queued_age"]
            rates = self.rates.names.get(name, NameRates(queued=[], finished=[]))
            table.add_row(
                yielding_cell(name),
                _count(counts["queued"], "yellow"),
                _count(counts["scheduled"]),
                _count(counts["started"], "cyan"),
                _count(counts["completed"]),
                _count(counts["failed"], "red"),
                cell("-" if oldest is None else age(oldest)),
                cell(_rate(rates.queued, self.rates.interval)),
                cell(_rate(rates.finished, self.rates.interval)),
                cell("paused" if counts["paused"] else "", "yellow"),
            )
        return table

    def _workers(self, most: int) -> Table:
        now = datetime.now(UTC)
        living_first = sorted(self.workers, key=lambda worker: is_silent(worker, now))
        table = plain_table(space=1)
        table.add_column("WORKER")
        table.add_column("SEEN", justify="right", no_wrap=True)
        table.add_column("RUNNING", justify="right", no_wrap=True)
        table.add_column("TASKS", ratio=1)
        for worker in living_first[:most]:
            table.add_row(
                yielding_cell(worker.worker),
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
