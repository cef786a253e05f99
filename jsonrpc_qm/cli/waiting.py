"""Waiting on the command line until a task is finished."""

import time
from typing import TYPE_CHECKING

from jsonrpc_qm.cli.exits import FAILED, NOT_IN_TIME
from jsonrpc_qm.cli.output import Output
from jsonrpc_qm.task import Status, Task

if TYPE_CHECKING:
    from jsonrpc_qm.client.sync import Client

LONGEST_POLL = 55.0
"""Seconds that `get_task` holds its answer at most (docs/protocol.md, "For producers")."""


def wait_until_finished(manager: "Client", id: str, seconds: float | None) -> Task:
    """The task when it is finished, or as it is after `seconds`; None waits without end."""
    until = None if seconds is None else time.monotonic() + seconds
    while True:
        left = LONGEST_POLL if until is None else max(0.0, until - time.monotonic())
        task = manager.get_task(id, wait=min(left, LONGEST_POLL))
        if task.finished or left == 0.0:
            return task


def end_as_the_task_did(task: Task, out: Output) -> None:
    """Raise the Failure that says how a task ended that was waited for; nothing if all is well."""
    if not task.finished:
        raise out.failure(
            f"task {task.id} is not finished yet, it is {task.status}; "
            f"go on with: jsonrpc-qm get {task.id} --wait",
            NOT_IN_TIME,
        )
    if task.status == Status.CANCELLED:
        raise out.failure(f"task {task.id} was cancelled", FAILED)
    if task.status == Status.FAILED:
        error = task.error or {}
        said = f"{error.get('type')}: {error.get('message')}"
        raise out.failure(f"task {task.id} failed: {said}", FAILED)
