"""The errors: one tree, the protocol's codes and messages on the classes."""

import pickle
import re

import pytest

from jsonrpc_qm import errors
from jsonrpc_qm.errors import (
    BY_CODE,
    Conflict,
    InvalidParams,
    InvalidState,
    LeaseLost,
    QueueError,
    TaskFailed,
    TaskNotFound,
    TooLarge,
    Unavailable,
)
from jsonrpc_qm.task import Status
from tests.unit.worker_fakes import a_task

PROTOCOL = {
    -32700: "Parse error",
    -32600: "Invalid Request",
    -32601: "Method not found",
    -32602: "Invalid params",
    -32603: "Internal error",
    -32001: "Task not found",
    -32002: "Lease lost",
    -32003: "Conflict",
    -32004: "Invalid state",
    -32005: "Too large",
    -32006: "Unavailable",
    -32007: "Forbidden",
}
"""docs/protocol.md, Errors."""

KINDS = [
    kind for kind in vars(errors).values() if getattr(kind, "__module__", "") == errors.__name__
]


def test_codes_and_messages_are_the_protocols() -> None:
    """Every error of the protocol has a class, and no class says anything else."""
    assert {code: kind.message for code, kind in BY_CODE.items()} == PROTOCOL
    assert all(kind.code == code for code, kind in BY_CODE.items())


def test_every_class_is_in_the_table() -> None:
    """A client finds the class of whatever the manager raises; TaskFailed it makes itself."""
    assert set(BY_CODE.values()) == set(KINDS) - {QueueError, TaskFailed}


def test_all_errors_have_one_root() -> None:
    """`except QueueError` catches them all."""
    assert all(issubclass(kind, QueueError) for kind in KINDS)
    assert issubclass(QueueError, Exception)


def test_the_picture_of_the_tree_is_complete() -> None:
    """The module's docstring draws every class with its code."""
    drawn = re.findall(r"[├└]── (\w+) +(-\d+)", errors.__doc__ or "")
    assert {(name, int(code)) for name, code in drawn} == {
        (kind.__name__, code) for code, kind in BY_CODE.items()
    }


@pytest.mark.parametrize(
    ("error", "data", "said"),
    [
        (TaskNotFound.of("a"), {"id": "a"}, "Task not found: id: a"),
        (
            LeaseLost.of("a", "queued"),
            {"id": "a", "status": "queued"},
            "Lease lost: id: a, status: queued",
        ),
        (Conflict.of("a"), {"id": "a"}, "Conflict: id: a"),
        (
            InvalidState.of("a", "completed"),
            {"id": "a", "status": "completed"},
            "Invalid state: id: a, status: completed",
        ),
        (
            TooLarge.of("result", limit=10, size=11),
            {"limit": 10, "size": 11},
            "Too large: result is 11, the limit is 10",
        ),
        (Unavailable.of("stopping"), {"retry_after": 1.0}, "Unavailable: stopping"),
        (
            Unavailable.of("locked", retry_after=0.5),
            {"retry_after": 0.5},
            "Unavailable: locked",
        ),
        (
            InvalidParams.of("priority", "too high"),
            {"param": "priority", "reason": "too high"},
            "Invalid params: priority: too high",
        ),
        (Conflict(), {}, "Conflict"),
        (QueueError(), {}, "Queue error"),
        (QueueError("this client is closed"), {}, "this client is closed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_error_carries_its_data_and_reads_well(
    error: QueueError, data: dict[str, object], said: str
) -> None:
    """`data` is what travels; the text is for people."""
    assert error.data == data
    assert str(error) == said


def test_an_error_does_not_share_its_data() -> None:
    """Changing one error's data changes neither what it came from nor another error's."""
    given = {"id": "a"}
    first = Conflict(data=given)
    first.data["id"] = "b"
    assert given == {"id": "a"}
    assert Conflict().data == {}


@pytest.mark.parametrize("kind", BY_CODE.values())
def test_an_error_crosses_process_borders(kind: type[QueueError]) -> None:
    """Workers' process pools pickle what a handler raised."""
    back = pickle.loads(pickle.dumps(kind("detail", data={"id": "a"})))
    assert (type(back), str(back), back.data) == (kind, f"{kind.message}: detail", {"id": "a"})


def test_a_failed_task_crosses_process_borders_too() -> None:
    """With the task, whose end it tells in a line."""
    task = a_task(status=Status.FAILED, error={"type": "ValueError", "message": "as asked"})
    back = pickle.loads(pickle.dumps(TaskFailed(task)))
    assert (back.task, str(back)) == (task, "task t1 failed: ValueError: as asked")
    assert back.data == {"id": "t1"}
