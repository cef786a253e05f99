"""The manager's rules: a checked wish becomes storage verbs, and their answers become its answer.

Every method that writes is a function from its params to an Operation; nothing here does I/O. A
caller in the same process executes one operation at a time, the server's committer all that are
waiting in one transaction: execution.py serves both.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import msgspec

from jsonrpc_qm import params as p
from jsonrpc_qm.errors import InvalidParams, QueueError, TooLarge
from jsonrpc_qm.ids import new_id
from jsonrpc_qm.jsontext import from_parsed
from jsonrpc_qm.moments import moment_of, seconds
from jsonrpc_qm.record import SCHEDULED, Record
from jsonrpc_qm.storage.base import Claim, Filter, Sighting
from jsonrpc_qm.transitions import (
    DEFAULT_BACKOFF,
    Cancel,
    Complete,
    Event,
    Extend,
    Fail,
    Release,
    Retry,
    waiting_due_at,
)

T = TypeVar("T")

Ended = Record | QueueError | bool
"""What became of an outcome: the record, or why it was refused, or True where no record is asked
for."""

MAX_PAYLOAD = 1024 * 1024
"""Bytes of JSON that parameters, a result, an error or progress may have, by default."""

DEFAULT_LEASE = seconds(60)
DEFAULT_MAX_ATTEMPTS = 5
DEFAULT_MAX_LOST = 3

PURGE_BATCH = 500
"""How many finished tasks one transaction deletes at most."""


class Step(msgspec.Struct, frozen=True):
    """One storage verb, and the members of its list that belong to one operation."""

    verb: str
    items: Sequence[Any]


class Operation(msgspec.Struct, Generic[T], frozen=True):
    """What a call does to the storage: all its steps happen, in one transaction, or none."""

    steps: tuple[Step, ...]
    answer: Callable[..., T]
    """Gets each step's answers as an argument; raises QueueError when the call is refused."""


class Rules:
    """Builds operations; `max_payload` in bytes, and `now` gives the storage's time."""

    def __init__(self, now: Callable[[], int], *, max_payload: int = MAX_PAYLOAD) -> None:
        self.now = now
        self.max_payload = max_payload

    # -- producers ----------------------------------------------------------------------------

    def queue(self, call: p.QueueParams) -> Operation[Record]:
        """Store one task."""
        return Operation(
            (Step("add", [[self.new_task(call, self.now())]]),),
            lambda added: _accepted(added[0])[0],
        )

    def queue_many(self, call: p.QueueManyParams) -> Operation[list[Record]]:
        """Store many tasks, or none."""
        group = self._new_tasks("tasks", call.tasks)
        return Operation((Step("add", [group]),), lambda added: _accepted(added[0]))

    def cancel(self, call: p.IdParams) -> Operation[Record]:
        """Cancel a task, or ask its worker to."""
        return _single(Cancel(id=call.id))

    def retry(self, call: p.IdParams) -> Operation[Record]:
        """Queue a failed or cancelled task anew."""
        return _single(Retry(id=call.id))

    def delete_task(self, call: p.IdParams) -> Operation[bool]:
        """Delete a finished task."""
        return Operation((Step("delete", [call.id]),), lambda deleted: _accepted(deleted[0]))

    # -- workers ------------------------------------------------------------------------------

    def claim(self, call: p.ClaimParams | p.ReportParams) -> Operation[list[Record]]:
        """Take due tasks."""
        return Operation((Step("claim", [self._claim(call)]),), lambda claimed: claimed[0])

    def heartbeat(self, call: p.HeartbeatParams) -> Operation[list[Record | QueueError]]:
        """Extend leases; for each its record or why it is lost."""
        check_length("leases", call.leases)
        events = [self._extend(lease) for lease in call.leases]
        return Operation((Step("transition", events),), lambda records: records)

    def complete(self, call: p.CompleteParams) -> Operation[Record]:
        """End a claim: done."""
        return _single(self._outcome(call))

    def fail(self, call: p.FailParams) -> Operation[Record]:
        """End a claim: the attempt failed."""
        return _single(self._outcome(call))

    def release(self, call: p.ReleaseParams) -> Operation[Record]:
        """End a claim: given back untouched."""
        return _single(self._outcome(call))

    def report(self, call: p.ReportParams, *, records: bool = False) -> Operation[list[Ended]]:
        """End many claims; for each why it was refused, or its record, or True.

        With `records` each that was taken has its record, which costs more.
        """
        check_length("outcomes", call.outcomes)
        built = [self._tried(outcome) for outcome in call.outcomes]
        events = [event for event in built if not isinstance(event, QueueError)]
        if records or not _are_independent(events):
            step = Step("transition", events)
            return Operation((step,), lambda ended: _filled_in(built, ended, []))
        completed = [event for event in events if isinstance(event, Complete)]
        others = [event for event in events if not isinstance(event, Complete)]
        steps = (Step("transition", others), Step("complete", completed))
        return Operation(steps, lambda ended, done: _filled_in(built, ended, done))

    def retry_many(self, ids: Sequence[str]) -> Operation[int]:
        """Queue those of some tasks anew that have failed or were cancelled; how many."""
        return _counted([Retry(id=id) for id in ids])

    def cancel_many(self, ids: Sequence[str]) -> Operation[int]:
        """Cancel those of some tasks that are unfinished; how many."""
        return _counted([Cancel(id=id) for id in ids])

    def delete_many(self, ids: Sequence[str]) -> Operation[int]:
        """Delete those of some tasks that are finished; how many."""
        return Operation((Step("delete", ids),), lambda deleted: deleted.count(True))

    def saw(self, worker: str, names: Sequence[str] = ()) -> Operation[bool]:
        """Remember that a worker was heard of; whether it is asked to drain."""
        sighting = Sighting(worker=worker, names=tuple(names))
        return Operation((Step("saw", [sighting]),), lambda drains: drains[0])

    # -- operators ----------------------------------------------------------------------------

    def drain(self, call: p.DrainParams) -> Operation[bool]:
        """Ask a worker to finish what it has and stop."""

        def answer(known: list[bool]) -> bool:
            if not known[0]:
                raise unknown_worker()
            return True

        return Operation((Step("drain", [call.worker]),), answer)

    def pause(self, call: p.NameParams) -> Operation[bool]:
        """Stop the claims of a name."""
        return Operation((Step("pause", [(call.name, True)]),), lambda _: True)

    def resume(self, call: p.NameParams) -> Operation[bool]:
        """Let a name be claimed from again."""
        return Operation((Step("pause", [(call.name, False)]),), lambda _: True)

    def purge(self, call: p.PurgeParams) -> Operation[int]:
        """Delete one batch of finished tasks; to be repeated while it is a full PURGE_BATCH."""
        before = None if call.older_than is None else self.now() - seconds(call.older_than)
        filter = Filter(name=call.name, status=call.status, finished_before=before)
        return Operation((Step("purge", [filter]),), lambda purged: purged[0])

    # -- parts --------------------------------------------------------------------------------

    def new_task(self, call: p.QueueParams, now: int) -> Record:
        """The record of a task that is queued at this moment."""
        run_at = now if call.delay is None else now + seconds(call.delay)
        if call.run_at is not None:
            if call.delay is not None:
                raise InvalidParams.of("run_at", "give delay or run_at, not both")
            run_at = moment_given("run_at", call.run_at)
        backoff = None
        if call.backoff is not None and call.backoff != DEFAULT_BACKOFF:
            backoff = from_parsed(call.backoff, "backoff")
        # In the order of the fields: giving them by name takes four times as long.
        record = Record(
            call.id or new_id(call.name),
            call.name,
            SCHEDULED if run_at > now else "queued",
            self._payload("parameters", call.parameters),
            call.priority or 0,
            run_at,
            DEFAULT_MAX_ATTEMPTS if call.max_attempts is None else call.max_attempts,
            DEFAULT_MAX_LOST if call.max_lost is None else call.max_lost,
            DEFAULT_LEASE if call.lease is None else seconds(call.lease),
            None if call.timeout is None else _at_least_one(call.timeout),
            None if call.expires_in is None else now + _at_least_one(call.expires_in),
            backoff,
            call.unique_key,
            self._payload("metadata", call.metadata) if call.metadata else None,
            now,
            now,
        )
        if run_at <= now and call.expires_in is None:
            return record
        return msgspec.structs.replace(record, due_at=waiting_due_at(record))

    def _new_tasks(self, param: str, calls: Sequence[p.QueueParams]) -> list[Record]:
        check_length(param, calls)
        now = self.now()
        tasks = []
        for place, call in enumerate(calls):
            try:
                tasks.append(self.new_task(call, now))
            except InvalidParams as error:
                named = f"{param}[{place}].{error.data['param']}"
                raise InvalidParams.of(named, error.data["reason"]) from None
        return tasks

    def _claim(self, call: p.ClaimParams | p.ReportParams) -> Claim:
        names = call.names or []
        check_length("names", names)
        return Claim(
            names=tuple(names),
            worker=call.worker,
            max_tasks=call.max_tasks or 1,
            lease=_duration(call.lease),
        )

    def _extend(self, call: p.LeaseParams) -> Extend:
        has_progress = call.progress is not msgspec.UNSET
        return Extend(
            id=call.id,
            token=call.token,
            lease=_duration(call.lease),
            has_progress=has_progress,
            progress=self._payload("progress", call.progress) if has_progress else None,
        )

    def _tried(self, call: p.Outcome) -> Event | QueueError:
        try:
            return self._outcome(call)
        except QueueError as refusal:
            return refusal

    def _outcome(
        self, call: p.Outcome | p.CompleteParams | p.FailParams | p.ReleaseParams
    ) -> Event:
        if isinstance(call, (p.CompletedOutcome, p.CompleteParams)):
            return Complete(
                id=call.id,
                token=call.token,
                result=self._payload("result", call.result),
                queue=tuple(self._new_tasks("queue", call.queue)) if call.queue else (),
            )
        delay = None if call.delay is None else seconds(call.delay)
        if isinstance(call, (p.FailedOutcome, p.FailParams)):
            error = self._payload("error", call.error)
            assert error is not None
            retry = call.retry is not False
            return Fail(id=call.id, token=call.token, error=error, retry=retry, delay=delay)
        return Release(id=call.id, token=call.token, delay=delay)

    def _payload(self, param: str, value: Any) -> str | None:
        if value is None:
            return None
        text = from_parsed(value, param)
        # A character has at most four bytes.
        if text is not None and len(text) * 4 > self.max_payload:
            size = len(text.encode())
            if size > self.max_payload:
                raise TooLarge.of(param, limit=self.max_payload, size=size)
        return text


def _filled_in(
    built: Sequence[Event | QueueError], ended: Sequence[Ended], done: Sequence[Ended]
) -> list[Ended]:
    """The answers in the order of the outcomes: of events from `ended`, of Completes from `done`
    if there are any, and what was refused before as it is."""
    others, completed = iter(ended), iter(done)
    return [
        each
        if isinstance(each, QueueError)
        else next(completed if done and isinstance(each, Complete) else others)
        for each in built
    ]


def _are_independent(events: Sequence[Event]) -> bool:
    """Whether what becomes of each outcome is the same in any order."""
    if any(isinstance(event, Complete) and event.queue for event in events):
        return False
    return len({event.id for event in events}) == len(events)


def unknown_worker() -> InvalidParams:
    """The refusal to drain a worker that is not there, or gone."""
    return InvalidParams.of("worker", "no worker of this name has been heard of")


def check_length(param: str, values: Sequence[Any]) -> None:
    """Refuse a list over its limit (params.LIST_LIMITS)."""
    limit = p.LIST_LIMITS[param]
    if len(values) > limit:
        raise TooLarge.of(param, limit=limit, size=len(values))


def _single(event: Event) -> Operation[Record]:
    return Operation((Step("transition", [event]),), lambda records: _accepted(records[0]))


def _counted(events: Sequence[Event]) -> Operation[int]:
    return Operation(
        (Step("transition", events),),
        lambda records: sum(isinstance(each, Record) for each in records),
    )


def _accepted(answer: T | QueueError) -> T:
    if isinstance(answer, QueueError):
        raise answer
    return answer


def _at_least_one(duration: float) -> int:
    return max(1, seconds(duration))


def _duration(duration: float | None) -> int | None:
    return None if duration is None else _at_least_one(duration)


def moment_given(param: str, value: datetime) -> int:
    """A time that a caller gave as a moment; `param` names it in the error."""
    if value.tzinfo is None:
        raise InvalidParams.of(param, "a time needs its offset from UTC")
    try:
        return moment_of(value.astimezone(UTC))
    except OverflowError:
        raise InvalidParams.of(param, "not within the years 1 to 9999 in UTC") from None
