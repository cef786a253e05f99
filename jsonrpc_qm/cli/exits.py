"""Exit codes, and how an error becomes one line and a code."""

import json
from typing import Any

from jsonrpc_qm.cli.printable import printable
from jsonrpc_qm.errors import (
    Conflict,
    Forbidden,
    InvalidParams,
    InvalidState,
    LeaseLost,
    MethodNotFound,
    QueueError,
    TaskNotFound,
    TooLarge,
    Unavailable,
)

FAILED = 1
USAGE = 2
NOT_FOUND = 3
REFUSED = 4
UNAVAILABLE = 5
NOTHING = 6
NOT_IN_TIME = 7
CANCEL_REQUESTED = 8
INTERRUPTED = 130

EXIT_CODES = {
    0: "done",
    FAILED: "the task failed or was cancelled (--wait), or any other failure",
    USAGE: "a wrong option, bad JSON, or a value that the manager calls invalid",
    NOT_FOUND: "no such task",
    REFUSED: "refused: Conflict, Lease lost, Invalid state, Too large, Forbidden",
    UNAVAILABLE: "the manager is not there or can't serve; or `serve` can't start",
    NOTHING: "`claim` found nothing",
    NOT_IN_TIME: "the task was not finished in time (--wait-for)",
    CANCEL_REQUESTED: "`heartbeat`: the lease is extended, but the task should stop",
    INTERRUPTED: "interrupted by Ctrl-C",
}
"""What each exit code means; the group's help prints it."""

_BY_ERROR: dict[type[QueueError], int] = {
    InvalidParams: USAGE,
    TaskNotFound: NOT_FOUND,
    Conflict: REFUSED,
    LeaseLost: REFUSED,
    InvalidState: REFUSED,
    TooLarge: REFUSED,
    Forbidden: REFUSED,
    MethodNotFound: REFUSED,
    Unavailable: UNAVAILABLE,
}


def exit_code(error: QueueError) -> int:
    """The exit code of an error."""
    return _BY_ERROR.get(type(error), FAILED)


class Failure(Exception):
    """The end of a command: a line on stderr, which is a JSON document with `--json`."""

    def __init__(
        self, message: str, code: int, *, as_json: bool = False, error: Any = None
    ) -> None:
        """`error` is the JSON-RPC error object, None when the manager refused nothing."""
        super().__init__(message)
        self.message = message
        self.exit_code = code
        self.as_json = as_json
        self.error = error

    @classmethod
    def of(cls, error: QueueError, *, as_json: bool) -> "Failure":
        return cls(str(error), exit_code(error), as_json=as_json, error=error_object(error))

    def line(self) -> str:
        """What to print, whole."""
        if self.as_json:
            members = {"message": self.message, "error": self.error, "exit_code": self.exit_code}
            return json.dumps(members)
        return f"Error: {printable(self.message)}"


def error_object(error: QueueError) -> dict[str, Any]:
    """The JSON-RPC error object."""
    return {"code": error.code, "message": error.message, "data": error.data}
