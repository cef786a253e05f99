"""Tables for people: tasks, names, workers.

Whoever imports this imports rich, so commands do it when they print a table.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from jsonrpc_qm.access.tokens import Entry
from jsonrpc_qm.answers import TaskTransition, WorkerInfo
from jsonrpc_qm.cli.output import json_text
from jsonrpc_qm.cli.printable import printable, printable_lines
from jsonrpc_qm.cli.words import counted
from jsonrpc_qm.moments import SECOND
from jsonrpc_qm.storage.base import WORKER_GONE
from jsonrpc_qm.task import Status, Task

STYLES = {
    "queued": "yellow",
    "started": "cyan",
    "completed": "green",
    "failed": "red",
    "cancelled": "dim",
}

STATES = ("queued", "scheduled", "started", "completed", "failed", "cancelled")
"""The counts of `stats`, in their order."""

SILENT_AFTER = WORKER_GONE / SECOND
"""Seconds without a word; a worker that waits for tasks calls at least every 20."""

LONGEST_VALUE = 2000
"""How many characters of a JSON value a terminal shows."""


def task_rows(tasks: Iterable[Task], *, header: bool = True) -> Table:
    """One row a task."""
    now = datetime.now(UTC)
    table = plain_table(header=header)
    table.add_column("ID", no_wrap=True)
    table.add_column("NAME")
    table.add_column("STATUS", no_wrap=True)
    table.add_column("ATTEMPTS", no_wrap=True, justify="right")
    table.add_column("AGE", no_wrap=True, justify="right")
    for task in tasks:
        table.add_row(
            cell(task.id),
            yielding_cell(task.name),
            _status(task, short=True),
            cell(f"{task.attempts}/{task.max_attempts}"),
            cell(age((now - task.created_at).total_seconds())),
        )
    return table


def task_detail(task: Task, *, whole: bool = True) -> RenderableType:
    """Everything about a task but what says nothing; `whole` keeps long values whole."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for key, value in _members(task):
        grid.add_row(key, value if isinstance(value, Text) else _value(value, whole))
    traceback = (task.error or {}).get("traceback")
    if not traceback:
        return grid
    return Group(grid, Text(), Text(printable_lines(str(traceback).rstrip()), style="dim"))


def claimed_rows(tasks: Sequence[Task]) -> Table:
    """Claimed tasks with what a worker needs to finish them."""
    table = plain_table()
    for heading in ("ID", "TOKEN", "NAME"):
        table.add_column(heading, no_wrap=True)
    table.add_column("PARAMETERS")
    for task in tasks:
        parameters = json_text(task.parameters)
        table.add_row(cell(task.id), str(task.token), cell(task.name), yielding_cell(parameters))
    return table


def token_rows(entries: Iterable[Entry]) -> Table:
    """Access tokens, but for what proves them."""
    table = plain_table()
    table.add_column("ID", no_wrap=True)
    table.add_column("ROLE", no_wrap=True)
    table.add_column("NAMES")
    table.add_column("CREATED", no_wrap=True)
    table.add_column("NOTE")
    for entry in entries:
        created = "" if entry.created is None else f"{entry.created:%Y-%m-%d}"
        names = cell(", ".join(entry.names))
        table.add_row(cell(entry.id), str(entry.role), names, created, cell(entry.note))
    return table


def stats_table(stats: dict[str, Any]) -> RenderableType:
    """The names and their counts, and a line about the manager."""
    names: dict[str, dict[str, Any]] = stats["names"]
    any_paused = any(counts["paused"] for counts in names.values())
    # One space between, so that all fits into 80 columns.
    table = plain_table(footer=len(names) > 1, space=1)
    table.add_column("NAME", footer="total")
    for state in STATES:
        total = sum(counts[state] for counts in names.values())
        table.add_column(state.upper(), justify="right", no_wrap=True, footer=str(total))
    table.add_column("OLDEST", justify="right", no_wrap=True)
    if any_paused:
        table.add_column("", no_wrap=True)
    for name, counts in sorted(names.items()):
        oldest = counts["oldest_queued_age"]
        row = [yielding_cell(name)]
        row += [cell(str(counts[state]), _count_style(state, counts)) for state in STATES]
        row.append(cell("-" if oldest is None else age(oldest)))
        if any_paused:
            row.append(cell("paused" if counts["paused"] else "", "yellow"))
        table.add_row(*row)
    return Group(table, Text(), cell(_manager_line(stats), "dim"))


def history_rows(steps: Sequence[TaskTransition]) -> Table:
    """One row a step."""
    table = plain_table()
    table.add_column("AT", no_wrap=True)
    table.add_column("STATUS", no_wrap=True)
    table.add_column("WORKER")
    table.add_column("REASON")
    for step in steps:
        queued = f"queued {', '.join(step.tasks)}" if step.tasks else ""
        table.add_row(
            step.at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3],
            cell(step.to, STYLES[step.to]),
            yielding_cell(step.worker or ""),
            yielding_cell(step.reason or queued),
        )
    return table


def worker_rows(workers: Sequence[WorkerInfo]) -> Table:
    """One row a worker."""
    now = datetime.now(UTC)
    table = plain_table()
    table.add_column("WORKER", no_wrap=True, overflow="fold")
    table.add_column("RUNNING", justify="right", no_wrap=True)
    table.add_column("SEEN", justify="right", no_wrap=True)
    table.add_column("STATE", no_wrap=True)
    table.add_column("NAMES")
    for worker in workers:
        table.add_row(
            cell(worker.worker),
            str(worker.running),
            age((now - worker.last_seen).total_seconds()),
            _state(worker, now),
            yielding_cell(", ".join(worker.names)),
        )
    return table


def is_silent(worker: WorkerInfo, now: datetime) -> bool:
    """Whether a worker was not heard of for so long that it counts as gone."""
    return (now - worker.last_seen).total_seconds() > SILENT_AFTER


def _state(worker: WorkerInfo, now: datetime) -> Text:
    if is_silent(worker, now):
        return cell("silent", "dim")
    return cell("draining", "yellow") if worker.drain else cell("working")


def age(seconds: float) -> str:
    """A duration in its one or two largest units: `0s`, `45s`, `12m`, `3h5m`, `7d`."""
    left = max(0, int(seconds))
    if left < 60:
        return f"{left}s"
    if left < 3600:
        return f"{left // 60}m"
    if left < 86400:
        minutes = left % 3600 // 60
        return f"{left // 3600}h{minutes}m" if minutes else f"{left // 3600}h"
    return f"{left // 86400}d"


def plain_table(*, header: bool = True, footer: bool = False, space: int = 2) -> Table:
    """A table without lines; `space` is what is between its columns."""
    return Table(
        box=None,
        show_header=header,
        show_footer=footer,
        header_style="bold",
        footer_style="bold",
        pad_edge=False,
        padding=(0, space, 0, 0),
    )


def cell(text: str, style: str = "") -> Text:
    """A text of others, on one line."""
    return Text(printable(text), style=style)


def yielding_cell(text: str) -> Text:
    """A cell that is cut where the terminal is too narrow, so that the others are not.

    Its column must not say no_wrap: rich takes from columns that wrap first, and this cell does not
    wrap all the same.
    """
    return Text(printable(text), no_wrap=True, overflow="ellipsis")


def _value(text: str, whole: bool) -> Text:
    if whole or len(text) <= LONGEST_VALUE:
        return cell(text)
    return cell(f"{text[:LONGEST_VALUE]}... ({len(text)} characters; --json prints all)")


def _status(task: Task, *, short: bool = False) -> Text:
    status = str(task.status)
    ahead = (task.run_at - datetime.now(UTC)).total_seconds()
    if task.status == Status.QUEUED and ahead > 0:
        due = f"due in {age(ahead)}"
        status = due if short else f"queued, {due}"
    elif task.status == Status.STARTED and task.cancel_requested:
        status = "cancelling" if short else "started, cancel requested"
    return cell(status, STYLES[task.status])


def _members(task: Task) -> Iterable[tuple[str, str | Text]]:
    yield "id", task.id
    yield "name", task.name
    yield "status", _status(task)
    yield "parameters", json_text(task.parameters)
    if task.status == Status.COMPLETED:
        yield "result", json_text(task.result)
    yield from _error_members(task)
    if task.progress is not None:
        yield "progress", json_text(task.progress)
    yield "attempts", f"{task.attempts} of {task.max_attempts}"
    if task.lost:
        yield "lost", f"{task.lost}, at most {task.max_lost}"
    if task.priority:
        yield "priority", str(task.priority)
    if task.metadata:
        yield "metadata", json_text(task.metadata)
    for key in ("worker", "unique_key"):
        if (value := getattr(task, key)) is not None:
            yield key, value
    for key in ("run_at", "created_at", "started_at", "lease_expires_at", "finished_at"):
        if (moment := getattr(task, key)) is not None:
            yield key, f"{moment:%Y-%m-%d %H:%M:%S}Z"


def _error_members(task: Task) -> Iterable[tuple[str, str | Text]]:
    if task.error:
        said = f"{task.error.get('type')}: {task.error.get('message')}"
        yield "error", cell(said, "red")
        if "data" in task.error:
            yield "error data", json_text(task.error["data"])


def _count_style(state: str, counts: dict[str, Any]) -> str:
    if not counts[state]:
        return "dim"
    return "red" if state == "failed" else ""


def _manager_line(stats: dict[str, Any]) -> str:
    manager = stats["manager"]
    return (
        f"{counted(stats['workers'], 'worker')}; manager {manager['version']}, "
        f"up {age(manager['uptime'])}, {manager['storage']}"
    )
