"""Waiting for the result of a task, by as many long polls as it takes."""

from collections.abc import Iterator
from math import inf
from time import monotonic
from typing import Any

from jsonrpc_qm.errors import TaskFailed
from jsonrpc_qm.params import MAX_WAIT
from jsonrpc_qm.task import Status, Task


def waits(timeout: float | None) -> Iterator[float]:
    """The seconds that each `get_task` is to wait, until time is up; None for no end."""
    until = monotonic() + (inf if timeout is None else timeout)
    while (left := until - monotonic()) > 0:
        yield min(left, MAX_WAIT)
    yield 0.0


def result_of(task: Task) -> Any:
    """The result of a finished task.

    Raises:
        TaskFailed: it has none.
    """
    if task.status is not Status.COMPLETED:
        raise TaskFailed(task)
    return task.result


def not_in_time(id: str, timeout: float | None) -> TimeoutError:
    """The error when time is up."""
    return TimeoutError(f"task {id} was not finished within {timeout} s")
