"""Answers as they go out: records become JSON without a detour through Python values."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from jsonrpc_qm.answers import Explanation, Rates
from jsonrpc_qm.errors import QueueError
from jsonrpc_qm.history import Transition
from jsonrpc_qm.moments import moment_of, rfc3339
from jsonrpc_qm.operations import Ended
from jsonrpc_qm.record import SCHEDULED, Record
from jsonrpc_qm.storage.base import WorkerRow

_NULL = Raw(b"null")


class WireTask(msgspec.Struct, gc=False):
    """The task object of protocol.md, in its order."""

    id: str
    name: str
    parameters: Raw
    result: Raw
    status: str
    error: Raw
    priority: int
    attempts: int
    max_attempts: int
    lost: int
    max_lost: int
    run_at: str
    progress: Raw
    worker: str | None
    lease_expires_at: str | None
    cancel_requested: bool
    unique_key: str | None
    metadata: Raw
    created_at: str
    updated_at: str
    started_at: str | None
    finished_at: str | None
    token: int | UnsetType = UNSET


def task(record: Record, *, claimed: bool = False) -> WireTask:
    """The task object of a record; with its token when it was just claimed."""
    r = record
    return WireTask(
        r.id,
        r.name,
        _json(r.parameters),
        _json(r.result),
        "queued" if r.status == SCHEDULED else r.status,
        _json(r.error),
        r.priority,
        r.attempts,
        r.max_attempts,
        r.lost,
        r.max_lost,
        rfc3339(r.run_at),
        _json(r.progress),
        r.worker,
        _time(r.lease_expires_at),
        bool(r.cancel_requested),
        r.unique_key,
        _EMPTY if r.metadata is None else Raw(r.metadata),
        rfc3339(r.created_at),
        rfc3339(r.updated_at),
        _time(r.started_at),
        _time(r.finished_at),
        r.token if claimed else UNSET,
    )


def claimed_tasks(records: Sequence[Record]) -> list[WireTask]:
    """What `claim` answers: tasks with their tokens."""
    return [task(record, claimed=True) for record in records]


def error_object(error: QueueError) -> dict[str, Any]:
    """The JSON-RPC error object of a refusal."""
    shown: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.data:
        shown["data"] = error.data
    return shown


def outcome(id: str, ended: Ended) -> dict[str, Any]:
    """What `report` answers for one outcome."""
    if isinstance(ended, QueueError):
        return {"id": id, "ok": False, "error": error_object(ended)}
    return {"id": id, "ok": True}


def lease(id: str, extended: Record | QueueError) -> dict[str, Any]:
    """What `heartbeat` answers for one lease."""
    if isinstance(extended, QueueError):
        return {"id": id, "ok": False, "lease_expires_at": None, "cancel_requested": False}
    return {
        "id": id,
        "ok": True,
        "lease_expires_at": _time(extended.lease_expires_at),
        "cancel_requested": bool(extended.cancel_requested),
    }


_EMPTY = Raw(b"{}")


def _json(text: str | None) -> Raw:
    return _NULL if text is None else Raw(text)


def _time(moment: int | None) -> str | None:
    return None if moment is None else rfc3339(moment)


def transition(step: Transition) -> dict[str, Any]:
    """One step of `history`."""
    return {
        "at": rfc3339(step.at),
        "from": step.before,
        "to": step.to,
        "worker": step.worker,
        "reason": step.reason,
        "tasks": step.tasks,
    }


def explanation(given: Explanation) -> dict[str, Any]:
    """What `explain` answers."""
    reasons = [
        {
            "code": reason.code,
            "message": reason.message,
            "until": None if reason.until is None else rfc3339(moment_of(reason.until)),
        }
        for reason in given.reasons
    ]
    return {"id": given.id, "status": given.status, "reasons": reasons}


def rates(given: Rates) -> dict[str, Any]:
    """What `rates` answers."""
    return {
        "interval": given.interval,
        "until": rfc3339(moment_of(given.until)),
        "names": given.names,
    }


def worker(row: WorkerRow) -> dict[str, Any]:
    """One row of `workers`."""
    return {
        "worker": row.worker,
        "names": row.names,
        "last_seen": rfc3339(row.last_seen),
        "running": row.running,
        "drain": row.drain,
    }
