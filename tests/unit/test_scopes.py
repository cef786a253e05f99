"""Scopes, where something happens between the look at a name and the answer."""

from typing import Any

import pytest

from jsonrpc_qm import params as p
from jsonrpc_qm.access.grants import Grant, Role
from jsonrpc_qm.errors import TaskNotFound, Unavailable
from jsonrpc_qm.record import Record
from jsonrpc_qm.rpc.manager import LocalManager, finished
from jsonrpc_qm.rpc.methods import METHODS, Call
from jsonrpc_qm.rpc.permissions import PERMISSIONS
from jsonrpc_qm.storage.memory import MemoryStorage

GRANT = Grant("id", Role.WORKER, ("mail",))


@pytest.fixture
def manager() -> LocalManager:
    """On an empty storage."""
    return LocalManager(MemoryStorage())


def called(manager: LocalManager, method: str, given: Any) -> Any:
    """What a method answers to a caller that reaches to mail."""

    async def answer() -> Any:
        return await METHODS[method].handler(manager, Call(), given)

    return finished(PERMISSIONS[method].scope.through(GRANT, manager, given, answer))


def test_an_id_that_another_task_has_by_the_time_of_the_answer_is_not_found(
    manager: LocalManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call may wait for long."""
    finished(manager.queue(p.QueueParams(name="mail", id="a")))

    async def replaced(call: p.GetTaskParams, wait: float) -> Record:
        await manager.cancel(p.IdParams(id="a"))
        await manager.delete_task(p.IdParams(id="a"))
        return await manager.queue(p.QueueParams(name="other", id="a"))

    monkeypatch.setattr(manager, "get_task", replaced)
    with pytest.raises(TaskNotFound):
        called(manager, "get_task", p.GetTaskParams(id="a"))


def test_a_report_is_answered_though_the_names_can_not_be_read(
    manager: LocalManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has happened by then, and the tasks that it took are in the answer."""
    for id in ("a", "b", "c"):
        finished(manager.queue(p.QueueParams(name="mail", id=id)))
    held, _ = finished(manager.claim(p.ClaimParams(names=["mail"], max_tasks=2), 0.0, bool))
    outcomes: list[p.Outcome] = [
        p.CompletedOutcome(id="a", token=held.token),
        p.CompletedOutcome(id="b", token=1),
    ]

    def unavailable(ids: object) -> Any:
        raise Unavailable.of("away")

    monkeypatch.setattr(manager.storage, "get", unavailable)
    answer = called(manager, "report", p.ReportParams(outcomes=outcomes, names=["mail"]))
    assert [each["ok"] for each in answer["outcomes"]] == [True, False]
    assert answer["outcomes"][1]["error"]["code"] == TaskNotFound.code
    assert [task.id for task in answer["tasks"]] == ["c"]
