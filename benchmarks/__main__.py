"""`python -m benchmarks`: measures, and prints a table.

Exits with 0 when all targets are reached, with 1 when one is missed, with 2 when something went
wrong: an answer was an error, or totals do not add up.
"""

import json
import resource
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import click

from benchmarks import drain, idle, latency, many, rates, show, startup
from benchmarks.machine import machine
from benchmarks.manager import floored, managed
from benchmarks.plan import FULL, QUICK, Plan
from benchmarks.prefill import prefill
from benchmarks.processes import Broken
from benchmarks.row import Row
from jsonrpc_qm.version import VERSION

KEYS = (
    "queue",
    "queue-many",
    "report",
    "work",
    "to-worker",
    "to-result",
    "many",
    "reads",
    "memory",
    "idle",
    "serve",
    "help",
)
"""What `--only` takes, in the order of the table."""

MANY = {"many", "reads", "memory"}
DEFAULT_STORAGE = "sqlite:///{folder}/{name}.db"


class Run:
    """One run: what is wanted, how much of it, on which storages."""

    def __init__(self, wanted: set[str], plan: Plan, urls: Callable[[str], str]) -> None:
        self._wanted = wanted
        self._plan = plan
        self._urls = urls
        self.rows: list[Row] = []

    def measure(self) -> None:
        """Measure all that is wanted, in the order of the table."""
        self._rates()
        self._latencies()
        if self._wanted & MANY:
            self._many()
        self._small()

    def _rates(self) -> None:
        kinds = {
            "queue": rates.single_calls,
            "queue-many": rates.bulk_calls,
            "report": rates.reports,
            "work": drain.worked_off,
        }
        for key, measured in kinds.items():
            if key in self._wanted:
                with floored() as port, managed(self._urls(key)) as manager:
                    floor = rates.floor_turn(port, self._plan)
                    self.rows.append(measured(manager, floor, self._plan))

    def _latencies(self) -> None:
        kinds = {"to-worker": latency.to_worker, "to-result": latency.to_result}
        for key, measured in kinds.items():
            if key in self._wanted:
                with managed(self._urls(key)) as manager:
                    self.rows.append(measured(manager, self._plan))

    def _many(self) -> None:
        url = self._urls("many")
        prefill(url, self._plan)
        with many.crowded(url) as manager:
            # Memory is measured after the rest, so the rest runs for it too.
            rows = [
                many.rates(manager, self._urls, self._plan),
                many.reads(manager, self._plan),
                many.memory(manager),
            ]
        self.rows.extend(row for row in rows if row.key in self._wanted)

    def _small(self) -> None:
        if "idle" in self._wanted:
            with managed(self._urls("idle")) as manager:
                self.rows.extend(idle.long_polls(manager, self._plan))
        if "serve" in self._wanted:
            self.rows.append(startup.first_answer(self._urls, self._plan))
        if "help" in self._wanted:
            self.rows.append(startup.help_shown(self._plan))


@click.command()
@click.option("--quick", is_flag=True, help="Less of everything, under a minute.")
@click.option("--only", multiple=True, type=click.Choice(KEYS), help="Measure this; repeatable.")
@click.option(
    "--storage",
    default=DEFAULT_STORAGE,
    show_default=True,
    metavar="URL",
    help="URL of the storages; {name} differs for each, {folder} is a temporary one.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of the table.")
@click.option("--markdown", is_flag=True, help="Print the table for a document.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="JSON file too.")
def main(
    *,
    quick: bool,
    only: tuple[str, ...],
    storage: str,
    as_json: bool,
    markdown: bool,
    output: Path | None,
) -> None:
    """Measure jsonrpc-qm beside an aiohttp handler that answers a constant.

    \b
    Examples:
      python -m benchmarks
      python -m benchmarks --quick
      python -m benchmarks --only queue --only report --json
    """
    _allow_connections()
    wanted = _wanted(only, storage)
    plan = QUICK if quick else FULL
    with tempfile.TemporaryDirectory(prefix="jsonrpc-qm-bench-") as folder:
        facts = machine(Path(folder))
        run = Run(wanted, plan, lambda name: storage.format(folder=folder, name=name))
        try:
            run.measure()
        except Broken as error:
            show.progress(f"broken: {error}")
            sys.exit(2)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    measured = show.document(run.rows, version=VERSION, at=at, quick=quick, machine=facts)
    if output is not None:
        output.write_text(json.dumps(measured, indent=2) + "\n")
    if as_json:
        show.printed(json.dumps(measured, indent=2))
    elif markdown:
        show.printed(show.markdown(run.rows, facts))
    else:
        show.shown(run.rows)
    sys.exit(0 if all(row.reached for row in run.rows) else 1)


def _wanted(only: tuple[str, ...], storage: str) -> set[str]:
    """What can be measured on the storage."""
    wanted = set(only or KEYS)
    if storage == "memory:":
        if wanted & MANY:
            # What this process stores there the manager's process would not see.
            show.progress(f"not measured in memory: {', '.join(sorted(wanted & MANY))}")
        return wanted - MANY
    if "{name}" not in storage:
        raise click.UsageError("--storage needs {name}: each measurement has a storage of its own")
    return wanted


def _allow_connections() -> None:
    """Let this process and those it starts have as many files as the system gives them."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    main()
