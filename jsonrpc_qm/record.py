"""A task as storages keep it: numbers and texts only, nothing that needs interpreting."""

import msgspec

SCHEDULED = "scheduled"
"""Queued with `run_at` ahead: a state of its own inside, so that claims never walk over it."""

UNFINISHED = frozenset({"queued", SCHEDULED, "started"})


class Record(msgspec.Struct, frozen=True, gc=False, array_like=True):
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
    history: str | None = None
    """What history.py keeps of earlier attempts; None while there was one at most."""


FIELDS = Record.__struct_fields__


def public_status(status: str) -> str:
    """The status that the outside sees."""
    return "queued" if status == SCHEDULED else status
