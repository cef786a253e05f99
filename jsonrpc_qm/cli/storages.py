"""Commands that open a storage themselves: migrate, copy."""

import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import click

from jsonrpc_qm.cli.exits import FAILED, REFUSED, Failure
from jsonrpc_qm.cli.logs import held_back
from jsonrpc_qm.cli.options import DEFAULT_STORAGE, errors_said, option


@click.command("migrate")
@option(
    "--storage",
    "storage_url",
    envvar="JSONRPC_QM_STORAGE",
    default=DEFAULT_STORAGE,
    metavar="URL",
    help="The database, as for serve.",
)
@option("--dry-run", is_flag=True, help="Only say what would change.")
def migrate(storage_url: str, dry_run: bool) -> None:
    """Bring a database's schema to the version of this program, and say what changed.

    A manager that starts creates the schema, and makes those changes that take a moment. What takes
    longer it refuses to do, and names this command. Make a backup and stop all managers first.

    \b
    Examples:
      jsonrpc-qm migrate --storage sqlite:////var/lib/tasks.db --dry-run
      jsonrpc-qm migrate --storage sqlite:////var/lib/tasks.db
    """
    with errors_said(), held_back():
        from jsonrpc_qm.storage.migrations.running import migrate

        version, changes = migrate(storage_url, dry_run=dry_run)
    for change in changes:
        click.echo(f"{change.version}: {change.sentence}")
    if not changes:
        click.echo(f"nothing to change: the schema has version {version}")
    elif dry_run:
        click.echo(f"the schema would have version {version}")
    else:
        click.echo(f"the schema has version {version}")


@click.command("copy")
@click.argument("source_url", metavar="FROM")
@click.argument("target_url", metavar="TO")
def copy(source_url: str, target_url: str) -> None:
    """Copy all tasks from one storage into another, which must be empty.

    Tasks keep everything: order, results, attempts, leases and tokens. Names stay paused. Stop all
    managers on both first. A copy that was cut short goes on when it is called again. At the end
    both are counted; when they differ, each difference is a line and the exit code is 1.

    \b
    Example:
      jsonrpc-qm copy sqlite:///tasks.db postgresql://queue@db.example.org/queue
    """
    if source_url == target_url:
        raise click.UsageError("FROM and TO are the same")
    with errors_said(), held_back():
        from jsonrpc_qm.storage.copying import NotACopy, total
        from jsonrpc_qm.storage.copying import copy as copy_tasks
        from jsonrpc_qm.storage.migrations.running import open_as_it_is
        from jsonrpc_qm.storage.urls import open_storage

        with (
            closing(open_as_it_is(source_url)) as source,
            closing(open_storage(target_url)) as target,
            _progress(total(source)) as on_progress,
        ):
            try:
                copied = copy_tasks(source, target, on_progress)
            except NotACopy as refusal:
                raise Failure(str(refusal), REFUSED) from refusal
        for difference in copied.differences:
            click.echo(difference, err=True)
        click.echo(f"{copied.stored} copied; {target.url} has {copied.tasks}")
        if copied.differences:
            raise Failure("the counts differ: was somebody writing meanwhile?", FAILED)


@contextmanager
def _progress(tasks: int) -> Iterator[Callable[[int], object]]:
    """What gets the number of tasks that are done, and shows it to people who watch."""
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    # Imported here because it takes as long to import as all the rest of the command line.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        shown = bar.add_task("copy", total=tasks)
        yield lambda done: bar.update(shown, completed=done)
