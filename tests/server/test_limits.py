"""What is too large: payloads by their bytes, lists by their members."""

import json
from typing import Any

import pytest

from jsonrpc_qm.server.running import Settings
from tests.server.callers import Caller, Refused
from tests.server.plain import PlainCaller

MEBIBYTE = 1024 * 1024

ERROR = {"type": "E", "message": ""}


def text_of(size: int) -> str:
    """A text whose JSON has that many bytes."""
    return "x" * (size - 2)


async def refused(call: Caller, method: str, **params: Any) -> dict[str, Any]:
    """What a call that is Too large says of the sizes."""
    with pytest.raises(Refused) as refusal:
        await call(method, **params)
    assert (refusal.value.code, refusal.value.message) == (-32005, "Too large")
    sizes: dict[str, Any] = refusal.value.data
    return sizes


async def claimed(call: Caller, id: str = "a") -> dict[str, Any]:
    """A task with that id, held."""
    await call("queue", name="mail", id=id)
    [task] = await call("claim", ["mail"], None, 1, 0)
    return {"id": task["id"], "token": task["token"]}


async def test_parameters_have_a_mebibyte(call: Caller) -> None:
    """To the byte, and the task comes back with them."""
    task = await call("queue", "mail", text_of(MEBIBYTE))
    assert task["parameters"] == text_of(MEBIBYTE)
    sizes = await refused(call, "queue", name="mail", parameters=text_of(MEBIBYTE + 1))
    assert sizes == {"limit": MEBIBYTE, "size": MEBIBYTE + 1}
    sizes = await refused(
        call,
        "queue_many",
        tasks=[{"name": "a"}, {"name": "b", "parameters": text_of(MEBIBYTE + 9)}],
    )
    assert sizes == {"limit": MEBIBYTE, "size": MEBIBYTE + 9}
    assert set((await call("stats"))["names"]) == {"mail"}


async def test_payloads_are_measured_in_utf_8_and_without_white_space(call: Caller) -> None:
    """What counts is what is kept, however it was written."""
    rocket = "\U0001f680" * (MEBIBYTE // 4)
    assert await refused(call, "queue", name="mail", parameters=rocket) == {
        "limit": MEBIBYTE,
        "size": MEBIBYTE + 2,
    }
    escaped = "\\u0078" * (MEBIBYTE - 2)
    spaced = f'{{"jsonrpc":"2.0","method":"queue","params":["mail",    "{escaped}"],"id":1}}'
    assert (await call.post(spaced)).json()["result"]["parameters"] == text_of(MEBIBYTE)


async def test_a_result_and_an_error_have_a_mebibyte(call: Caller) -> None:
    """A refused outcome leaves the task held, so that a smaller one can end it."""
    held = await claimed(call)
    too_much = text_of(MEBIBYTE + 1)
    await refused(call, "complete", **held, result=too_much)
    await refused(call, "complete", **held, queue=[{"name": "b", "parameters": too_much}])
    await refused(call, "fail", **held, error={**ERROR, "data": too_much})
    await refused(call, "fail", **held, error={**ERROR, "traceback": too_much})
    assert (await call("get_task", "a"))["status"] == "started"
    done = await call("complete", **held, result=text_of(MEBIBYTE))
    assert done["result"] == text_of(MEBIBYTE)


async def test_progress_and_metadata_have_a_mebibyte(call: Caller) -> None:
    """They are kept too."""
    held = await claimed(call)
    await refused(call, "heartbeat", leases=[{**held, "progress": text_of(MEBIBYTE + 1)}])
    await call("heartbeat", leases=[{**held, "progress": text_of(MEBIBYTE)}])
    assert (await call("get_task", "a"))["progress"] == text_of(MEBIBYTE)
    await refused(call, "queue", name="mail", metadata={"k": text_of(MEBIBYTE)})


async def test_an_outcome_that_is_too_large_holds_no_other_back(call: Caller) -> None:
    """Its error is in its place of the report."""
    first, second = await claimed(call, "a"), await claimed(call, "b")
    answer = await call(
        "report",
        outcomes=[
            {**first, "status": "completed", "result": text_of(MEBIBYTE + 1)},
            {**second, "status": "completed", "result": 1},
        ],
    )
    sizes = {"limit": MEBIBYTE, "size": MEBIBYTE + 1}
    assert answer["outcomes"] == [
        {"id": "a", "ok": False, "error": {"code": -32005, "message": "Too large", "data": sizes}},
        {"id": "b", "ok": True},
    ]
    assert (await call("get_task", "a"))["status"] == "started"


class TestASmallPayload:
    """Settings(max_payload=10)."""

    @pytest.fixture
    def settings(self) -> Settings:
        """Payloads of ten bytes."""
        return Settings(port=0, max_payload=10)

    async def test_the_limit_is_a_setting(self, call: Caller) -> None:
        """It holds for whatever is kept."""
        await call("queue", "mail", [1, 2, 3, 4])
        assert await refused(call, "queue", name="mail", parameters=[1, 2, 3, 4, 5]) == {
            "limit": 10,
            "size": 11,
        }


LISTS: dict[str, tuple[str, int, Any, dict[str, Any]]] = {
    "tasks": ("queue_many", 10_000, {"name": "a"}, {}),
    "names of claim": ("claim", 500, "a", {"wait": 0}),
    "leases": ("heartbeat", 10_000, {"id": "a", "token": 1}, {}),
    "outcomes": ("report", 10_000, {"id": "a", "token": 1, "status": "queued"}, {}),
    "names of report": ("report", 500, "a", {"outcomes": []}),
    "queue": ("complete", 10_000, {"name": "a"}, {"id": "a", "token": 1}),
}
"""Lists with a limit: the method, the limit, a member, and the other params."""


@pytest.mark.parametrize("key", LISTS)
def test_a_list_has_its_limit(shared: PlainCaller, key: str) -> None:
    """As many as the limit are taken; one more is Too large, with both numbers."""
    method, limit, member, rest = LISTS[key]
    param = key.partition(" ")[0]

    def error(size: int) -> Any:
        params = {**rest, param: [member] * size}
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return shared.send(body).get("error", {})

    sizes = {"limit": limit, "size": limit + 1}
    assert error(limit + 1) == {"code": -32005, "message": "Too large", "data": sizes}
    assert error(limit).get("code") in (None, -32001)


def test_lists_may_be_empty_but_for_names(shared: PlainCaller) -> None:
    """Nothing to do is done."""
    assert shared("queue_many", []) == []
    assert shared("heartbeat", []) == {"leases": [], "drain": False}
    assert shared("report", []) == {"outcomes": [], "tasks": []}


def test_many_bytes_of_many_tasks_fit_one_body(shared: PlainCaller) -> None:
    """The limits of a payload and of a body are apart: 15 payloads of a mebibyte are one body."""
    tasks = [{"name": "big", "parameters": text_of(MEBIBYTE)} for _ in range(15)]
    assert len(shared("queue_many", tasks)) == 15
    assert len(json.dumps(shared("list_tasks", "big", None, 1000))) > 15 * MEBIBYTE
