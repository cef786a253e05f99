"""Records to begin a test with."""

from typing import Any

from msgspec.structs import replace

from jsonrpc_qm.moments import SECOND
from jsonrpc_qm.record import SCHEDULED, Record
from jsonrpc_qm.transitions import waiting_due_at

NOW = 1_700_000_000 * SECOND
"""When tests begin, in microseconds."""


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
