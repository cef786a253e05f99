"""The task: its states, and how a record becomes what users see."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from jsonrpc_qm.record import FIELDS, SCHEDULED, UNFINISHED, Record, public_status
from jsonrpc_qm.rpc import wire
from jsonrpc_qm.task import FINISHED, TRANSITIONS, Status, Task
from jsonrpc_qm.transitions import Cancel, Complete, claimed
from tests.records import NOW, a_record

PROTOCOL_FIELDS = [
    "id",
    "name",
    "parameters",
    "result",
    "status",
    "error",
    "priority",
    "attempts",
    "max_attempts",
    "lost",
    "max_lost",
    "run_at",
    "progress",
    "worker",
    "lease_expires_at",
    "cancel_requested",
    "unique_key",
    "metadata",
    "created_at",
    "updated_at",
    "started_at",
    "finished_at",
]
"""docs/protocol.md, The task object."""


def at(microseconds: int) -> datetime:
    """The moment so many microseconds after NOW."""
    return datetime.fromtimestamp(NOW // 1_000_000, UTC).replace(microsecond=microseconds)


def test_a_task_has_the_fields_of_the_protocol_in_its_order() -> None:
    """And the token besides, which only a claim answers."""
    assert list(Task.__struct_fields__) == [*PROTOCOL_FIELDS, "token"]


def test_statuses_are_the_protocols_words() -> None:
    """A status is its word: it compares and prints as such."""
    assert [str(status) for status in Status] == [
        "queued",
        "started",
        "completed",
        "failed",
        "cancelled",
    ]
    assert Status("queued") in {"queued"}


def test_every_state_is_finished_or_not() -> None:
    """Inside there is one more unfinished state, which the outside sees as queued."""
    assert FINISHED.isdisjoint(UNFINISHED)
    assert {*FINISHED, *UNFINISHED} == {*Status, SCHEDULED}
    assert public_status(SCHEDULED) == "queued"
    assert [public_status(status) for status in Status] == list(Status)


def test_finished_tasks_only_start_over() -> None:
    """No event but `retry` leaves a finished state, and nothing leaves `completed`."""
    leaving = {pair for pair in TRANSITIONS if pair[0] in FINISHED}
    assert leaving == {(Status.FAILED, "retry"), (Status.CANCELLED, "retry")}


def test_every_state_is_reached_from_queued() -> None:
    """The table is connected: no state is there for nothing."""
    reached = {Status.QUEUED}
    for _ in Status:
        reached |= {
            to for (status, _), tos in TRANSITIONS.items() if status in reached for to in tos
        }
    assert reached == set(Status)


def task_of(record: Record, *, claimed: bool = False) -> Task:
    """What a client makes of the task object that goes out for a record."""
    return msgspec.json.decode(msgspec.json.encode(wire.task(record, claimed=claimed)), type=Task)


@pytest.mark.parametrize("status", Status)
def test_a_task_knows_whether_it_is_finished(status: Status) -> None:
    """Completed, failed and cancelled tasks are."""
    task = task_of(msgspec.structs.replace(a_record("a"), status=status))
    assert task.finished is (status in ("completed", "failed", "cancelled"))


def test_a_task_is_frozen() -> None:
    """What was read does not change."""
    task = task_of(a_record("a"))
    with pytest.raises(AttributeError):
        task.status = Status.COMPLETED  # type: ignore[misc]


def test_a_new_record_becomes_a_task_with_the_defaults() -> None:
    """What nobody gave is null, empty or 0."""
    assert task_of(a_record("a")) == Task(
        id="a", name="mail", status=Status.QUEUED, run_at=at(0), created_at=at(0), updated_at=at(0)
    )


def test_a_scheduled_record_is_a_queued_task() -> None:
    """Scheduled is a word of the inside."""
    task = task_of(a_record("a", run_at=NOW + 5))
    assert (task.status, task.run_at) == (Status.QUEUED, at(5))


def full() -> Record:
    """A record whose every member says something."""
    record = a_record(
        "a",
        parameters='{"digits":123456789012345678901}',
        priority=-3,
        max_attempts=7,
        max_lost=2,
        unique_key="k",
        metadata='{"traceparent":"00-1"}',
    )
    taken = claimed(record, NOW + 1, worker="w", lease=4)
    return msgspec.structs.replace(
        taken,
        progress="0.5",
        error='{"type":"E","message":"m","data":[1]}',
        cancel_requested=1,
        lost=1,
    )


def test_a_claimed_record_becomes_a_task_with_all_it_says() -> None:
    """JSON texts become values, moments become datetimes, flags become booleans."""
    expected: dict[str, Any] = {
        "id": "a",
        "name": "mail",
        "parameters": {"digits": 123456789012345678901},
        "result": None,
        "status": Status.STARTED,
        "error": {"type": "E", "message": "m", "data": [1]},
        "priority": -3,
        "attempts": 1,
        "max_attempts": 7,
        "lost": 1,
        "max_lost": 2,
        "run_at": at(0),
        "progress": 0.5,
        "worker": "w",
        "lease_expires_at": at(5),
        "cancel_requested": True,
        "unique_key": "k",
        "metadata": {"traceparent": "00-1"},
        "created_at": at(0),
        "updated_at": at(1),
        "started_at": at(1),
        "finished_at": None,
        "token": None,
    }
    assert msgspec.structs.asdict(task_of(full())) == expected


def test_only_a_claim_shows_the_token() -> None:
    """Whoever merely looks at a task can't end it."""
    assert task_of(full()).token is None
    assert task_of(full(), claimed=True).token == NOW + 1


def test_a_finished_record_becomes_a_task_with_its_result() -> None:
    """The lease is gone; what the worker gave is there."""
    record = full()
    task = task_of(Complete(id="a", token=record.token, result="[1]").apply(record, NOW + 2))
    assert (task.result, task.finished_at, task.lease_expires_at) == ([1], at(2), None)
    cancelled = task_of(Cancel(id="b").apply(a_record("b"), NOW + 3))
    assert (cancelled.status, cancelled.finished_at) == (Status.CANCELLED, at(3))


def test_a_task_knows_nothing_of_the_inside() -> None:
    """Everything a task shows comes from a record; some of a record stays inside."""
    assert {*Task.__struct_fields__} <= {*FIELDS}
    assert {"due_at", "outcome", "failures", "claim_lease"}.isdisjoint(Task.__struct_fields__)


def test_each_task_has_its_own_metadata() -> None:
    """The empty default is not shared."""
    first, second = task_of(a_record("a")), task_of(a_record("b"))
    first.metadata["x"] = "1"
    assert second.metadata == {}
