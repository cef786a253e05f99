"""Where workers get tasks: the port that the in-process QueueManager and the HTTP Client meet."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from jsonrpc_qm.answers import HeartbeatAnswer, ReportAnswer
from jsonrpc_qm.task import ClaimedTask, Task


class TaskSource(Protocol):
    """The verbs a worker needs; the runner cannot tell who answers them.

    Arguments are as docs/protocol.md says. All may raise QueueError; Unavailable means that nothing
    was done and that another try makes sense.
    """

    def claim(
        self,
        names: Sequence[str],
        *,
        worker: str | None = None,
        max_tasks: int = 1,
        wait: float = 20.0,
        lease: float | None = None,
    ) -> list[ClaimedTask]:
        """Take tasks, waiting up to `wait` seconds for the first. Each has its `token`."""

    def heartbeat(
        self, leases: Sequence[Mapping[str, Any]], *, worker: str | None = None
    ) -> HeartbeatAnswer:
        """Extend leases: members `id`, `token`, and maybe `progress` and `lease`."""

    def report(
        self,
        outcomes: Sequence[Mapping[str, Any]],
        *,
        names: Sequence[str] | None = None,
        worker: str | None = None,
        max_tasks: int = 1,
        lease: float | None = None,
    ) -> ReportAnswer:
        """Finish many tasks, and take what is due next if `names` are given. Never waits."""

    def get_task(self, id: str) -> Task:
        """The task as it is. TaskNotFound when there is none."""

    def close(self) -> None:
        """Release connections. A claim that waits in another thread ends at once, taking nothing,
        with an empty list or an error."""
