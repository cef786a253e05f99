"""What happens to a task: each event is a pure function from a record and a moment to a record.

Storages read a record, apply an event, and write the answer under a fence; so every storage decides
alike. An event that changes nothing (an outcome sent again) returns the record it was given. An
event that is refused raises LeaseLost or InvalidState. task.TRANSITIONS is the same as a table.
"""

from typing import Any

import msgspec
from msgspec.structs import replace

from jsonrpc_qm.errors import InvalidState, LeaseLost
from jsonrpc_qm.history import noted, why
from jsonrpc_qm.jsontext import from_parsed
from jsonrpc_qm.moments import seconds
from jsonrpc_qm.record import SCHEDULED, UNFINISHED, Record, public_status
from jsonrpc_qm.retry import Backoff, backoff_seconds, spread_of

DEFAULT_BACKOFF = Backoff()


class OfTask(msgspec.Struct, frozen=True, kw_only=True):
    """What all events have: the task that they happen to."""

    id: str


class WorkerEvent(OfTask, frozen=True, kw_only=True):
    """An event from whoever holds the claim with `token`."""

    token: int

    def held(self, record: Record) -> Record:
        """The record, if the token is its latest and the claim has not ended otherwise.

        A claim whose lease expired still counts while nobody else has claimed the task. Before the
        first claim there is nothing to hold, and the record's 0 is no token.
        """
        ended = record.outcome is not None or record.status not in UNFINISHED
        if record.token != self.token or record.token == 0 or ended:
            raise LeaseLost.of(self.id, public_status(record.status))
        return record

    def is_repeat(self, record: Record, outcome: str) -> bool:
        """Whether this very outcome was taken before: its answer got lost."""
        return record.token == self.token and record.outcome == outcome


class Complete(WorkerEvent, frozen=True, kw_only=True):
    """The work is done; also when a cancel was requested meanwhile."""

    result: str | None = None
    queue: tuple[Record, ...] = ()
    """Tasks to store together with the result: both or neither."""

    def apply(self, record: Record, now: int) -> Record:
        if self.is_repeat(record, "completed"):
            return record
        held = self.held(record)
        if self.queue:
            followers = [task.id for task in self.queue]
            held = replace(held, history=noted(held, now, "completed", tasks=followers))
        return _finished(held, now, "completed", outcome="completed", result=self.result)


class Fail(WorkerEvent, frozen=True, kw_only=True):
    """The attempt failed."""

    error: str
    retry: bool = True
    delay: int | None = None
    """Microseconds until the next attempt; None for the task's backoff."""

    def apply(self, record: Record, now: int) -> Record:
        if self.is_repeat(record, "failed"):
            return record
        return _failed(
            self.held(record), now, "failed", self.error, retry=self.retry, delay=self.delay
        )


class Release(WorkerEvent, frozen=True, kw_only=True):
    """The task is given back untouched: the claim does not count as an attempt."""

    delay: int | None = None

    def apply(self, record: Record, now: int) -> Record:
        if self.is_repeat(record, "released"):
            return record
        held = replace(self.held(record), attempts=record.attempts - 1)
        if record.cancel_requested:
            return _finished(held, now, "cancelled", outcome="released")
        run_at = record.run_at if self.delay is None else now + self.delay
        return _requeued(held, now, run_at, reason="released", outcome="released")


class Extend(WorkerEvent, frozen=True, kw_only=True):
    """A heartbeat: the lease starts anew."""

    lease: int | None = None
    progress: str | None = None
    has_progress: bool = False

    def apply(self, record: Record, now: int) -> Record:
        if self.held(record).status != "started":
            raise LeaseLost.of(self.id, public_status(record.status))
        until = now + (self.lease or record.claim_lease or record.lease)
        return replace(
            record,
            lease_expires_at=until,
            due_at=_earliest(until, record.timeout_at),
            progress=self.progress if self.has_progress else record.progress,
            updated_at=now,
        )


class Cancel(OfTask, frozen=True, kw_only=True):
    """Queued: cancelled at once. Started: its worker is asked to end it."""

    def apply(self, record: Record, now: int) -> Record:
        if record.status == "cancelled":
            return record
        if record.status == "started":
            if record.cancel_requested:
                return record
            history = noted(record, now, "started", reason="cancel requested")
            return replace(record, cancel_requested=1, updated_at=now, history=history)
        if record.status not in UNFINISHED:
            raise InvalidState.of(self.id, record.status)
        return _finished(record, now, "cancelled", outcome=record.outcome)


class Retry(OfTask, frozen=True, kw_only=True):
    """A failed or cancelled task starts over; what it was to expire by no longer counts."""

    def apply(self, record: Record, now: int) -> Record:
        if record.status not in ("failed", "cancelled"):
            raise InvalidState.of(self.id, public_status(record.status))
        fresh = replace(record, attempts=0, failures=0, lost=0, expires_at=None)
        return _requeued(fresh, now, now, reason="retried", outcome="retried", finished_at=None)


class Elapse(OfTask, frozen=True, kw_only=True):
    """Time has passed: whatever was due by itself happens."""

    def apply(self, record: Record, now: int) -> Record:
        if record.due_at is None or record.due_at > now:
            return record
        if record.status == "started":
            if record.timeout_at is not None and record.due_at == record.timeout_at:
                return _failed(record, now, "timed out", _TIMEOUT, retry=True, delay=None)
            return _lease_expired(record, now)
        if record.attempts == 0 and record.expires_at is not None and record.expires_at <= now:
            return _finished(record, now, "failed", outcome=record.outcome, error=_EXPIRED)
        return replace(record, status="queued", due_at=_expiry(record))


Event = Complete | Fail | Release | Extend | Cancel | Retry | Elapse
"""Something that happens to a task. `apply` gives the record afterwards."""


def claimed(record: Record, now: int, *, worker: str | None, lease: int | None) -> Record:
    """The record of a task that is taken now.

    SQL storages write the same in one statement; the contract tests hold them together.
    """
    claim_lease = record.lease if lease is None else lease
    timeout_at = None if record.timeout is None else now + record.timeout
    return replace(
        record,
        status="started",
        token=max(record.token + 1, now),
        outcome=None,
        attempts=record.attempts + 1,
        worker=worker,
        claim_lease=claim_lease,
        lease_expires_at=now + claim_lease,
        timeout_at=timeout_at,
        due_at=_earliest(now + claim_lease, timeout_at),
        started_at=now,
        finished_at=None,
        progress=None,
        updated_at=now,
    )


def _lease_expired(record: Record, now: int) -> Record:
    lost = replace(record, lost=record.lost + 1)
    if record.cancel_requested:
        return _finished(lost, now, "cancelled", outcome=None)
    if lost.lost > record.max_lost:
        return _finished(lost, now, "failed", outcome=None, error=_LEASE_EXPIRED)
    return _requeued(lost, now, record.run_at, reason="lease expired", outcome=None)


def _failed(
    record: Record, now: int, outcome: str, error: str, *, retry: bool, delay: int | None
) -> Record:
    failures = record.failures + 1
    failed = replace(record, failures=failures, error=error)
    if record.cancel_requested:
        return _finished(failed, now, "cancelled", outcome=outcome, error=error)
    if not retry or failures >= record.max_attempts:
        return _finished(failed, now, "failed", outcome=outcome, error=error)
    wait = _backoff_wait(failed) if delay is None else delay
    return _requeued(failed, now, now + wait, reason=why(error), outcome=outcome)


def _backoff_wait(record: Record) -> int:
    policy = DEFAULT_BACKOFF
    if record.backoff is not None:
        policy = msgspec.json.decode(record.backoff, type=Backoff)
    spread = spread_of(record.id, record.failures)
    return seconds(backoff_seconds(policy, record.failures, spread))


def _finished(record: Record, now: int, status: str, **changes: Any) -> Record:
    return replace(
        record,
        status=status,
        due_at=None,
        lease_expires_at=None,
        timeout_at=None,
        finished_at=now,
        updated_at=now,
        **changes,
    )


def _requeued(
    record: Record, now: int, run_at: int, *, reason: str | None, **changes: Any
) -> Record:
    changes.setdefault("finished_at", now)
    queued = replace(
        record,
        status="queued" if run_at <= now else SCHEDULED,
        run_at=run_at,
        lease_expires_at=None,
        timeout_at=None,
        cancel_requested=0,
        updated_at=now,
        history=noted(record, now, "queued", reason=reason),
        **changes,
    )
    return replace(queued, due_at=waiting_due_at(queued))


def waiting_due_at(record: Record) -> int | None:
    """When time changes a waiting task next: it gets ripe, or it expires."""
    ripe_at = record.run_at if record.status == SCHEDULED else None
    return _earliest(ripe_at, _expiry(record))


def _expiry(record: Record) -> int | None:
    return record.expires_at if record.attempts == 0 else None


def _earliest(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def _own_error(type: str, message: str) -> str:
    text = from_parsed({"type": type, "message": message}, "error")
    assert text is not None
    return text


_LEASE_EXPIRED = _own_error("LeaseExpired", "its leases expired more often than max_lost allows")
_EXPIRED = _own_error("Expired", "not started before expires_in had passed")
_TIMEOUT = _own_error("Timeout", "the attempt ran longer than its timeout")
