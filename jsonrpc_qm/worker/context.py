"""What a handler can know and say about the attempt it is working on."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from jsonrpc_qm.jsontext import from_python
from jsonrpc_qm.task import Status, Task


class Cancelled(BaseException):
    """The attempt is to end now.

    Not an Exception, so that a handler's `except Exception` lets it through, as with asyncio's
    CancelledError.
    """


def _ignore(value: Any) -> None:
    """Do nothing with it."""


class Context:
    """One attempt at a task, for a handler that asks for it."""

    __slots__ = ("_report", "_stopped", "task")

    def __init__(
        self, task: Task, report: Callable[[Any], None], stopped: Callable[[], bool]
    ) -> None:
        """`report` takes progress, `stopped` says whether the attempt is to end."""
        self.task = task
        """The task as it was when it was claimed."""
        self._report = report
        self._stopped = stopped

    @classmethod
    def for_test(
        cls, *, report: Callable[[Any], None] = _ignore, cancelled: bool = False, **fields: Any
    ) -> "Context":
        """A context to call a handler with in a test, where there is no manager.

            said = []
            steps(3, context=Context.for_test(report=said.append, attempts=2))

        Args:
            report: called with each value of `progress`.
            cancelled: whether the attempt should end.
            fields: those of its `task`, by the names of Task's; the others are those of a first
                attempt at a task "test", which has just been claimed with the token 1.
        """
        now = datetime.now(UTC)
        usual: dict[str, Any] = {
            "id": "test",
            "name": "test",
            "status": Status.STARTED,
            "attempts": 1,
            "token": 1,
            **dict.fromkeys(("run_at", "created_at", "updated_at", "started_at"), now),
        }
        return cls(Task(**{**usual, **fields}), report, lambda: cancelled)

    @property
    def token(self) -> int:
        """The fencing token: larger with each claim of this task.

        Hand it to whatever the handler writes to; that should refuse tokens smaller than one it has
        seen.
        """
        assert self.task.token is not None
        return self.task.token

    def progress(self, value: Any) -> None:
        """Say how far it is: any JSON value, shown as the task's `progress`.

        It travels with the next heartbeat, at most twice a second; what is newer replaces what has
        not been sent.

        Raises:
            InvalidParams: the value has no JSON form.
        """
        from_python(value, "progress")
        self._report(value)

    @property
    def cancelled(self) -> bool:
        """Whether the attempt should end: somebody cancels the task, its lease is lost, or the
        worker stops and its grace has passed.

        Always False in a process, which is killed instead.
        """
        return self._stopped()

    def raise_if_cancelled(self) -> None:
        """Leave the handler if the attempt should end.

        Raises:
            Cancelled: it should.
        """
        if self._stopped():
            raise Cancelled
