"""Commands for workers written in shell: claim, complete, fail, release, heartbeat."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
from click.exceptions import Exit

from jsonrpc_qm.cli.exits import CANCEL_REQUESTED, NOTHING, REFUSED
from jsonrpc_qm.cli.options import manager_command, option, worker_option
from jsonrpc_qm.cli.output import Output, json_text
from jsonrpc_qm.cli.printable import printable
from jsonrpc_qm.cli.values import duration, json_value
from jsonrpc_qm.task import Task

if TYPE_CHECKING:
    from jsonrpc_qm.client.sync import Client

token_argument = click.argument("token", type=click.IntRange(min=1))


def refuse_no_list(context: click.Context, param: click.Parameter, value: Any) -> Any:
    """The value, if it is a list or was left out."""
    if value is not None and not isinstance(value, list):
        raise click.BadParameter("it must be a list", context, param)
    return value


@click.command("claim")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@option("--wait", type=duration, default="20", help="How long to wait for a task, 0 to 55 s.")
@option("--max-tasks", type=int, default=1, help="Tasks to take at most, 1 to 1000.")
@option("--lease", type=duration, help="How long the claim lasts without a heartbeat.")
@worker_option
@manager_command
def claim(
    manager: "Client",
    out: Output,
    *,
    names: Sequence[str],
    wait: float,
    max_tasks: int,
    lease: float | None,
    worker: str | None,
) -> None:
    """Take tasks to work on; exit code 6 when there are none.

    In a pipe it prints one line a task: id, token, name, and parameters as JSON, with tabs between.

    \b
    Example:
      IFS=$'\\t' read -r id token name parameters < <(jsonrpc-qm claim hello)
      jsonrpc-qm complete "$id" "$token" "$parameters"
    """
    tasks = manager.claim(list(names), worker=worker, max_tasks=max_tasks, wait=wait, lease=lease)
    if out.as_json:
        out.document(tasks)
    elif tasks and out.on_terminal:
        from jsonrpc_qm.cli.tables import claimed_rows

        out.table(claimed_rows(tasks))
    else:
        for task in tasks:
            parameters = json_text(task.parameters)
            out.line(f"{task.id}\t{task.token}\t{printable(task.name)}\t{parameters}")
    if not tasks:
        raise Exit(NOTHING)


@click.command("complete")
@click.argument("id")
@token_argument
@click.argument("result", type=json_value, required=False)
@option(
    "--queue",
    type=json_value,
    callback=refuse_no_list,
    metavar="JSON",
    help="Tasks to queue with it: a JSON list of queue's parameters.",
)
@manager_command
def complete(
    manager: "Client", out: Output, *, id: str, token: int, result: Any, queue: Any
) -> None:
    """Say that a claimed task is done.

    RESULT is a JSON value; @file reads it from a file, - from standard input.

    \b
    Example:
      jsonrpc-qm complete "$id" "$token" '{"lines": 42}'
    """
    task = manager.complete(id, token, result=result, queue=() if queue is None else queue)
    _show(task, out)


@click.command("fail")
@click.argument("id")
@token_argument
@option("--message", required=True, help="What went wrong.")
@option("--type", "type", default="Error", help="The kind of error, such as ValueError.")
@option("--traceback", help="Where it went wrong.")
@option("--data", type=json_value, metavar="JSON", help="More about it, as JSON.")
@option("--no-retry", is_flag=True, help="Do not try again.")
@option("--delay", type=duration, help="Try again after this long.  [default: the task's backoff]")
@manager_command
def fail(
    manager: "Client",
    out: Output,
    *,
    id: str,
    token: int,
    no_retry: bool,
    delay: float | None,
    **error: Any,
) -> None:
    """Say that the attempt at a claimed task failed.

    \b
    Example:
      jsonrpc-qm fail "$id" "$token" --message "exit code $?" --delay 30
    """
    said = {key: value for key, value in error.items() if value is not None}
    _show(manager.fail(id, token, said, retry=not no_retry, delay=delay), out)


@click.command("release")
@click.argument("id")
@token_argument
@option("--delay", type=duration, help="Not claimable before this long from now.")
@manager_command
def release(manager: "Client", out: Output, *, id: str, token: int, delay: float | None) -> None:
    """Give a claimed task back untouched; the claim counts as no attempt.

    \b
    Example:
      jsonrpc-qm release "$id" "$token"
    """
    _show(manager.release(id, token, delay=delay), out)


@click.command("heartbeat")
@click.argument("id")
@token_argument
@option("--progress", type=json_value, metavar="JSON", help="How far it is, as JSON.")
@option("--lease", type=duration, help="How long the claim lasts from now.")
@worker_option
@manager_command
def heartbeat(
    manager: "Client",
    out: Output,
    *,
    id: str,
    token: int,
    worker: str | None,
    progress: Any,
    lease: float | None,
) -> None:
    """Extend the lease of a claimed task; exit code 8 when the task should stop.

    \b
    Example:
      jsonrpc-qm heartbeat "$id" "$token" --progress 0.5
    """
    member = {"id": id, "token": token, "progress": progress, "lease": lease}
    wish = {key: value for key, value in member.items() if value is not None}
    answer = manager.heartbeat([wish], worker=worker)
    if out.as_json:
        out.document(answer)
    state = answer.leases[0]
    if not state.ok:
        raise out.failure(f"Lease lost: {id}", REFUSED)
    if not out.as_json:
        until = state.lease_expires_at
        out.line(f"{id} held until {until:%Y-%m-%dT%H:%M:%SZ}" if until else f"{id} held")
    if answer.drain:
        out.note("An operator asks this worker to finish what it has, and stop.")
    if state.cancel_requested:
        raise Exit(CANCEL_REQUESTED)


def _show(task: Task, out: Output) -> None:
    if out.as_json:
        out.document(task)
    else:
        out.line(f"{task.id} {task.status}")
