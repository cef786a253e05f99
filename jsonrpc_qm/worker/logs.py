"""What the log hears of each attempt; never parameters, and never results."""

import logging
from collections.abc import Mapping
from typing import Any

from jsonrpc_qm.task import Task

logger = logging.getLogger("jsonrpc_qm.worker")


def begun(task: Task) -> None:
    """A handler is called."""
    logger.debug("%s %s started, attempt %d", task.name, task.id, task.attempts)


def ended(task: Task, wire: Mapping[str, Any], seconds: float) -> None:
    """There is an outcome; `wire` as `report` takes it, after so many seconds in the handler."""
    status = wire["status"]
    if status == "failed":
        _failed(task, wire["error"], seconds)
    elif status == "completed":
        logger.debug("%s %s completed in %.3f s", task.name, task.id, seconds)
    else:
        logger.debug("%s %s given back", task.name, task.id)


def _failed(task: Task, error: Mapping[str, Any], seconds: float) -> None:
    if not logger.isEnabledFor(logging.WARNING):
        return
    record = logger.makeRecord(
        logger.name,
        logging.WARNING,
        __file__,
        0,
        "%s %s failed, attempt %d, after %.3f s: %s: %s",
        (task.name, task.id, task.attempts, seconds, error["type"], error["message"]),
        None,
    )
    if logger.isEnabledFor(logging.DEBUG):
        # A text, for it may have come from another process.
        record.exc_text = error.get("traceback", "").rstrip()
    logger.handle(record)
