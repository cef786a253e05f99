"""`python -m benchmarks`: measures, and prints a table.

Exits with 0 when all targets are reached, with 1 when one is missed, with 2 when something went
wrong, an answer was an error, or totals do not add up: the table has what was measured before.
"""

import json
import resource
import sys
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmarks import show
from benchmarks.kinds import KINDS
from benchmarks.machine import machine
from benchmarks.plan import FULL, QUICK, QUICK_STORAGES, STORAGES
from benchmarks.processes import Broken
from benchmarks.run import MANY, Run
from jsonrpc_qm.errors import QueueError
from jsonrpc_qm.version import VERSION

if TYPE_CHECKING:
    from benchmarks.storages import StorageRun

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

STORAGES_KEYS = (*KEYS[: KEYS.index("many") + 1], "managers", "size")
"""What it takes with `--storages`."""

ALL_KEYS = tuple(dict.fromkeys([*KEYS, *STORAGES_KEYS]))
DEFAULT_STORAGE = "sqlite:///{folder}/{name}.db"


@click.command()
@click.option("--quick", is_flag=True, help="Less of everything, too little to judge by.")
@click.option("--only", multiple=True, type=click.Choice(ALL_KEYS), help="This; repeatable.")
@click.option(
    "--storage",
    default=DEFAULT_STORAGE,
    show_default=True,
    metavar="URL",
    help="URL of the storages; {name} differs for each, {folder} is a temporary one.",
)
@click.option("--storages", is_flag=True, help="Database servers beside SQLite instead.")
@click.option(
    "--on",
    multiple=True,
    type=click.Choice([kind.key for kind in KINDS]),
    help="With --storages: this one; repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of the table.")
@click.option("--markdown", is_flag=True, help="Print the table for a document.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="JSON file too.")
def main(
    *,
    quick: bool,
    only: tuple[str, ...],
    storage: str,
    storages: bool,
    on: tuple[str, ...],
    as_json: bool,
    markdown: bool,
    output: Path | None,
) -> None:
    """Measure jsonrpc-qm beside an aiohttp handler that answers a constant.

    With --storages: PostgreSQL, MariaDB, Redis and a Redis Cluster beside SQLite, each on a server
    that is started for it and removed.

    \b
    Examples:
      python -m benchmarks
      python -m benchmarks --quick
      python -m benchmarks --only queue --only report --json
      python -m benchmarks --storages --on postgresql
    """
    _allow_connections()
    with tempfile.TemporaryDirectory(prefix="jsonrpc-qm-bench-") as folder:
        facts = machine(Path(folder))
        if storages:
            run: Run | StorageRun = _run_of_storages(only, on, storage, quick=quick)
        elif on:
            raise click.UsageError("--on goes with --storages")
        else:
            run = _run(only, storage, folder, quick=quick)
        is_broken = _is_broken(run)
    rows = run.rows
    facts |= run.versions
    at = datetime.now(UTC).isoformat(timespec="seconds")
    measured = show.document(rows, version=VERSION, at=at, quick=quick, machine=facts)
    if output is not None:
        output.write_text(json.dumps(measured, indent=2) + "\n")
    if as_json:
        show.printed(json.dumps(measured, indent=2))
    elif markdown:
        show.printed(show.markdown(rows, facts))
    else:
        show.shown(rows)
    sys.exit(2 if is_broken else int(any(row.reached is False for row in rows)))


def _is_broken(run: "Run | StorageRun") -> bool:
    """Measure; whether something went wrong. What was measured before it did is kept."""
    try:
        run.measure()
    except (Broken, QueueError) as error:
        said = "".join(f"\n{note}" for note in getattr(error, "__notes__", ()))
        show.progress(f"broken: {error}{said}")
        return True
    return False


def _run(only: Iterable[str], storage: str, folder: str, *, quick: bool) -> Run:
    wanted = _wanted(only, KEYS, "without")
    if storage == "memory:":
        if wanted & MANY:
            # What this process stores there the manager's process would not see.
            show.progress(f"not measured in memory: {', '.join(sorted(wanted & MANY))}")
        wanted -= MANY
    elif "{name}" not in storage:
        raise click.UsageError("--storage needs {name}: each measurement has a storage of its own")
    plan = QUICK if quick else FULL
    return Run(wanted, plan, lambda name: storage.format(folder=folder, name=name))


def _run_of_storages(
    only: Iterable[str], on: Iterable[str], storage: str, *, quick: bool
) -> "StorageRun":
    if storage != DEFAULT_STORAGE:
        raise click.UsageError("--storages starts servers of its own: leave --storage away")
    wanted = _wanted(only, STORAGES_KEYS, "with")
    # It needs the drivers of all databases, and what starts servers for the tests.
    from benchmarks.storages import StorageRun

    kinds = [kind for kind in KINDS if not on or kind.key in on]
    return StorageRun(wanted, kinds, QUICK_STORAGES if quick else STORAGES)


def _wanted(only: Iterable[str], keys: Iterable[str], how: str) -> set[str]:
    """What is asked for, all unless something is."""
    wanted = set(only or keys)
    if other := wanted - set(keys):
        raise click.UsageError(f"{how} --storages there is no --only {', '.join(sorted(other))}")
    return wanted


def _allow_connections() -> None:
    """Let this process and those it starts have as many files as the system gives them."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    main()
