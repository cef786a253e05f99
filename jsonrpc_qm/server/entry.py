"""Operations on their way to the storage."""

import asyncio
from collections.abc import Callable
from typing import Any

from jsonrpc_qm.operations import Operation


def always() -> bool:
    """For operations that nobody can lose interest in."""
    return True


def never() -> bool:
    """For operations that nobody waits for any more."""
    return False


class Entry:
    """An operation on its way: `future` gets the answers to its steps, or the error."""

    __slots__ = ("alive", "future", "operation", "size")

    def __init__(
        self,
        operation: Operation[Any],
        future: "asyncio.Future[list[list[Any]]]",
        alive: Callable[[], bool] = always,
    ) -> None:
        self.operation = operation
        self.future = future
        self.alive = alive
        """Asked right before the transaction; when false, the operation is left out."""
        self.size = _size(operation)


def _size(operation: Operation[Any]) -> int:
    """How many members its lists have."""
    size = 0
    for step in operation.steps:
        # Tasks are added in groups.
        size += sum(map(len, step.items)) if step.verb == "add" else len(step.items)
    return size
