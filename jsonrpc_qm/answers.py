"""What methods answer besides tasks, as clients see it."""

from datetime import datetime
from typing import Any

import msgspec

from jsonrpc_qm.task import ClaimedTask, Task

OTHER_NAMES = "other"
"""In the place of names that are counted together, and of one that is really so."""


class TaskPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page of `list_tasks`."""

    tasks: list[Task]
    next_cursor: str | None = None
    """Give it back as `cursor` for the next page; None on the last."""


class LeaseState(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one lease of `heartbeat`."""

    id: str
    ok: bool
    """False when the lease is lost."""
    lease_expires_at: datetime | None = None
    cancel_requested: bool = False


class HeartbeatAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `heartbeat` answers."""

    leases: list[LeaseState]
    drain: bool = False
    """An operator asks this worker to finish what it has and stop."""


class OutcomeState(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one outcome of `report`."""

    id: str
    ok: bool
    error: dict[str, Any] | None = None
    """The JSON-RPC error object (`code`, `message`, `data`) of one that was refused."""


class ReportAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `report` answers."""

    outcomes: list[OutcomeState]
    tasks: list[ClaimedTask]
    """What was claimed; each has its `token`."""


class WorkerInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `workers`."""

    worker: str
    names: list[str]
    last_seen: datetime
    running: int
    """How many tasks it holds."""
    drain: bool


class TaskTransition(msgspec.Struct, frozen=True, kw_only=True):
    """One step of `history`."""

    at: datetime
    before: str | None = msgspec.field(default=None, name="from")
    """The status that the task left; None for the first."""
    to: str
    """The status that it got."""
    worker: str | None = None
    """Who held it then."""
    reason: str | None = None
    """What led to it: an error in a line, `lease expired`, `released`, `cancel requested`,
    `retried`."""
    tasks: list[str] = []
    """The ids of the tasks that its completion queued."""


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Why a task isn't running, or what it is doing."""

    code: str
    """`scheduled`, `paused`, `no_worker`, `draining`, `behind`, `running`, `cancel_requested` or
    `finished`."""
    message: str
    """The same for people."""
    until: datetime | None = None
    """When that changes by itself."""


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """What `explain` answers."""

    id: str
    status: str
    reasons: list[Reason]
    """The one that keeps it longest first; at least one."""


class NameRates(msgspec.Struct, frozen=True, kw_only=True):
    """How many tasks of one name came and went."""

    queued: list[int]
    """In each step, the oldest first."""
    finished: list[int]
    """Completed, failed or cancelled in each step."""


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """What `rates` answers."""

    interval: float
    """Seconds of a step."""
    until: datetime
    """When the last step ended."""
    names: dict[str, NameRates]
