"""A task as storages keep it: numbers and texts only, nothing that needs interpreting."""

import msgspec

from jsonrpc_qm.jsontext import to_python
from jsonrpc_qm.moments import datetime_of
from jsonrpc_qm.task import Status, Task

SCHEDULED = "scheduled"
"""Queued with `run_at` ahead: a state of its own inside, so that claims never walk over it."""

UNFINISHED = frozenset({"queued", SCHEDULED, "started"})


class Record(msgspec.Struct, frozen=True, gc=False):
    """One stored task. Moments and durations in microseconds, JSON as text, None for null.

    The order of the fields is the order of a storage's columns.
    """

    id: str
    name: str
    status: str
    """A Status, or SCHEDULED."""
    parameters: str | None
    priority: int
    run_at: int
    max_attempts: int
    max_lost: int
    lease: int
    """How long a claim lasts unless the claim says otherwise."""
    timeout: int | None
    """How long one attempt may run."""
    expires_at: int | None
    """When it fails unless it was ever started."""
    backoff: str | None
    """The retry policy as JSON text; None for the default."""
    unique_key: str | None
    metadata: str | None
    created_at: int
    updated_at: int
    due_at: int | None = None
    """When time alone changes it next: ripe, expired, lease lost or timed out."""
    result: str | None = None
    error: str | None = None
    attempts: int = 0
    failures: int = 0
    """How many attempts failed since it was queued or retried."""
    lost: int = 0
    progress: str | None = None
    worker: str | None = None
    token: int = 0
    """The latest claim's fencing token; 0 before the first claim."""
    outcome: str | None = None
    """How the latest claim ended; None while it runs, and when its lease expired."""
    claim_lease: int | None = None
    """How long a heartbeat extends the running claim."""
    lease_expires_at: int | None = None
    timeout_at: int | None = None
    """When the running attempt times out."""
    cancel_requested: int = 0
    started_at: int | None = None
    finished_at: int | None = None


FIELDS = Record.__struct_fields__


def public_status(status: str) -> str:
    """The status that the outside sees."""
    return "queued" if status == SCHEDULED else status


def task_of(record: Record, *, claimed: bool = False) -> Task:
    """The public task of a record; with its token when it was just claimed."""

    def moment(value: int | None) -> object:
        return None if value is None else datetime_of(value)

    return Task(
        id=record.id,
        name=record.name,
        parameters=to_python(record.parameters),
        result=to_python(record.result),
        status=Status(public_status(record.status)),
        error=to_python(record.error),
        priority=record.priority,
        attempts=record.attempts,
        max_attempts=record.max_attempts,
        lost=record.lost,
        max_lost=record.max_lost,
        run_at=datetime_of(record.run_at),
        progress=to_python(record.progress),
        worker=record.worker,
        lease_expires_at=moment(record.lease_expires_at),  # type: ignore[arg-type]
        cancel_requested=bool(record.cancel_requested),
        unique_key=record.unique_key,
        metadata=to_python(record.metadata) or {},
        created_at=datetime_of(record.created_at),
        updated_at=datetime_of(record.updated_at),
        started_at=moment(record.started_at),  # type: ignore[arg-type]
        finished_at=moment(record.finished_at),  # type: ignore[arg-type]
        token=record.token if claimed else None,
    )
