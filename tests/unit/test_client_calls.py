"""What each verb sends."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest

from jsonrpc_qm.client import calls
from jsonrpc_qm.client.calls import Call
from jsonrpc_qm.errors import InvalidParams
from jsonrpc_qm.params import MAX_WAIT
from jsonrpc_qm.retry import Backoff


def sent(call: Call[Any]) -> dict[str, Any]:
    request = json.loads(call.body)
    assert (request["jsonrpc"], request["method"], request["id"]) == ("2.0", call.method, 1)
    return request["params"]


def version_of(id: str) -> int | None:
    return UUID(id).version


def test_none_is_left_out_so_that_the_managers_default_holds() -> None:
    """Only what was given is sent, besides the id."""
    params = sent(calls.queue("resize", None, priority=None, lease=None))
    assert set(params) == {"name", "id"}


def test_zero_and_false_are_sent() -> None:
    """They are values, not absences."""
    params = sent(calls.queue("resize", 0, priority=0, max_lost=0))
    assert (params["parameters"], params["priority"], params["max_lost"]) == (0, 0, 0)
    assert sent(calls.fail("a", 1, {"type": "E", "message": ""}, retry=False, delay=0.0)) == {
        "id": "a",
        "token": 1,
        "error": {"type": "E", "message": ""},
        "retry": False,
        "delay": 0.0,
    }


def test_a_task_without_an_id_gets_a_uuid7() -> None:
    """Two calls get two ids, and one call keeps its id however often it is sent."""
    first, second = sent(calls.queue("a", None))["id"], sent(calls.queue("a", None))["id"]
    assert version_of(first) == version_of(second) == 7
    assert first != second


def test_an_id_of_the_producer_is_kept() -> None:
    """The client brings one only where there is none; an empty one is the manager's to refuse."""
    assert sent(calls.queue("a", None, id="order-7"))["id"] == "order-7"
    assert sent(calls.queue("a", None, id=""))["id"] == ""
    tasks = sent(calls.queue_many([{"name": "a", "id": "x"}, {"name": "b", "id": None}]))["tasks"]
    assert tasks[0] == {"name": "a", "id": "x"}
    assert version_of(tasks[1]["id"]) == 7


def test_follow_up_tasks_get_ids_too() -> None:
    """In `complete` and in the outcomes of `report`."""
    params = sent(calls.complete("a", 1, {"n": 1}, [{"name": "next"}]))
    assert version_of(params["queue"][0]["id"]) == 7
    outcome = {"id": "a", "token": 1, "status": "completed", "queue": [{"name": "next"}]}
    params = sent(calls.report([outcome]))
    assert version_of(params["outcomes"][0]["queue"][0]["id"]) == 7


def test_what_the_caller_gave_is_not_changed() -> None:
    """Ids and times go into copies."""
    task = {"name": "a", "run_at": datetime(2026, 1, 1, tzinfo=UTC), "parameters": None}
    outcome = {"id": "a", "token": 1, "status": "completed", "queue": [{"name": "next"}]}
    calls.queue_many([task])
    calls.report([outcome])
    assert task == {"name": "a", "run_at": datetime(2026, 1, 1, tzinfo=UTC), "parameters": None}
    assert outcome["queue"] == [{"name": "next"}]


def test_times_are_sent_in_utc_with_microseconds() -> None:
    """From any time zone."""
    moment = datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=timezone(timedelta(hours=2)))
    assert sent(calls.queue("a", None, run_at=moment))["run_at"] == "2026-03-01T10:00:00.000005Z"
    tasks = sent(calls.queue_many([{"name": "a", "run_at": moment}]))["tasks"]
    assert tasks[0]["run_at"] == "2026-03-01T10:00:00.000005Z"


def test_a_time_without_a_zone_is_refused() -> None:
    """Nobody could say which moment it is."""
    naive = datetime(2026, 3, 1)
    with pytest.raises(InvalidParams) as caught:
        calls.queue("a", None, run_at=naive)
    assert caught.value.data["param"] == "run_at"
    with pytest.raises(InvalidParams) as caught:
        calls.queue_many([{"name": "a"}, {"name": "a", "run_at": naive}])
    assert caught.value.data["param"] == "tasks[1].run_at"


def test_a_backoff_is_sent_as_an_object() -> None:
    """With all its members; a mapping is sent as it is."""
    wanted = {"base": 1.0, "factor": 2.0, "max": 9.0, "jitter": 0.25}
    assert sent(calls.queue("a", None, backoff=Backoff(base=1, max=9)))["backoff"] == wanted
    tasks = [
        {"name": "a", "backoff": Backoff(base=1, max=9)},
        {"name": "a", "backoff": {"base": 1}},
    ]
    assert [task["backoff"] for task in sent(calls.queue_many(tasks))["tasks"]] == [
        wanted,
        {"base": 1},
    ]


def test_any_json_value_goes_through_unchanged() -> None:
    """Integers keep their digits, text every code point."""
    value = {"n": 2**200, "f": 0.1, "t": "é\u2028\x00🚀", "l": [None, True, []]}
    assert sent(calls.queue("a", value))["parameters"] == value


def test_mappings_and_tuples_are_sent_as_objects_and_arrays() -> None:
    """Whatever Python type the caller has for them."""
    leases = (MappingProxyType({"id": "a", "token": 1}),)
    assert sent(calls.heartbeat(leases, None)) == {"leases": [{"id": "a", "token": 1}]}
    assert sent(calls.claim(("a", "b"), wait=1.5))["names"] == ["a", "b"]


class NoJson:
    """An object that JSON has no form for."""


CYCLE: list[Any] = []
CYCLE.append(CYCLE)


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), "\ud800", NoJson(), b"bytes", {1j: 1}, {"a": {"b": set()}}, CYCLE],
    ids=["nan", "infinity", "surrogate", "object", "bytes", "key", "nested", "cycle"],
)
def test_a_value_without_a_json_form_is_refused_and_named(value: Any) -> None:
    """Before anything is sent, in single calls and deep in lists."""
    one = {"name": "a"}
    wrongs: list[tuple[str, Callable[[], object]]] = [
        ("parameters", lambda: calls.queue("a", value)),
        ("priority", lambda: calls.queue("a", None, priority=value)),
        ("tasks[1].parameters", lambda: calls.queue_many([one, {**one, "parameters": value}])),
        ("result", lambda: calls.complete("a", 1, value, ())),
        ("error", lambda: calls.fail("a", 1, {"data": value}, retry=True, delay=None)),
        ("leases[0].progress", lambda: calls.heartbeat([{"progress": value}], None)),
        ("outcomes[0].result", lambda: calls.report([{"id": "a", "token": 1, "result": value}])),
        ("tasks[0].tasks", lambda: calls.queue_many([{"tasks": [[value]]}])),
        ("names", lambda: calls.claim([value], wait=0.0)),
        ("parameters", lambda: calls.queue("a", [{"deep": value}])),
        ("params", lambda: calls.raw("queue", {"name": value})),
    ]
    for param, wrong in wrongs:
        with pytest.raises(InvalidParams) as caught:
            wrong()
        assert caught.value.data["param"] == param


@pytest.mark.parametrize("name", ["\udc00", float("nan")])
def test_every_param_is_checked_not_only_the_free_ones(name: Any) -> None:
    """A name with a lone surrogate would otherwise surface as a codec's error."""
    with pytest.raises(InvalidParams, match="name: "):
        calls.queue(name, None)
    with pytest.raises(InvalidParams, match="method: "):
        calls.raw(name, None)


def test_a_list_member_that_is_no_object_is_refused_and_named() -> None:
    """Also where the list itself is a string or a single task."""
    with pytest.raises(InvalidParams, match=r"tasks\[1\]: expected an object, got str"):
        calls.queue_many([{"name": "a"}, "b"])  # type: ignore[list-item]
    with pytest.raises(InvalidParams, match=r"tasks\[0\]: expected an object"):
        calls.queue_many({"name": "a"})  # type: ignore[arg-type]
    with pytest.raises(InvalidParams, match=r"outcomes\[0\]\.queue\[0\]: expected an object"):
        calls.report([{"id": "a", "token": 1, "status": "completed", "queue": ["next"]}])
    with pytest.raises(InvalidParams, match="error: expected an object, got str"):
        calls.fail("a", 1, "boom", retry=True, delay=None)  # type: ignore[arg-type]


def test_depth_is_left_to_the_manager() -> None:
    """It refuses one outcome for it; refusing here would hold back the others."""
    deep: Any = None
    for _ in range(500):
        deep = [deep]
    outcome = {"id": "a", "token": 1, "status": "completed", "result": deep}
    assert sent(calls.report([outcome]))["outcomes"] == [outcome]


def test_a_null_progress_is_sent() -> None:
    """In a lease, null is a progress, and no member is none."""
    leases = [{"id": "a", "token": 1, "progress": None}, {"id": "b", "token": 1}]
    assert sent(calls.heartbeat(leases, "w1")) == {"leases": leases, "worker": "w1"}


def test_complete_without_follow_ups_sends_no_queue() -> None:
    """An empty list says nothing."""
    assert sent(calls.complete("a", 1, None, ())) == {"id": "a", "token": 1}


def test_raw_calls_are_sent_as_they_are() -> None:
    """By name, by position, or without params; null stays null and no id is brought."""
    assert sent(calls.raw("queue", {"name": "a", "parameters": None})) == {
        "name": "a",
        "parameters": None,
    }
    assert sent(calls.raw("queue", ["a", {"b": 1}])) == ["a", {"b": 1}]
    assert json.loads(calls.raw("stats", None).body) == {
        "jsonrpc": "2.0",
        "method": "stats",
        "id": 1,
    }


def test_a_call_that_waits_is_given_its_time() -> None:
    """Up to the longest wait there is; what is no wait is the manager's to refuse."""
    assert calls.claim(["a"], wait=20.0).wait == 20.0
    assert calls.get_task("a", 3).wait == 3
    assert calls.get_task("a", 0.0).wait == 0.0
    assert calls.claim(["a"], wait=1e9).wait == 55.0
    assert calls.claim(["a"], wait=-1).wait == 0.0
    assert calls.claim(["a"], wait="soon").wait == 0.0  # type: ignore[arg-type]


def test_only_calls_that_are_not_safe_to_repeat_are_not_repeated() -> None:
    """Ids and tokens make the others safe."""
    once = [calls.retry("a"), calls.delete_task("a"), calls.raw("queue", {"name": "a"})]
    often: list[Call[Any]] = [
        calls.queue("a", None),
        calls.queue_many([]),
        calls.get_task("a", 0.0),
        calls.list_tasks(),
        calls.cancel("a"),
        calls.claim(["a"], wait=0.0),
        calls.heartbeat([], None),
        calls.complete("a", 1, None, ()),
        calls.fail("a", 1, {}, retry=True, delay=None),
        calls.release("a", 1, None),
        calls.report([]),
        calls.stats(),
        calls.workers(),
        calls.drain("w1"),
        calls.pause("a"),
        calls.resume("a"),
        calls.purge(),
        calls.discover(),
    ]
    assert not any(call.repeatable for call in once)
    assert all(call.repeatable for call in often)


def test_changes_of_many_tasks_may_take_their_time() -> None:
    """Longer than any call that waits."""
    for call in (calls.change_many("retry_many", {}), calls.purge()):
        assert call.wait > MAX_WAIT
