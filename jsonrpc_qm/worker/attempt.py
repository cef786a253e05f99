"""A task that this process holds: from the claim until its outcome is on its way."""

from collections.abc import Callable
from enum import Enum
from time import monotonic
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from jsonrpc_qm.task import Task
from jsonrpc_qm.worker import logs
from jsonrpc_qm.worker.context import Context
from jsonrpc_qm.worker.outcome import Outcome, failed, released

if TYPE_CHECKING:
    from jsonrpc_qm.worker.jobs import Job

DEFAULT_LEASE = 60.0


class Stop(Enum):
    """Why an attempt should end before its handler does."""

    CANCELLED = "its cancellation was requested"
    LOST = "its lease is lost"
    SHUTDOWN = "the worker stops"


class Attempt:
    """One claim of one task."""

    __slots__ = (
        "_kill",
        "claimed",
        "job",
        "lease",
        "progress",
        "seen",
        "started",
        "stopping",
        "task",
    )

    def __init__(self, task: Task, job: "Job", now: float) -> None:
        """`now` by time.monotonic, as all times here."""
        self.task = task
        self.job = job
        self.lease = DEFAULT_LEASE
        """Seconds that the claim lasts without a heartbeat."""
        if task.lease_expires_at is not None and task.started_at is not None:
            self.lease = (task.lease_expires_at - task.started_at).total_seconds()
        self.claimed = now
        self.seen = now
        """When the manager confirmed the lease last."""
        self.started = 0.0
        """When its handler was called; 0 before."""
        self.stopping: Stop | None = None
        self.progress: Any = UNSET
        """What the handler said last, until it has been sent."""
        self._kill: Callable[[], None] | None = None

    def begin(self) -> None:
        """Its handler is about to be called."""
        self.started = monotonic()
        logs.begun(self.task)

    def stop(self, reason: Stop) -> None:
        """Let it end, in the way its pool can: any thread may call this, at any time."""
        if self.stopping is None or reason is Stop.LOST:
            self.stopping = reason
        if self._kill is not None:
            self._kill()

    def stop_by(self, kill: Callable[[], None]) -> None:
        """Say how to end it; `kill` does nothing once the attempt has ended."""
        self._kill = kill
        if self.stopping is not None:
            kill()

    def context(self, told: Callable[[], None]) -> Context:
        """The handler's view of it; `told` is called when there is progress to send."""

        def report(value: Any) -> None:
            self.progress = value
            told()

        return Context(self.task, report, lambda: self.stopping is not None)

    def stopped(self) -> Outcome | None:
        """The outcome of an attempt that ended because it was to stop; None: there is none."""
        if self.stopping is Stop.LOST:
            return None
        if self.stopping is Stop.CANCELLED and self.started:
            return failed(self.task, "Cancelled", Stop.CANCELLED.value)
        return released(self.task)
