"""Waiting on the command line until a task is finished."""

import time
from typing import TYPE_CHECKING

import click

from jsonrpc_qm.cli.exits import FAILED, NOT_IN_TIME
from jsonrpc_qm.cli.output import Output
from jsonrpc_qm.cli.printable import printable
from jsonrpc_qm.errors import QueueError
from jsonrpc_qm.task import Status, Task

if TYPE_CHECKING:
    from jsonrpc_qm.client.sync import Client

LONGEST_POLL = 55.0
"""Seconds that `get_task` holds its answer at most (docs/protocol.md, "For producers")."""

SAID_AFTER = 5.0
"""Seconds of waiting after which it is said why the task isn't running."""


def wait_until_finished(manager: "Client", out: Output, id: str, seconds: float | None) -> Task:
    """The task when it is finished, or as it is after `seconds`; None waits without end.

    While it waits it says once on stderr why the task isn't running, but not among JSON.
    """
    until = None if seconds is None else time.monotonic() + seconds
    longest = SAID_AFTER
    while True:
        left = LONGEST_POLL if until is None else max(0.0, until - time.monotonic())
        task = manager.get_task(id, wait=min(left, longest))
        if task.finished or left == 0.0:
            return task
        is_first = longest == SAID_AFTER
        if is_first and left > SAID_AFTER and not out.as_json:
            _say_why(manager, task)
        longest = LONGEST_POLL


def end_as_the_task_did(manager: "Client", task: Task, out: Output) -> None:
    """Raise the Failure that says how a task ended that was waited for; nothing if all is well."""
    if not task.finished:
        reason = _why_queued(manager, task)
        raise out.failure(
            f"task {task.id} is not finished yet, it is {task.status}"
            f"{f': {reason}' if reason else ''}; go on with: jsonrpc-qm get {task.id} --wait",
            NOT_IN_TIME,
        )
    if task.status == Status.CANCELLED:
        raise out.failure(f"task {task.id} was cancelled", FAILED)
    if task.status == Status.FAILED:
        error = task.error or {}
        said = f"{error.get('type')}: {error.get('message')}"
        raise out.failure(f"task {task.id} failed: {said}", FAILED)


def _say_why(manager: "Client", task: Task) -> None:
    reason = _why_queued(manager, task)
    if reason:
        click.echo(f"Still queued: {printable(reason)}", err=True)


def _why_queued(manager: "Client", task: Task) -> str | None:
    """The first reason that a task isn't running; None if it runs, or nobody knows."""
    if task.status != Status.QUEUED:
        return None
    try:
        explanation = manager.explain(task.id)
    except QueueError:
        # An older manager can't explain, and what else may be wrong the next call will say.
        return None
    # It may have begun to run in between.
    return explanation.reasons[0].message if explanation.status == task.status else None
