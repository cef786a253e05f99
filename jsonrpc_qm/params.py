"""What each method takes: one struct a method, its fields in positional order.

The same definitions check calls over RPC, check calls from Python, and describe the methods in the
OpenRPC document. Ranges come from docs/protocol.md. A list over its limit is TooLarge rather than
invalid, so those limits are in LIST_LIMITS and only described here.
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
Metadata = Annotated[dict[str, str], Meta(max_length=32)]
MaxTasks = Annotated[int, Meta(ge=1, le=1000, description="Tasks to take at most.")]
Names = Annotated[list[Name], Meta(min_length=1), _listed("names", "Task names to take from.")]
FinishedStatus = Literal["completed", "failed", "cancelled"]
AnyStatus = Literal["queued", "started", "completed", "failed", "cancelled"]


class Params(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Base of all params: a member that is not declared is refused."""


class NoParams(Params):
    """For methods without params."""


class QueueParams(Params):
    """`queue`, and each member of `queue_many`."""

    name: Name
    parameters: Any = None
    priority: Priority | None = None
    delay: Delay | None = None
    run_at: Moment | None = None
    max_attempts: MaxAttempts | None = None
    max_lost: MaxLost | None = None
    lease: Lease | None = None
    timeout: Duration | None = None
    expires_in: Duration | None = None
    backoff: Backoff | None = None
    unique_key: UniqueKey | None = None
    id: Id | None = None
    metadata: Metadata | None = None


class QueueManyParams(Params):
    """`queue_many`."""

    tasks: Annotated[list[QueueParams], _listed("tasks", "Objects with queue's params.")]


class GetTaskParams(Params):
    """`get_task`."""

    id: Id
    wait: Wait | None = None


class ListTasksParams(Params):
    """`list_tasks`."""

    name: Name | None = None
    status: AnyStatus | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] | None = None
    cursor: Annotated[str, Meta(min_length=1, max_length=64)] | None = None


class IdParams(Params):
    """`cancel`, `retry` and `delete_task`."""

    id: Id


class ClaimParams(Params):
    """`claim`."""

    names: Names
    worker: WorkerName | None = None
    max_tasks: MaxTasks | None = None
    wait: Wait | None = None
    lease: Lease | None = None


class LeaseParams(Params):
    """One member of `heartbeat`'s leases."""

    id: Id
    token: Token
    progress: Any = msgspec.UNSET
    lease: Lease | None = None


class HeartbeatParams(Params):
    """`heartbeat`."""

    leases: Annotated[list[LeaseParams], _listed("leases", "The leases to extend.")]
    worker: WorkerName | None = None


class ErrorInfo(Params):
    """Why an attempt failed."""

    type: Annotated[str, Meta(min_length=1, max_length=200)]
    message: str
    traceback: str | None = None
    data: Any = msgspec.UNSET


FollowUps = Annotated[list[QueueParams], _listed("queue", "Tasks to store with the result.")]


class CompleteParams(Params):
    """`complete`."""

    id: Id
    token: Token
    result: Any = None
    queue: FollowUps | None = None


class FailParams(Params):
    """`fail`."""

    id: Id
    token: Token
    error: ErrorInfo
    retry: bool | None = None
    delay: Delay | None = None


class ReleaseParams(Params):
    """`release`."""

    id: Id
    token: Token
    delay: Delay | None = None


class CompletedOutcome(Params, tag_field="status", tag="completed"):
    """An outcome of `report`: done."""

    id: Id
    token: Token
    result: Any = None
    queue: FollowUps | None = None


class FailedOutcome(Params, tag_field="status", tag="failed"):
    """An outcome of `report`: the attempt failed."""

    id: Id
    token: Token
    error: ErrorInfo
    retry: bool | None = None
    delay: Delay | None = None


class ReleasedOutcome(Params, tag_field="status", tag="queued"):
    """An outcome of `report`: given back untouched."""

    id: Id
    token: Token
    delay: Delay | None = None


Outcome = CompletedOutcome | FailedOutcome | ReleasedOutcome


class ReportParams(Params):
    """`report`."""

    outcomes: Annotated[list[Outcome], _listed("outcomes", "How the tasks ended.")]
    names: Names | None = None
    worker: WorkerName | None = None
    max_tasks: MaxTasks | None = None
    lease: Lease | None = None


class DrainParams(Params):
    """`drain`."""

    worker: WorkerName


class NameParams(Params):
    """`pause` and `resume`."""

    name: Name


class PurgeParams(Params):
    """`purge`."""

    name: Name | None = None
    status: FinishedStatus | None = None
    older_than: Delay | None = None
