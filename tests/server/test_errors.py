"""The table of errors: for each the code, the message and the data that protocol.md gives it."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from jsonrpc_qm.errors import Unavailable
from jsonrpc_qm.rpc.examples import EXAMPLES
from jsonrpc_qm.storage.base import Storage
from jsonrpc_qm.storage.memory import MemoryStorage
from tests.server.callers import Caller, Refused

ERROR = {"type": "E", "message": "m"}


async def refusal(call: Caller, method: str, *args: Any, **kwargs: Any) -> tuple[int, str, Any]:
    """Code, message and data of the error that a call gets."""
    with pytest.raises(Refused) as refused:
        await call(method, *args, **kwargs)
    return refused.value.code, refused.value.message, refused.value.data


async def held(call: Caller, id: str = "a") -> tuple[str, int]:
    """Id and token of a task that is started."""
    await call("queue", name="mail", id=id)
    [task] = await call("claim", ["mail"], None, 1, 0)
    return id, task["token"]


async def completed(call: Caller, id: str = "a") -> tuple[str, int]:
    """Id and last token of a task that is completed."""
    id, token = await held(call, id)
    await call("complete", id, token)
    return id, token


@pytest.mark.parametrize(
    ("method", "rest"),
    [
        ("get_task", []),
        ("get_task", [5]),
        ("cancel", []),
        ("retry", []),
        ("delete_task", []),
        ("complete", [1]),
        ("fail", [1, ERROR]),
        ("release", [1]),
    ],
)
async def test_an_unknown_task_is_not_found(call: Caller, method: str, rest: list[Any]) -> None:
    """-32001, with its id; and at once, however long the call would wait."""
    assert await refusal(call, method, "x", *rest) == (-32001, "Task not found", {"id": "x"})


ENDS: dict[str, list[Any]] = {"complete": ["done"], "fail": [ERROR], "release": []}
"""How a claim ends: the method, and what comes after id and token."""


@pytest.mark.parametrize("method", ENDS)
async def test_a_token_that_is_not_the_latest_has_lost_its_lease(call: Caller, method: str) -> None:
    """-32002, with the id and what the task is now; whether the token is older or made up."""
    id, token = await held(call)
    for wrong in (token - 1, token + 1, 1):
        lost = await refusal(call, method, id, wrong, *ENDS[method])
        assert lost == (-32002, "Lease lost", {"id": id, "status": "started"})
    assert (await call("get_task", id))["status"] == "started"


@pytest.mark.parametrize("method", ENDS)
async def test_a_task_that_was_never_claimed_is_nobodys(call: Caller, method: str) -> None:
    """No token is right."""
    await call("queue", name="mail", id="a")
    lost = await refusal(call, method, "a", 1, *ENDS[method])
    assert lost == (-32002, "Lease lost", {"id": "a", "status": "queued"})


@pytest.mark.parametrize("method", ["fail", "release"])
async def test_a_finished_task_takes_no_other_outcome(call: Caller, method: str) -> None:
    """-32002 even with its last token."""
    id, token = await completed(call)
    lost = await refusal(call, method, id, token, *ENDS[method])
    assert lost == (-32002, "Lease lost", {"id": id, "status": "completed"})


async def test_an_id_that_is_taken_by_another_task_is_a_conflict(call: Caller) -> None:
    """-32003, with the id: another name, other parameters, or none."""
    await call("queue", name="mail", id="a", parameters={"to": 1})
    for name, parameters in [("post", {"to": 1}), ("mail", {"to": 2}), ("mail", None)]:
        conflict = await refusal(call, "queue", name=name, id="a", parameters=parameters)
        assert conflict == (-32003, "Conflict", {"id": "a"})
    tasks = [{"name": "mail", "id": "b"}, {"name": "mail", "id": "a"}]
    assert await refusal(call, "queue_many", tasks) == (-32003, "Conflict", {"id": "a"})
    assert (await refusal(call, "get_task", "b"))[0] == -32001


async def test_a_follow_up_in_conflict_refuses_the_completion(call: Caller) -> None:
    """Both or neither: the task stays held."""
    id, token = await held(call)
    await call("queue", name="mail", id="b")
    conflict = await refusal(
        call, "complete", id, token, 1, [{"name": "x"}, {"name": "x", "id": "b"}]
    )
    assert conflict == (-32003, "Conflict", {"id": "b"})
    task = await call("get_task", id)
    assert (task["status"], task["result"]) == ("started", None)
    assert set((await call("stats"))["names"]) == {"mail"}


async def test_a_retry_that_would_break_a_unique_key_is_a_conflict(call: Caller) -> None:
    """The id is that of the task that has the key now."""
    await call("queue", name="mail", id="a", unique_key="k")
    await call("cancel", "a")
    await call("queue", name="mail", id="b", unique_key="k")
    assert await refusal(call, "retry", "a") == (-32003, "Conflict", {"id": "b"})


async def test_a_state_that_does_not_allow_it_is_invalid(call: Caller) -> None:
    """-32004, with the id and the state."""

    async def invalid(method: str, id: str) -> str:
        code, message, data = await refusal(call, method, id)
        assert (code, message, data["id"]) == (-32004, "Invalid state", id)
        assert set(data) == {"id", "status"}
        status: str = data["status"]
        return status

    id, token = await held(call)
    assert [await invalid(method, id) for method in ("retry", "delete_task")] == ["started"] * 2
    await call("complete", id, token)
    assert [await invalid(method, id) for method in ("retry", "cancel")] == ["completed"] * 2
    await call("queue", name="mail", id="b")
    assert [await invalid(method, "b") for method in ("retry", "delete_task")] == ["queued"] * 2
    await call("queue", name="mail", id="c", delay=60)
    assert [await invalid(method, "c") for method in ("retry", "delete_task")] == ["queued"] * 2
    await call("cancel", "b")
    id, token = await held(call, "d")
    await call("fail", id, token, ERROR, False)
    assert await invalid("cancel", id) == "failed"


async def test_an_unknown_method_is_not_found(call: Caller) -> None:
    """-32601; names are exact, and nothing but the table's names is callable."""
    for method in ("nope", "Queue", "queue ", "", "__init__", "rpc.nope", "get_task\0", "claim.x"):
        assert (await refusal(call, method))[:2] == (-32601, "Method not found")


async def test_an_unknown_worker_can_not_be_drained(call: Caller) -> None:
    """The param is at fault."""
    code, message, data = await refusal(call, "drain", "nobody")
    assert (code, message, data["param"]) == (-32602, "Invalid params", "worker")


class Ill(MemoryStorage):
    """A storage whose every verb raises what `illness` says."""

    illness: Callable[[], Exception] | None = None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self._suffer()
        with super().transaction():
            yield

    def _suffer(self) -> None:
        if self.illness is not None:
            raise self.illness()

    def get(self, ids: Any) -> Any:
        self._suffer()
        return super().get(ids)

    def page(self, *args: Any) -> Any:
        self._suffer()
        return super().page(*args)

    def stats(self, now: int) -> Any:
        self._suffer()
        return super().stats(now)

    def workers(self) -> Any:
        self._suffer()
        return super().workers()


async def answers(call: Caller) -> dict[str, Any]:
    """What every method that asks the storage answers to its example, by method."""
    found = {}
    asking = (example for example in EXAMPLES if example[0] != "rates")
    for name, _, params in asking:
        body = {"jsonrpc": "2.0", "id": 1, "method": name, "params": params}
        found[name] = await call.send(body)
    return found


class TestAStorageThatIsIll:
    """Every method, while nothing can be read or written."""

    @pytest.fixture
    def storage(self) -> Storage:
        """One that is well until the test says otherwise."""
        return Ill()

    async def test_a_storage_that_cant_be_reached_is_unavailable(
        self, call: Caller, storage: Ill
    ) -> None:
        """-32006, with when to try again; nothing was done, and all is well afterwards."""
        storage.illness = lambda: Unavailable.of("the disk /var/lib/secret is full")
        expected = {"code": -32006, "message": "Unavailable", "data": {"retry_after": 1.0}}
        for method, answer in (await answers(call)).items():
            assert answer == {"jsonrpc": "2.0", "error": expected, "id": 1}, method
        storage.illness = None
        assert (await call("stats"))["names"] == {}
        assert (await call("queue", "mail"))["status"] == "queued"

    async def test_an_internal_error_tells_nothing(
        self, call: Caller, storage: Ill, caplog: pytest.LogCaptureFixture
    ) -> None:
        """-32603 has no data; what happened is in the log."""
        storage.illness = lambda: RuntimeError("at /home/someone, near line 7")
        with caplog.at_level(logging.ERROR):
            found = await answers(call)
        expected = {"code": -32603, "message": "Internal error"}
        for method, answer in found.items():
            assert answer == {"jsonrpc": "2.0", "error": expected, "id": 1}, method
        assert "near line 7" in caplog.text
        storage.illness = None
        assert (await call("queue", "mail"))["status"] == "queued"
