"""`python -m benchmarks`: measures, and prints a table.

Exits with 0 when all targets are reached, with 1 when one is missed, with 2 when something went
wrong: an answer was an error, or totals do not add up.
"""

import json
import resource
import sys
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import click

from benchmarks import show
from benchmarks.kinds import KINDS
from benchmarks.machine import machine
from benchmarks.plan import FULL, QUICK, QUICK_STORAGES, STORAGES
from benchmarks.processes import Broken
from benchmarks.row import Row
from benchmarks.run import MANY, Run
from jsonrpc_qm.errors import QueueError
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
        try:
            if storages:
                rows, versions = _measured_storages(only, on, storage, quick=quick)
                facts |= versions
            elif on:
                raise click.UsageError("--on goes with --storages")
            else:
                rows = _measured(only, storage, folder, quick=quick)
        except (Broken, QueueError) as error:
            said = "".join(f"\n{note}" for note in getattr(error, "__notes__", ()))
            show.progress(f"broken: {error}{said}")
            sys.exit(2)
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
    sys.exit(1 if any(row.reached is False for row in rows) else 0)


def _measured(only: Iterable[str], storage: str, folder: str, *, quick: bool) -> list[Row]:
    wanted = _wanted(only, KEYS, "without")
    if storage == "memory:":
        if wanted & MANY:
            # What this process stores there the manager's process would not see.
            show.progress(f"not measured in memory: {', '.join(sorted(wanted & MANY))}")
        wanted -= MANY
    elif "{name}" not in storage:
        raise click.UsageError("--storage needs {name}: each measurement has a storage of its own")
    plan = QUICK if quick else FULL
    run = Run(wanted, plan, lambda name: storage.format(folder=folder, name=name))
    run.measure()
    return run.rows


def _measured_storages(
    only: Iterable[str], on: Iterable[str], storage: str, *, quick: bool
) -> tuple[list[Row], dict[str, str]]:
    if storage != DEFAULT_STORAGE:
        raise click.UsageError("--storages starts servers of its own: leave --storage away")
    wanted = _wanted(only, STORAGES_KEYS, "with")
    # It needs the drivers of all databases, and what starts servers for the tests.
    from benchmarks.storages import StorageRun

    kinds = [kind for kind in KINDS if not on or kind.key in on]
    run = StorageRun(wanted, kinds, QUICK_STORAGES if quick else STORAGES)
    run.measure()
    return run.rows, run.versions


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
