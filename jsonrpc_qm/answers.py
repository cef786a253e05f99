"""What methods answer besides tasks, as clients see it."""

from datetime import datetime
from typing import Any

import msgspec

from jsonrpc_qm.task import Task


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
    tasks: list[Task]
    """What was claimed; each has its `token`."""


class WorkerInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `workers`."""

    worker: str
    names: list[str]
    last_seen: datetime
    running: int
    """How many tasks it holds."""
    drain: bool
