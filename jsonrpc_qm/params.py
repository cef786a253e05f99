"""What each method takes: one struct a method, its fields in positional order.

The same definitions check calls over RPC, check calls from Python, and describe the methods in the
OpenRPC document; there the text under a field, or else its type's, is its description. Ranges come
from docs/protocol.md. A list over its limit is TooLarge rather than invalid, so those limits are in
LIST_LIMITS and only described here.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from jsonrpc_qm.retry import TEN_YEARS, Backoff, Delay

MAX_WAIT = 55.0
"""The longest long poll, in seconds."""

LIST_LIMITS = {
    "tasks": 10_000,
    "queue": 10_000,
    "outcomes": 10_000,
    "leases": 10_000,
    "names": 500,
    "ids": 10_000,
}
"""How many members each list parameter may have."""


def _listed(param: str, text: str) -> Meta:
    return Meta(description=text, extra_json_schema={"maxItems": LIST_LIMITS[param]})


Id = Annotated[
    str,
    # $ alone would let a trailing newline through.
    Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._:-]+$(?!\n)", description="Task id."),
]
Name = Annotated[str, Meta(min_length=1, max_length=200, description="Task name.")]
WorkerName = Annotated[str, Meta(min_length=1, max_length=200, description="Worker's name.")]
Token = Annotated[int, Meta(ge=1, le=2**53 - 1, description="Fencing token, from claim.")]
Priority = Annotated[int, Meta(ge=-1_000_000, le=1_000_000, description="Higher is first.")]
MaxAttempts = Annotated[int, Meta(ge=1, le=1_000_000, description="Attempts that may fail.")]
MaxLost = Annotated[int, Meta(ge=0, le=1_000_000, description="Leases that may expire.")]
Lease = Annotated[float, Meta(ge=0.1, le=30 * 86400, description="Seconds a claim lasts.")]
Duration = Annotated[float, Meta(gt=0, le=TEN_YEARS, description="Seconds, more than 0.")]
Wait = Annotated[float, Meta(ge=0, le=MAX_WAIT, description="Seconds to hold the answer.")]
Moment = Annotated[datetime, Meta(tz=True, description="RFC 3339 time.")]
UniqueKey = Annotated[str, Meta(min_length=1, max_length=200)]
MAX_METADATA = 32
"""How many members metadata may have."""

Metadata = Annotated[dict[str, str], Meta(max_length=MAX_METADATA)]
MaxTasks = Annotated[int, Meta(ge=1, le=1000, description="Tasks to take at most.")]
Names = Annotated[list[Name], Meta(min_length=1), _listed("names", "Task names to take from.")]
FinishedStatus = Literal["completed", "failed", "cancelled"]
AnyStatus = Literal["queued", "started", "completed", "failed", "cancelled"]
Query = Annotated[str, Meta(min_length=1, max_length=200)]


class Params(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Base of all params: a member that is not declared is refused."""


class NoParams(Params):
    """For methods without params."""


class QueueParams(Params):
    """`queue`, and each member of `queue_many`."""

    name: Name
    parameters: Any = None
    """What the worker gets: any JSON value."""
    priority: Priority | None = None
    """Higher is claimed first; default 0."""
    delay: Delay | None = None
    """Seconds from now before which it can't be claimed; instead of run_at."""
    run_at: Moment | None = None
    """RFC 3339 time before which it can't be claimed; instead of delay."""
    max_attempts: MaxAttempts | None = None
    """How many attempts may fail before it stays failed; default 5."""
    max_lost: MaxLost | None = None
    """How many of its leases may expire before it stays failed; default 3."""
    lease: Lease | None = None
    """Seconds a claim lasts without a heartbeat; default 60."""
    timeout: Duration | None = None
    """Seconds one attempt may run, heartbeats or not; default none."""
    expires_in: Duration | None = None
    """Seconds after which it fails unless it was started; default none."""
    backoff: Backoff | None = None
    """How long it waits after a failed attempt."""
    unique_key: UniqueKey | None = None
    """While an unfinished task of this name has this key, that one is returned."""
    id: Id | None = None
    """Task id of the caller's choice, which makes the call safe to send again; default a UUIDv7."""
    metadata: Metadata | None = None
    """Strings that come back with the task and are never interpreted."""


class QueueManyParams(Params):
    """`queue_many`."""

    tasks: Annotated[list[QueueParams], _listed("tasks", "Objects with queue's params.")]


class GetTaskParams(Params):
    """`get_task`."""

    id: Id
    wait: Wait | None = None
    """Seconds to hold the answer until the task is finished; default 0."""


class ListTasksParams(Params):
    """`list_tasks`."""

    name: Name | None = None
    """Only tasks of this name."""
    status: AnyStatus | None = None
    """Only tasks in this state."""
    limit: Annotated[int, Meta(ge=1, le=1000)] | None = None
    """Tasks on a page; default 50."""
    cursor: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    """The next_cursor of the page before."""
    query: Query | None = None
    """Only tasks with this text in their id, or in their parameters as compact JSON."""
    since: Moment | None = None
    """Only tasks queued at this RFC 3339 time or later."""
    until: Moment | None = None
    """Only tasks queued before this RFC 3339 time."""


class IdParams(Params):
    """`cancel`, `retry`, `delete_task`, `history` and `explain`."""

    id: Id


class ClaimParams(Params):
    """`claim`."""

    names: Names
    worker: WorkerName | None = None
    """The caller's name, for `workers` and `drain`."""
    max_tasks: MaxTasks | None = None
    """Tasks to take at most; default 1."""
    wait: Wait | None = None
    """Seconds to wait for the first task; default 20."""
    lease: Lease | None = None
    """Seconds the claims last without a heartbeat; default each task's own."""


class LeaseParams(Params):
    """One member of `heartbeat`'s leases."""

    id: Id
    token: Token
    progress: Any = msgspec.UNSET
    """Any JSON value for the task to show; left out, it keeps the last one."""
    lease: Lease | None = None
    """Seconds from now that the claim lasts; default as long as it was claimed for."""


class HeartbeatParams(Params):
    """`heartbeat`."""

    leases: Annotated[list[LeaseParams], _listed("leases", "The leases to extend.")]
    worker: WorkerName | None = None
    """The caller's name; with it the answer says whether it is asked to drain."""


class ErrorInfo(Params):
    """Why an attempt failed."""

    type: Annotated[str, Meta(min_length=1, max_length=200)]
    """The kind of failure, such as an exception's name."""
    message: str
    """What happened, for people."""
    traceback: str | None = None
    """Where it happened, for people."""
    data: Any = msgspec.UNSET
    """Any JSON value, for programs."""


FollowUps = Annotated[list[QueueParams], _listed("queue", "Tasks to store with the result.")]


class CompleteParams(Params):
    """`complete`."""

    id: Id
    token: Token
    result: Any = None
    """What came out: any JSON value."""
    queue: FollowUps | None = None
    """Tasks to store in the same transaction as the result: both or neither."""


class FailParams(Params):
    """`fail`."""

    id: Id
    token: Token
    error: ErrorInfo
    """Why it failed."""
    retry: bool | None = None
    """False when another attempt makes no sense; default true."""
    delay: Delay | None = None
    """Seconds until the next attempt; default by the task's backoff."""


class ReleaseParams(Params):
    """`release`."""

    id: Id
    token: Token
    delay: Delay | None = None
    """Seconds from now before which it can't be claimed; default none."""


class CompletedOutcome(Params, tag_field="status", tag="completed"):
    """An outcome of `report`: done."""

    id: Id
    token: Token
    result: Any = None
    """What came out: any JSON value."""
    queue: FollowUps | None = None
    """Tasks to store in the same transaction as the result: both or neither."""


class FailedOutcome(Params, tag_field="status", tag="failed"):
    """An outcome of `report`: the attempt failed."""

    id: Id
    token: Token
    error: ErrorInfo
    """Why it failed."""
    retry: bool | None = None
    """False when another attempt makes no sense; default true."""
    delay: Delay | None = None
    """Seconds until the next attempt; default by the task's backoff."""


class ReleasedOutcome(Params, tag_field="status", tag="queued"):
    """An outcome of `report`: given back untouched."""

    id: Id
    token: Token
    delay: Delay | None = None
    """Seconds from now before which it can't be claimed; default none."""


Outcome = CompletedOutcome | FailedOutcome | ReleasedOutcome


class ReportParams(Params):
    """`report`."""

    outcomes: Annotated[list[Outcome], _listed("outcomes", "How the tasks ended.")]
    names: Names | None = None
    """Task names to take from; left out, nothing is claimed."""
    worker: WorkerName | None = None
    """The caller's name, for `workers` and `drain`."""
    max_tasks: MaxTasks | None = None
    """Tasks to take at most; default 1."""
    lease: Lease | None = None
    """Seconds the claims last without a heartbeat; default each task's own."""


class DrainParams(Params):
    """`drain`."""

    worker: WorkerName


class NameParams(Params):
    """`pause` and `resume`."""

    name: Name


Ids = Annotated[list[Id], _listed("ids", "Task ids.")]


class ManyParams(Params):
    """`retry_many`, `cancel_many` and `delete_many`."""

    ids: Ids | None = None
    """These tasks; instead of the conditions that follow."""
    name: Name | None = None
    """Only tasks of this name."""
    status: AnyStatus | None = None
    """Only tasks in this state."""
    query: Query | None = None
    """Only tasks with this text in their id, or in their parameters as compact JSON."""
    since: Moment | None = None
    """Only tasks queued at this RFC 3339 time or later."""
    until: Moment | None = None
    """Only tasks queued before this RFC 3339 time."""
    dry_run: bool | None = None
    """True to count them only."""


class RetryManyParams(ManyParams):
    """`retry_many`."""

    status: Literal["failed", "cancelled"] | None = None


class CancelManyParams(ManyParams):
    """`cancel_many`."""

    status: Literal["queued", "started"] | None = None


class DeleteManyParams(ManyParams):
    """`delete_many`."""

    status: FinishedStatus | None = None


class RatesParams(Params):
    """`rates`."""

    name: Name | None = None
    """Only tasks of this name."""


class PurgeParams(Params):
    """`purge`."""

    name: Name | None = None
    """Only tasks of this name."""
    status: FinishedStatus | None = None
    """Only tasks that ended like this."""
    older_than: Delay | None = None
    """Only tasks that ended more than this many seconds ago."""
