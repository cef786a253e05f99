"""Each verb of both clients over a socket: what goes out, and what is made of what comes in."""

import inspect
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from jsonrpc_qm.answers import (
    Explanation,
    HeartbeatAnswer,
    Rates,
    ReportAnswer,
    TaskPage,
    TaskTransition,
    WorkerInfo,
)
from jsonrpc_qm.client.aio import AsyncClient
from jsonrpc_qm.client.sync import Client
from jsonrpc_qm.errors import QueueError, TaskFailed
from jsonrpc_qm.task import ClaimedTask, Status, Task
from tests.unit.client_stub import (
    TASK,
    AsyncCaller,
    Caller,
    FakeManager,
    SyncCaller,
    chunked,
    result,
)

WORKER = {
    "worker": "w1",
    "names": ["a"],
    "last_seen": "2026-03-01T10:00:00.000000Z",
    "running": 2,
    "drain": False,
}
LEASE = {
    "id": "x",
    "ok": True,
    "lease_expires_at": "2026-03-01T10:00:00Z",
    "cancel_requested": True,
}
REFUSED = {"code": -32002, "message": "Lease lost", "data": {"id": "x", "status": "queued"}}
COMPLETED = {**TASK, "status": "completed", "result": 3}
ERROR = {"type": "E", "message": "m"}
OUTCOME = {"id": "x", "token": 7, "status": "completed", "result": [1]}
MOMENT = datetime(2026, 3, 1, 10, tzinfo=UTC)
SAID = "2026-03-01T10:00:00.000000Z"
STEP = {"at": SAID, "from": None, "to": "queued", "worker": None, "reason": None, "tasks": []}
RATES = {"interval": 10.0, "until": SAID, "names": {"a": {"queued": [1], "finished": [0]}}}
EXPLAINED = {
    "id": "x",
    "status": "queued",
    "reasons": [{"code": "paused", "message": "a is paused", "until": None}],
}

VERBS: list[tuple[str, tuple[Any, ...], dict[str, Any], str, dict[str, Any], Any, Any]] = [
    # verb, arguments, options, method, params sent, result answered, type or value returned
    (
        "queue",
        ("a", 1),
        {"id": "x"},
        "queue",
        {"name": "a", "parameters": 1, "id": "x"},
        TASK,
        Task,
    ),
    (
        "queue_many",
        ([{"name": "a", "id": "x"}],),
        {},
        "queue_many",
        {"tasks": [{"name": "a", "id": "x"}]},
        [TASK],
        [Task],
    ),
    ("get_task", ("x",), {}, "get_task", {"id": "x"}, TASK, Task),
    ("result", ("x",), {}, "get_task", {"id": "x", "wait": 55.0}, COMPLETED, 3),
    ("get_task", ("x",), {"wait": 5.0}, "get_task", {"id": "x", "wait": 5.0}, TASK, Task),
    (
        "list_tasks",
        (),
        {"status": Status.QUEUED, "cursor": "c"},
        "list_tasks",
        {"status": "queued", "limit": 50, "cursor": "c"},
        {"tasks": [TASK], "next_cursor": None},
        TaskPage,
    ),
    (
        "list_tasks",
        (),
        {"query": "a", "since": MOMENT, "until": MOMENT, "limit": 9},
        "list_tasks",
        {"query": "a", "since": SAID, "until": SAID, "limit": 9},
        {"tasks": [], "next_cursor": "c"},
        TaskPage,
    ),
    ("history", ("x",), {}, "history", {"id": "x"}, [STEP], [TaskTransition]),
    ("explain", ("x",), {}, "explain", {"id": "x"}, EXPLAINED, Explanation),
    ("rates", (), {}, "rates", {}, RATES, Rates),
    ("rates", ("a",), {}, "rates", {"name": "a"}, RATES, Rates),
    ("retry_many", (), {"ids": ["x"]}, "retry_many", {"ids": ["x"]}, 1, 1),
    (
        "cancel_many",
        (),
        {"name": "a", "status": "queued", "query": "b", "since": MOMENT, "until": MOMENT},
        "cancel_many",
        {"name": "a", "status": "queued", "query": "b", "since": SAID, "until": SAID},
        9,
        9,
    ),
    ("delete_many", (), {"dry_run": True}, "delete_many", {"dry_run": True}, 9, 9),
    ("delete_many", (), {"dry_run": False}, "delete_many", {}, 9, 9),
    ("cancel", ("x",), {}, "cancel", {"id": "x"}, TASK, Task),
    ("retry", ("x",), {}, "retry", {"id": "x"}, TASK, Task),
    ("delete_task", ("x",), {}, "delete_task", {"id": "x"}, True, True),
    (
        "claim",
        (["a", "b"],),
        {"worker": "w1", "lease": 9.0},
        "claim",
        {"names": ["a", "b"], "worker": "w1", "max_tasks": 1, "wait": 20.0, "lease": 9.0},
        [TASK],
        [ClaimedTask],
    ),
    (
        "heartbeat",
        ([{"id": "x", "token": 7}],),
        {"worker": "w1"},
        "heartbeat",
        {"leases": [{"id": "x", "token": 7}], "worker": "w1"},
        {"leases": [LEASE], "drain": True},
        HeartbeatAnswer,
    ),
    ("complete", ("x", 7), {}, "complete", {"id": "x", "token": 7}, TASK, Task),
    (
        "complete",
        ("x", 7),
        {"result": 0, "queue": [{"name": "b", "id": "y"}]},
        "complete",
        {"id": "x", "token": 7, "result": 0, "queue": [{"name": "b", "id": "y"}]},
        TASK,
        Task,
    ),
    (
        "fail",
        ("x", 7, ERROR),
        {},
        "fail",
        {"id": "x", "token": 7, "error": ERROR, "retry": True},
        TASK,
        Task,
    ),
    (
        "release",
        ("x", 7),
        {"delay": 2.0},
        "release",
        {"id": "x", "token": 7, "delay": 2.0},
        TASK,
        Task,
    ),
    (
        "report",
        ([OUTCOME],),
        {"names": ["a"], "max_tasks": 500},
        "report",
        {"outcomes": [OUTCOME], "names": ["a"], "max_tasks": 500},
        {"outcomes": [{"id": "x", "ok": False, "error": REFUSED}], "tasks": [TASK]},
        ReportAnswer,
    ),
    ("stats", (), {}, "stats", {}, {"names": {}, "workers": 0}, {"names": {}, "workers": 0}),
    ("workers", (), {}, "workers", {}, [WORKER], [WorkerInfo]),
    ("drain", ("w1",), {}, "drain", {"worker": "w1"}, True, True),
    ("pause", ("a",), {}, "pause", {"name": "a"}, True, True),
    ("resume", ("a",), {}, "resume", {"name": "a"}, True, True),
    ("purge", (), {}, "purge", {}, 12, 12),
    (
        "purge",
        (),
        {"name": "a", "status": "failed", "older_than": 0.0},
        "purge",
        {"name": "a", "status": "failed", "older_than": 0.0},
        12,
        12,
    ),
    ("discover", (), {}, "rpc.discover", {}, {"openrpc": "1.3.2"}, {"openrpc": "1.3.2"}),
    ("call", ("get_task", {"id": "x"}), {}, "get_task", {"id": "x"}, TASK, TASK),
]


@pytest.fixture(params=[SyncCaller, AsyncCaller], ids=["Client", "AsyncClient"])
def caller(request: pytest.FixtureRequest, manager: FakeManager) -> Iterator[Caller]:
    made = request.param(manager.url, retry_for=0)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("verb", "arguments", "options", "method", "params", "answered", "wanted"),
    VERBS,
    ids=[f"{row[0]}-{index}" for index, row in enumerate(VERBS)],
)
def test_each_verb_sends_its_method_and_reads_its_answer(
    manager: FakeManager,
    caller: Caller,
    verb: str,
    arguments: tuple[Any, ...],
    options: dict[str, Any],
    method: str,
    params: dict[str, Any],
    answered: Any,
    wanted: Any,
) -> None:
    """One POST with the params that docs/protocol.md names; structs, not dicts, come back."""
    manager.will(result(answered))
    got = caller.do(verb, *arguments, **options)
    (received,) = manager.requests
    assert (received.call["method"], received.params) == (method, params)
    if isinstance(wanted, type):
        assert type(got) is wanted
    elif isinstance(wanted, list):
        assert [type(member) for member in got] == wanted
    else:
        assert got == wanted


def test_every_verb_is_covered_above() -> None:
    """A new verb needs a row."""
    verbs = {name for name, _ in inspect.getmembers(Client, inspect.isfunction) if name[0] != "_"}
    assert verbs - {"close"} == {row[0] for row in VERBS}


def test_both_clients_have_the_same_signatures() -> None:
    """So that one page of documentation serves both."""
    for name in ["__init__", "close", *{row[0] for row in VERBS}]:
        sync, aio = getattr(Client, name), getattr(AsyncClient, name)
        assert inspect.signature(sync) == inspect.signature(aio), name
        assert inspect.iscoroutinefunction(aio) is (name != "__init__")
        assert inspect.getdoc(sync)
        assert inspect.getdoc(aio)


def test_a_task_arrives_with_every_field(manager: FakeManager, caller: Caller) -> None:
    """Times are aware datetimes, integers keep their digits, the token is there."""
    task = caller.do("get_task", "x")
    assert task == Task(
        id=TASK["id"],
        name="resize",
        parameters={"width": 2**70, "text": "Grüße 🚀"},
        status=Status.STARTED,
        priority=3,
        attempts=1,
        run_at=datetime(2026, 3, 1, 10, 0, 0, 1, tzinfo=UTC),
        worker="w1",
        lease_expires_at=datetime(2026, 3, 1, 10, 1, tzinfo=UTC),
        metadata={"traceparent": "00-1"},
        created_at=datetime(2026, 3, 1, 9, tzinfo=UTC),
        updated_at=datetime(2026, 3, 1, 10, tzinfo=UTC),
        started_at=datetime(2026, 3, 1, 10, tzinfo=UTC),
        token=7,
    )


def test_a_refused_outcome_keeps_its_error(manager: FakeManager, caller: Caller) -> None:
    """The JSON-RPC error object, next to the ones that were taken."""
    states = [{"id": "x", "ok": True}, {"id": "y", "ok": False, "error": REFUSED}]
    manager.will(result({"outcomes": states, "tasks": []}))
    answer = caller.do("report", [OUTCOME])
    assert [(state.id, state.ok, state.error) for state in answer.outcomes] == [
        ("x", True, None),
        ("y", False, REFUSED),
    ]


def test_what_is_claimed_has_a_token(manager: FakeManager, caller: Caller) -> None:
    """For type checkers too, so that it can be handed to `complete`."""
    manager.will(result({"outcomes": [], "tasks": [TASK]}))
    (task,) = caller.do("report", [], names=["a"]).tasks
    assert (type(task), task.token) == (ClaimedTask, 7)
    manager.will(result([{**TASK, "token": None}]))
    with pytest.raises(QueueError, match="gave no answer to claim"):
        caller.do("claim", ["a"])


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        ({"status": "failed", "error": ERROR}, "failed: E: m"),
        ({"status": "cancelled"}, "was cancelled"),
    ],
)
def test_the_result_of_a_task_that_has_none_is_an_error(
    manager: FakeManager, caller: Caller, ended: dict[str, Any], said: str
) -> None:
    """It has the task, and says in a line how that ended."""
    manager.will(result({**TASK, **ended}))
    with pytest.raises(TaskFailed) as refusal:
        caller.do("result", "x")
    assert str(refusal.value) == f"task {TASK['id']} {said}"
    assert refusal.value.task.status == ended["status"]


def test_a_result_is_waited_for_as_long_as_there_is_time(
    manager: FakeManager, caller: Caller
) -> None:
    """By as many long polls as it takes, none longer than what is left, and a last look."""
    manager.will(result(TASK), result(TASK), result(COMPLETED))
    assert caller.do("result", "x", timeout=20) == 3
    assert all(0 < received.params["wait"] <= 20 for received in manager.requests)
    assert len(manager.requests) == 3
    with pytest.raises(TimeoutError, match="task x was not finished within 0 s"):
        caller.do("result", "x", timeout=0)
    assert "wait" not in manager.requests[-1].params


def test_five_hundred_tasks_arrive_in_order(manager: FakeManager, caller: Caller) -> None:
    """Also in chunks that cut through everything."""
    tasks = [{**TASK, "id": str(number)} for number in range(500)]
    for play in (result(tasks), chunked(tasks, 997)):
        manager.will(play)
        claimed = caller.do("claim", ["resize"], max_tasks=500)
        assert [task.id for task in claimed] == [str(number) for number in range(500)]


def test_a_body_of_many_megabytes_goes_through(manager: FakeManager, caller: Caller) -> None:
    """And warns of nothing."""
    caller.do("queue", "a", "x" * 5_000_000)
    (received,) = manager.requests
    assert len(received.params["parameters"]) == 5_000_000
