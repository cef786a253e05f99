"""What is said at the end: the table, the check, and how to go on."""

import hashlib
import math
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Self

from rich.console import Console
from rich.table import Table

from examples.files.app import digest
from examples.files.totals import Results
from jsonrpc_qm import Status, Task

MOST_DIFFERENCES = 10


class Sums(NamedTuple):
    """Results added up."""

    files: int
    bytes: int
    lines: int
    sha256: str
    """Of all paths and their SHA-256, in the order of the paths."""

    @classmethod
    def of(cls, results: Results) -> Self:
        """Add up the results of all paths."""
        listing = hashlib.sha256()
        for path in sorted(results):
            listing.update(f"{results[path]['sha256']}  {path}\n".encode())
        return cls(
            files=len(results),
            bytes=sum(result["bytes"] for result in results.values()),
            lines=sum(result["lines"] for result in results.values()),
            sha256=listing.hexdigest(),
        )


def direct_results(paths: Iterable[str]) -> Results:
    """The same without a queue: one file after the other, here."""
    results: Results = {}
    for path in paths:
        try:
            results[path] = digest(Path(path))
        except OSError:
            continue  # its task has failed for the same reason
    return results


def say(tasks: Sequence[Task], queued: Results, direct: Results) -> int:
    """Print what came out; the exit code, 1 when the two results differ."""
    console = Console()
    console.print(tasks_table(tasks), totals_table(Sums.of(queued), Sums.of(direct)))
    different = [
        path for path in sorted({*queued, *direct}) if queued.get(path) != direct.get(path)
    ]
    if not different:
        console.print("[green]The totals agree with a direct computation.")
        return 0
    console.print(f"[red]{len(different)} files differ from a direct computation, among them:")
    for path in different[:MOST_DIFFERENCES]:
        console.print(f"  {path}", markup=False)
    return 1


def tasks_table(tasks: Sequence[Task]) -> Table:
    """How many, how fast, how often again."""
    spans = [(task.created_at, task.finished_at) for task in tasks if task.finished_at]
    took = sorted((end - start).total_seconds() for start, end in spans)
    seconds = (max(end for _, end in spans) - min(start for start, _ in spans)).total_seconds()
    table = Table("By the queue", "", show_header=True)
    table.add_row("tasks", f"{len(tasks):,}")
    table.add_row("failed", f"{sum(task.status == Status.FAILED for task in tasks):,}")
    table.add_row("retries", f"{sum(max(task.attempts - 1, 0) for task in tasks):,}")
    table.add_row("rate", f"{len(tasks) / seconds:,.0f} tasks/s")
    table.add_row("from queue to result, median", f"{percentile(took, 50):.3f} s")
    table.add_row("from queue to result, p99", f"{percentile(took, 99):.3f} s")
    return table


def percentile(ordered: Sequence[float], percent: int) -> float:
    """The smallest value that so many percent of all do not exceed."""
    return ordered[math.ceil(len(ordered) * percent / 100) - 1]


def totals_table(queued: Sums, direct: Sums) -> Table:
    """Both sums beside each other."""
    table = Table("Totals", "by the queue", "directly")
    for name, left, right in zip(Sums._fields, queued, direct, strict=True):
        shown = [
            f"{value:,}" if isinstance(value, int) else str(value)[:16] for value in (left, right)
        ]
        table.add_row(name, *shown, style=None if left == right else "red")
    return table


def how_to_go_on(kept: Path | None) -> str:
    """Commands to try, for a reader in the project's folder; `kept` has the tasks of this run."""
    bin_folder = Path(sys.executable).parent
    activated = shutil.which("jsonrpc-qm") == str(bin_folder / "jsonrpc-qm")
    activate = "" if activated else f". {from_here(bin_folder / 'activate')} && "
    served = "fibonacci:qm" if kept is None else f"--storage sqlite:///{kept}/tasks.db"
    return f"""
Go on, in two terminals with
  {activate}cd examples
The manager, in one of them:
  jsonrpc-qm serve {served}
Workers, in the other; and then something to do:
  jsonrpc-qm work fibonacci:qm &
  jsonrpc-qm queue fibonacci '{{"n": 30}}' --wait
  jsonrpc-qm stats
  jsonrpc-qm --help"""


def from_here(path: Path) -> Path:
    """The path as seen from the current folder, if it is below."""
    folder = Path.cwd()
    return path.relative_to(folder) if path.is_relative_to(folder) else path
