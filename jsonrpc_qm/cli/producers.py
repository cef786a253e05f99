"""Commands for producers: queue, get, list, cancel, retry, delete."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click
import msgspec

from jsonrpc_qm.cli.many import change, which_options
from jsonrpc_qm.cli.options import manager_command, option
from jsonrpc_qm.cli.output import Output, json_text
from jsonrpc_qm.cli.values import duration, json_value, key_value, moment, moment_or_ago
from jsonrpc_qm.cli.waiting import end_as_the_task_did, wait_until_finished
from jsonrpc_qm.retry import Backoff
from jsonrpc_qm.task import Status, Task

if TYPE_CHECKING:
    from rich.console import RenderableType

    from jsonrpc_qm.answers import TaskPage
    from jsonrpc_qm.client.sync import Client

PAGE = 50
LARGEST_PAGE = 1000


def read_backoff(context: click.Context, param: click.Parameter, value: Any) -> Backoff | None:
    """The retry policy from its JSON object."""
    if value is None:
        return None
    try:
        return msgspec.convert(value, Backoff)
    except msgspec.ValidationError as error:
        raise click.BadParameter(str(error), context, param) from None


wait_option = option("--wait", is_flag=True, help="Wait until the task is finished.")
wait_for_option = option(
    "--wait-for", type=duration, help="Wait, but at most this long; exit code 7 then."
)


@click.command("queue")
@click.argument("name")
@click.argument("parameters", type=json_value, required=False)
@wait_option
@wait_for_option
@option("--priority", type=int, help="Higher is claimed first.  [default: 0]")
@option("--delay", type=duration, help="Not claimable before this long from now.")
@option(
    "--run-at", type=moment, metavar="TIME", help="Not claimable before this time, in RFC 3339."
)
@option("--max-attempts", type=int, help="Attempts that may fail.  [default: 5]")
@option("--max-lost", type=int, help="Leases that may expire.  [default: 3]")
@option("--lease", type=duration, help="How long a claim lasts without a heartbeat.  [default: 60]")
@option("--timeout", type=duration, help="How long one attempt may run.")
@option("--expires-in", type=duration, help="Failed when not started by then.")
@option(
    "--backoff",
    type=json_value,
    metavar="JSON",
    callback=read_backoff,
    help='When to retry: {"base": 2, "factor": 2, "max": 3600, "jitter": 0.25}.',
)
@option("--unique-key", help="While an unfinished task has this key, that one is answered.")
@option("--id", "id", help="The task's id; makes it safe to send again.")
@option(
    "--metadata",
    type=key_value,
    metavar="KEY=VALUE",
    multiple=True,
    help="A string to carry along; repeatable.",
)
@manager_command
def queue(
    manager: "Client",
    out: Output,
    *,
    name: str,
    parameters: Any,
    wait: bool,
    wait_for: float | None,
    metadata: Sequence[tuple[str, str]],
    **how: Any,
) -> None:
    """Queue a task and print its id; with --wait its result.

    PARAMETERS is a JSON value; @file reads it from a file, - from standard input.

    \b
    Examples:
      jsonrpc-qm queue hello '{"name": "Ada"}'
      jsonrpc-qm queue report @report.json --delay 30m --priority 5
      jsonrpc-qm queue fibonacci 30 --wait
    """
    task = manager.queue(name, parameters, metadata=dict(metadata) or None, **how)
    if not wait and wait_for is None:
        if out.as_json:
            out.document(task)
        else:
            out.line(task.id)
        return
    out.note(f"Queued {task.id}, waiting for its end.")
    task = wait_until_finished(manager, out, task.id, wait_for)
    if out.as_json:
        out.document(task)
    elif task.status == Status.COMPLETED:
        out.line(json_text(task.result))
    end_as_the_task_did(manager, task, out)


@click.command("get")
@click.argument("id")
@wait_option
@wait_for_option
@manager_command
def get(manager: "Client", out: Output, *, id: str, wait: bool, wait_for: float | None) -> None:
    """Show one task; with --wait when it is finished.

    \b
    Example:
      jsonrpc-qm get 0198f2a4-6f0e-7cc3-98c4-dc0c0c07398f --wait
    """
    waits = wait or wait_for is not None
    task = wait_until_finished(manager, out, id, wait_for) if waits else manager.get_task(id)
    out.show(task, _detail if out.on_terminal else _whole_detail)
    if waits:
        end_as_the_task_did(manager, task, out)


def _detail(task: Task, *, whole: bool = False) -> "RenderableType":
    from jsonrpc_qm.cli.tables import task_detail

    return task_detail(task, whole=whole)


def _whole_detail(task: Task) -> "RenderableType":
    return _detail(task, whole=True)


@click.command("list")
@option("--name", help="Only tasks of this name.")
@option("--status", type=click.Choice([str(status) for status in Status]), help="Only these.")
@option("--query", help="Only tasks with this text in their id or parameters.")
@option(
    "--since",
    type=moment_or_ago,
    metavar="TIME",
    help="Only tasks queued at this time or later; 1h is an hour ago.",
)
@option(
    "--until",
    type=moment_or_ago,
    metavar="TIME",
    help="Only tasks queued before this time; 1h is an hour ago.",
)
@option("--limit", type=int, help="Tasks in a page, 1 to 1000.  [default: 50; with --all 1000]")
@option("--cursor", help="Go on from here: the next_cursor of the page before.")
@option(
    "--all",
    "every",
    envvar="JSONRPC_QM_LIST_ALL",
    is_flag=True,
    help="All pages, one after the other.",
)
@option("--quiet", "-q", is_flag=True, help="Print ids only.")
@manager_command
def list_tasks(
    manager: "Client", out: Output, *, every: bool, limit: int | None, quiet: bool, **which: Any
) -> None:
    """List tasks, the newest first.

    \b
    Examples:
      jsonrpc-qm list --status failed
      jsonrpc-qm list --query '"month":3' --since 12h
    """
    if limit is None:
        limit = LARGEST_PAGE if every else PAGE
    pages = _pages(manager, limit=limit, every=every, **which)
    if out.as_json:
        _print_as_one_document(pages, out)
        return
    for number, page in enumerate(pages):
        if quiet:
            for task in page.tasks:
                out.line(task.id)
        else:
            from jsonrpc_qm.cli.tables import task_rows

            out.table(task_rows(page.tasks, header=number == 0))
        if page.next_cursor and not every:
            out.note(f"There are more: --cursor {page.next_cursor}, or --all.")


def _pages(
    manager: "Client", *, every: bool, cursor: str | None, **which: Any
) -> "Iterator[TaskPage]":
    while True:
        page = manager.list_tasks(cursor=cursor, **which)
        yield page
        cursor = page.next_cursor
        if cursor is None or not every:
            return


def _print_as_one_document(pages: "Iterator[TaskPage]", out: Output) -> None:
    tasks: list[Task] = []
    next_cursor = None
    for page in pages:
        tasks += page.tasks
        next_cursor = page.next_cursor
    out.document({"tasks": tasks, "next_cursor": next_cursor})


@click.command("cancel")
@which_options("queued", "started")
@manager_command
def cancel(manager: "Client", out: Output, **which: Any) -> None:
    """Cancel tasks: queued ones at once, started ones by asking their workers.

    \b
    Examples:
      jsonrpc-qm cancel 0198f2a4-6f0e-7cc3-98c4-dc0c0c07398f
      jsonrpc-qm cancel --name report --query '"month":3'
    """
    done = "cancelled or asked to stop"
    change(out, "cancel", done, manager.cancel, manager.cancel_many, _cancelled_line, **which)


def _cancelled_line(_: str, task: Task) -> str:
    asked = task.status == Status.STARTED and task.cancel_requested
    return f"{task.id} {task.status}{', its worker is asked to stop' if asked else ''}"


@click.command("retry")
@which_options("failed", "cancelled")
@manager_command
def retry(manager: "Client", out: Output, **which: Any) -> None:
    """Queue failed or cancelled tasks again, with all their attempts.

    \b
    Examples:
      jsonrpc-qm retry 0198f2a4-6f0e-7cc3-98c4-dc0c0c07398f
      jsonrpc-qm retry --name report --status failed --since 12h
    """
    change(out, "retry", "retried", manager.retry, manager.retry_many, _retried_line, **which)


def _retried_line(_: str, task: Task) -> str:
    return f"{task.id} {task.status}"


@click.command("delete")
@which_options("completed", "failed", "cancelled")
@manager_command
def delete(manager: "Client", out: Output, **which: Any) -> None:
    """Delete finished tasks.

    \b
    Examples:
      jsonrpc-qm delete 0198f2a4-6f0e-7cc3-98c4-dc0c0c07398f
      jsonrpc-qm delete --name report --status cancelled
    """
    one, many = manager.delete_task, manager.delete_many
    change(out, "delete", "deleted", one, many, _deleted_line, **which)


def _deleted_line(id: str, _: bool) -> str:
    return f"{id} deleted"
