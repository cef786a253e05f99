"""Records to begin a test with."""

from typing import Any

from msgspec.structs import replace

from jsonrpc_qm.moments import SECOND
from jsonrpc_qm.record import SCHEDULED, Record
from jsonrpc_qm.transitions import (
    Cancel,
    Complete,
    Elapse,
    Fail,
    Release,
    claimed,
    waiting_due_at,
)

NOW = 1_700_000_000 * SECOND
"""When tests begin, in microseconds."""
HOUR = 3600 * SECOND
DAY = 24 * HOUR
ERROR = '{"type":"E","message":"no"}'
"""An error as records keep it."""


def a_record(id: str = "a", *, name: str = "mail", now: int = NOW, **changes: Any) -> Record:
    """A task as it is queued at `now`; due at once unless `run_at` says otherwise."""
    run_at = changes.get("run_at", now)
    record = Record(
        id=id,
        name=name,
        status="queued" if run_at <= now else SCHEDULED,
        parameters=None,
        priority=0,
        run_at=run_at,
        max_attempts=5,
        max_lost=3,
        lease=60 * SECOND,
        timeout=None,
        expires_at=None,
        backoff=None,
        unique_key=None,
        metadata=None,
        created_at=now,
        updated_at=now,
    )
    record = replace(record, **changes)
    return replace(record, due_at=waiting_due_at(record))


def take(record: Record, now: int = NOW, lease: int = DAY) -> Record:
    """The record as a worker holds it."""
    return claimed(record, now, worker="w", lease=lease)


def lose(record: Record) -> Record:
    """The record after a claim whose lease ran out."""
    taken = take(record, lease=1)
    return Elapse(id=record.id).apply(taken, NOW + 1)


def fail(record: Record, *, retry: bool = True) -> Record:
    """The record after its attempt failed; due again at once, unless that was final."""
    event = Fail(id=record.id, token=record.token, error=ERROR, retry=retry, delay=0)
    return event.apply(record, NOW)


def complete(record: Record) -> Record:
    """The record after its worker has completed it."""
    return Complete(id=record.id, token=record.token).apply(record, NOW)


def release(record: Record) -> Record:
    """The record after its worker has given it back."""
    return Release(id=record.id, token=record.token).apply(record, NOW)


def cancel(record: Record) -> Record:
    """The record after an operator has cancelled it."""
    return Cancel(id=record.id).apply(record, NOW)
