"""The task as users see it, and the states it goes through."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec


class Status(StrEnum):
    """Where a task stands."""

    QUEUED = "queued"
    STARTED = "started"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINISHED = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED})
"""The states that nothing but `retry` and `delete_task` leaves."""

TRANSITIONS: dict[tuple[Status, str], frozenset[Status]] = {
    (Status.QUEUED, "claim"): frozenset({Status.STARTED}),
    (Status.QUEUED, "cancel"): frozenset({Status.CANCELLED}),
    (Status.QUEUED, "expire"): frozenset({Status.FAILED}),
    # A lease that expired put the task back, nobody has claimed it since: a late outcome.
    (Status.QUEUED, "complete"): frozenset({Status.COMPLETED}),
    (Status.QUEUED, "fail"): frozenset({Status.QUEUED, Status.FAILED}),
    (Status.QUEUED, "release"): frozenset({Status.QUEUED}),
    (Status.STARTED, "complete"): frozenset({Status.COMPLETED}),
    (Status.STARTED, "fail"): frozenset({Status.QUEUED, Status.FAILED, Status.CANCELLED}),
    (Status.STARTED, "release"): frozenset({Status.QUEUED, Status.CANCELLED}),
    (Status.STARTED, "lose"): frozenset({Status.QUEUED, Status.FAILED, Status.CANCELLED}),
    (Status.STARTED, "time out"): frozenset({Status.QUEUED, Status.FAILED, Status.CANCELLED}),
    (Status.STARTED, "cancel"): frozenset({Status.STARTED}),
    (Status.FAILED, "retry"): frozenset({Status.QUEUED}),
    (Status.CANCELLED, "retry"): frozenset({Status.QUEUED}),
}
"""The whole state machine: from a state, by an event, to one of these states.

A pair that is not here is refused: with LeaseLost for a worker's events, with InvalidState for an
operator's. docs/protocol.md draws it.
"""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A task as it stood when it was read.

    Times are aware datetimes in UTC.
    """

    id: str
    """UUIDv7, or what the producer brought: 1 to 64 of `A-Za-z0-9._:-`."""
    name: str
    """The name workers register for; 1 to 200 characters."""
    parameters: Any = None
    """Any JSON value: what `queue` was given."""
    result: Any = None
    """Any JSON value: what `complete` was given."""
    status: Status
    error: dict[str, Any] | None = None
    """The last failure: `type`, `message`, and maybe `traceback` and `data`."""
    priority: int = 0
    """Higher is claimed first; -1,000,000 to 1,000,000."""
    attempts: int = 0
    """How often it was claimed; a released claim does not count."""
    max_attempts: int = 5
    """How many attempts may fail before it stays failed."""
    lost: int = 0
    """How many of its leases expired."""
    max_lost: int = 3
    """How many leases may expire before it stays failed."""
    run_at: datetime
    """Not claimable before."""
    progress: Any = None
    """Any JSON value: the last one that a heartbeat reported."""
    worker: str | None = None
    """Who holds it, or held it last."""
    lease_expires_at: datetime | None = None
    """Set while started: until when the claim holds without a heartbeat."""
    cancel_requested: bool = False
    """Whether its worker has been asked to stop."""
    unique_key: str | None = None
    """While it is unfinished, no other task of this name has this key."""
    metadata: dict[str, str] = {}
    """Strings from the producer, never interpreted."""
    created_at: datetime
    """When it was stored."""
    updated_at: datetime
    """When it last changed, heartbeats included."""
    started_at: datetime | None = None
    """When the last attempt was claimed."""
    finished_at: datetime | None = None
    """When the last attempt ended."""
    token: int | None = None
    """The fencing token of the claim, larger with each claim; only on what `claim` returns."""

    @property
    def finished(self) -> bool:
        """Whether it is completed, failed or cancelled."""
        return self.status in FINISHED


class ClaimedTask(Task, frozen=True, kw_only=True):
    """A task that the caller holds since it was read."""

    token: int
    """The fencing token of the claim: what `complete`, `fail` and the others ask for."""
