"""Commands for operators: what there is to see, and what keeps names and workers going."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from jsonrpc_qm.cli.asking import ask, yes_option
from jsonrpc_qm.cli.each import for_each
from jsonrpc_qm.cli.options import manager_command, option
from jsonrpc_qm.cli.output import Output, console
from jsonrpc_qm.cli.printable import printable
from jsonrpc_qm.cli.values import duration
from jsonrpc_qm.cli.words import counted
from jsonrpc_qm.errors import Unavailable
from jsonrpc_qm.task import FINISHED

if TYPE_CHECKING:
    from rich.console import RenderableType

    from jsonrpc_qm.answers import Reason, TaskTransition
    from jsonrpc_qm.client.sync import Client


@click.command("stats")
@option("--watch", is_flag=True, help="Paint again and again, until Ctrl-C.")
@option("--every", type=duration, default="1", help="How long between two paintings.")
@manager_command
def stats(manager: "Client", out: Output, *, watch: bool, every: float) -> None:
    """Show how many tasks of each name are in which state.

    \b
    Examples:
      jsonrpc-qm stats --watch
      jsonrpc-qm stats --json | jq '.names.hello.failed'
    """
    first = manager.stats()
    if not watch:
        out.show(first, _stats_table)
        return
    try:
        if out.on_terminal and not out.as_json:
            _repaint(manager, first, every)
        else:
            _print_again_and_again(manager, out, first, every)
    except KeyboardInterrupt:
        # The way to leave, so no error.
        return


def _stats_table(stats: dict[str, Any]) -> "RenderableType":
    from jsonrpc_qm.cli.tables import stats_table

    return stats_table(stats)


def _repaint(manager: "Client", stats: dict[str, Any], every: float) -> None:
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    table = _stats_table(stats)
    with Live(table, console=console(), auto_refresh=False) as live:
        while True:
            time.sleep(every)
            try:
                table = _stats_table(manager.stats())
                live.update(table, refresh=True)
            except Unavailable as error:
                # It may come back, as after a restart.
                live.update(Group(table, Text(str(error), style="red")), refresh=True)


def _print_again_and_again(
    manager: "Client", out: Output, stats: dict[str, Any], every: float
) -> None:
    while True:
        out.show(stats, _stats_table)
        time.sleep(every)
        stats = manager.stats()


@click.command("workers")
@manager_command
def workers(manager: "Client", out: Output) -> None:
    """Show the workers that were heard of, and what they hold.

    Those of the last 24 hours; one that has said nothing for a minute is silent.

    \b
    Example:
      jsonrpc-qm workers
    """
    found = manager.workers()
    if out.as_json:
        out.document(found)
        return
    from jsonrpc_qm.cli.tables import worker_rows

    out.table(worker_rows(found))


@click.command("history")
@click.argument("id")
@manager_command
def history(manager: "Client", out: Output, *, id: str) -> None:
    """Show what has happened to a task.

    \b
    Example:
      jsonrpc-qm history 0198f2a4-6f0e-7cc3-98c4-dc0c0c07398f
    """
    out.show(manager.history(id), _history_table)


def _history_table(steps: "list[TaskTransition]") -> "RenderableType":
    from jsonrpc_qm.cli.tables import history_rows

    return history_rows(steps)


@click.command("explain")
@click.argument("id")
@manager_command
def explain(manager: "Client", out: Output, *, id: str) -> None:
    """Say why a task isn't running.

    \b
    Example:
      jsonrpc-qm explain 0198f2a4-6f0e-7cc3-98c4-dc0c0c07398f
    """
    explanation = manager.explain(id)
    if out.as_json:
        out.document(explanation)
        return
    now = datetime.now(UTC)
    for reason in explanation.reasons:
        out.line(_reason_line(explanation.status, reason, now))


def _reason_line(status: str, reason: "Reason", now: datetime) -> str:
    line = printable(reason.message)
    # The one that says how it ended has the status in it.
    if reason.code != "finished":
        line = f"{status}: {line}"
    if reason.until is not None:
        from jsonrpc_qm.cli.tables import age

        line += f" (in {age((reason.until - now).total_seconds())})"
    return line


@click.command("drain")
@click.argument("workers", metavar="WORKER...", nargs=-1, required=True)
@manager_command
def drain(manager: "Client", out: Output, *, workers: Sequence[str]) -> None:
    """Ask workers to finish what they hold, and stop.

    \b
    Example:
      jsonrpc-qm drain host-17-4711
    """
    for_each(out, workers, manager.drain, lambda worker, _: f"{worker} is asked to stop")


@click.command("pause")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@manager_command
def pause(manager: "Client", out: Output, *, names: Sequence[str]) -> None:
    """Keep tasks of these names from being claimed; they can still be queued.

    \b
    Example:
      jsonrpc-qm pause report
    """
    for_each(out, names, manager.pause, lambda name, _: f"{name} paused")


@click.command("resume")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@manager_command
def resume(manager: "Client", out: Output, *, names: Sequence[str]) -> None:
    """Let paused names be claimed again.

    \b
    Example:
      jsonrpc-qm resume report
    """
    for_each(out, names, manager.resume, lambda name, _: f"{name} resumed")


@click.command("purge")
@option("--name", help="Only tasks of this name.")
@option(
    "--status",
    type=click.Choice(sorted(str(status) for status in FINISHED)),
    help="Only tasks with this status.",
)
@option("--older-than", type=duration, help="Only what was finished at least this long ago.")
@yes_option
@manager_command
def purge(manager: "Client", out: Output, *, yes: bool, **which: Any) -> None:
    """Delete finished tasks and print how many; asks before it does.

    \b
    Example:
      jsonrpc-qm purge --status completed --older-than 7d
    """
    if not yes:
        ask(out, lambda: _question(manager, **which))
    deleted = manager.purge(**which)
    if out.as_json:
        out.document(deleted)
    else:
        out.line(f"{deleted} deleted")


def _question(
    manager: "Client", name: str | None, status: str | None, older_than: float | None
) -> str:
    what = f"{status or 'finished'} task"
    if older_than is None:
        number = manager.delete_many(name=name, status=status, dry_run=True)
        what = f"Delete {counted(number, what)}"
    else:
        # How many are that old could only be known by looking at all.
        what = f"Delete all {what}s"
    if name is not None:
        what += f" named {name!r}"
    if older_than is not None:
        from jsonrpc_qm.cli.tables import age

        what += f" that ended more than {age(older_than)} ago"
    return f"{what}?"


@click.command("discover")
@manager_command
def discover(manager: "Client", out: Output) -> None:
    """Print the OpenRPC document that describes every method.

    \b
    Example:
      jsonrpc-qm discover | jq -r '.methods[].name'
    """
    out.document(manager.discover())
