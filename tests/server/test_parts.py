"""A storage of which a part is away."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import pytest

from jsonrpc_qm.errors import Unavailable
from jsonrpc_qm.manager import QueueManager
from jsonrpc_qm.storage.base import Storage
from jsonrpc_qm.storage.memory import MemoryStorage
from tests.server.callers import Caller, Refused


class TwoParts:
    """One of what begins with `mail`, and one of all else."""

    count = 2

    def __init__(self, storage: MemoryStorage) -> None:
        self._storage = storage
        self.away: set[int] = set()

    def of_name(self, name: str) -> int:
        return int(name.startswith("mail"))

    def of_id(self, id: str) -> int:
        return self.of_name(id)

    def together(self, calls: Sequence[Callable[[], None]]) -> None:
        # Side by side, any may be the first.
        for call in reversed(calls):
            call()

    @contextmanager
    def transaction(self, parts: Collection[int]) -> Iterator[None]:
        if self.away & set(parts):
            raise Unavailable.of("away")
        with self._storage.transaction():
            yield


class Divided(MemoryStorage):
    """One in two parts."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: TwoParts = TwoParts(self)


@pytest.fixture
def storage() -> Divided:
    """One of which tests may take a part away."""
    return Divided()


async def test_what_has_ended_is_told_though_nothing_can_be_claimed(
    call: Caller, storage: Divided
) -> None:
    """Else whoever reports it would take it for undone."""
    await call("queue", name="sms", id="sms-1")
    [task] = await call("claim", names=["sms"], wait=0)
    storage.parts.away.add(storage.parts.of_name("mail"))
    outcome = {"id": task["id"], "token": task["token"], "status": "completed"}
    answer = await call("report", outcomes=[outcome], names=["mail"])
    assert answer == {"outcomes": [{"id": "sms-1", "ok": True}], "tasks": []}


async def test_a_report_takes_what_it_has_given_back(call: Caller) -> None:
    """Though the part that knows the id is another one than that of the task."""
    await call("queue", name="mail", id="sms-1")
    [task] = await call("claim", names=["mail"], wait=0)
    outcome = {"id": task["id"], "token": task["token"], "status": "queued"}
    answer = await call("report", outcomes=[outcome], names=["mail"])
    assert answer["outcomes"] == [{"id": "sms-1", "ok": True}]
    assert [again["id"] for again in answer["tasks"]] == ["sms-1"]


def test_it_is_told_in_process_too(storage: Divided) -> None:
    """Where no server is in between."""
    manager = QueueManager(cast(Storage, storage))
    manager.queue("sms", id="sms-1")
    [task] = manager.claim(["sms"])
    storage.parts.away.add(storage.parts.of_name("mail"))
    outcome = {"id": "sms-1", "token": task.token, "status": "completed"}
    answer = manager.report([outcome], names=["mail"])
    assert (answer.outcomes[0].ok, answer.tasks) == (True, [])


async def test_nothing_is_claimed_if_what_has_ended_can_not_be_told(
    call: Caller, storage: Divided
) -> None:
    """It would reach nobody."""
    await call("queue", name="mail", id="mail-1")
    [task] = await call("claim", names=["mail"], wait=0)
    await call("queue", name="sms", id="sms-1")
    storage.parts.away.add(storage.parts.of_name("mail"))
    outcome = {"id": task["id"], "token": task["token"], "status": "completed"}
    with pytest.raises(Refused) as refused:
        await call("report", outcomes=[outcome], names=["sms"])
    assert refused.value.code == -32006
    assert "answer_lost" not in refused.value.data
    [given_back] = await call("claim", names=["sms"], wait=1)
    assert given_back["id"] == "sms-1"
