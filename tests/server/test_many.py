"""Searches, and changes of all tasks that a search finds."""

from typing import Any, cast

import pytest
from msgspec.structs import replace

from jsonrpc_qm.manager import QueueManager
from jsonrpc_qm.record import Record
from jsonrpc_qm.rpc import many
from jsonrpc_qm.storage.base import Claim, Listing, Page, Storage
from jsonrpc_qm.storage.memory import MemoryStorage
from jsonrpc_qm.transitions import Release
from tests.server.callers import Caller, Refused

ERROR = {"type": "E", "message": "m"}


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that few tasks are several batches."""
    monkeypatch.setattr(many, "BATCH", 3)


@pytest.fixture
async def tasks(call: Caller) -> Caller:
    """Of two names: failed f0 to f7, cancelled c0 to c3, queued q0 to q7."""
    for letter, number in (("f", 8), ("c", 4), ("q", 8)):
        await call(
            "queue_many",
            [
                {"name": ("mail", "post")[n % 2], "id": f"{letter}{n}", "parameters": {"n": n}}
                for n in range(number)
            ],
        )
        if letter == "f":
            for held in await call("claim", ["mail", "post"], "w", 8, 0):
                await call("fail", held["id"], held["token"], ERROR, False)
        if letter == "c":
            for n in range(number):
                await call("cancel", f"c{n}")
    return call


async def ids(call: Caller, **which: Any) -> list[str]:
    """The tasks that a list shows, sorted."""
    return sorted(task["id"] for task in (await call("list_tasks", **which))["tasks"])


async def test_lists_are_searched(tasks: Caller) -> None:
    """By text in id or parameters, and by time."""
    assert await ids(tasks, query="f") == [f"f{n}" for n in range(8)]
    assert await ids(tasks, query='"n":3', status="queued") == ["q3"]
    first = (await tasks("get_task", "q0"))["created_at"]
    assert await ids(tasks, since=first) == [f"q{n}" for n in range(8)]
    assert await ids(tasks, until=first, query="c") == [f"c{n}" for n in range(4)]


async def test_all_that_match_are_retried(tasks: Caller) -> None:
    """Failed and cancelled ones; the answer counts them."""
    assert await tasks("retry_many", name="mail", status="failed", dry_run=True) == 4
    assert await tasks("retry_many", name="mail", status="failed") == 4
    assert await ids(tasks, status="failed") == ["f1", "f3", "f5", "f7"]
    assert await tasks("retry_many") == 4 + 4
    assert await ids(tasks, status="failed") == await ids(tasks, status="cancelled") == []


@pytest.mark.parametrize(
    ("verb", "which", "number"),
    [
        ("retry", {}, 8 + 4),
        ("retry", {"name": "mail"}, 4 + 2),
        ("cancel", {"name": "mail"}, 4 + 1),
        ("cancel", {"status": "queued"}, 8 + 1),
        ("cancel", {"query": "later"}, 1),
        ("delete", {"status": "cancelled", "name": "post"}, 2),
        ("delete", {"name": "none"}, 0),
    ],
)
async def test_what_a_change_would_meet_is_counted(
    tasks: Caller, verb: str, which: dict[str, str], number: int
) -> None:
    """As many as it then changes, scheduled tasks among them."""
    await tasks("queue", name="mail", id="later", delay=60)
    assert await tasks(f"{verb}_many", **which, dry_run=True) == number
    assert await tasks(f"{verb}_many", **which) == number


async def test_all_that_match_are_cancelled(tasks: Caller) -> None:
    """Queued ones at once, started ones by their workers."""
    [held] = await tasks("claim", ["mail"], "w", 1, 0)
    assert await tasks("cancel_many", query="q", name="mail") == 4
    assert await ids(tasks, status="queued") == ["q1", "q3", "q5", "q7"]
    assert (await tasks("get_task", held["id"]))["cancel_requested"]
    assert await tasks("cancel_many", status="queued") == 4
    assert await ids(tasks, status="queued") == []


async def test_all_that_match_are_deleted(tasks: Caller) -> None:
    """Finished ones only."""
    assert await tasks("delete_many", query='"n":2', dry_run=True) == 2
    assert await tasks("delete_many", query='"n":2') == 2
    assert await tasks("delete_many", status="cancelled") == 3
    assert await tasks("delete_many") == 7
    assert await ids(tasks) == [f"q{n}" for n in range(8)]


async def test_a_selection_is_changed_by_its_ids(tasks: Caller) -> None:
    """Those of them that can be; the same id counts once."""
    chosen = ["f0", "f1", "f1", "c0", "q0", "none"]
    assert await tasks("retry_many", ids=chosen, dry_run=True) == 3
    assert await tasks("retry_many", ids=chosen) == 3
    assert await tasks("retry_many", ids=chosen) == 0
    assert await tasks("cancel_many", ids=["q0", "f0"]) == 2
    assert await tasks("delete_many", ids=["q0", "q1"]) == 1
    assert await tasks("delete_many", ids=[]) == 0


@pytest.mark.parametrize(
    ("method", "given", "param"),
    [
        ("retry_many", {"ids": ["a"], "name": "mail"}, "name"),
        ("delete_many", {"ids": ["a"], "query": "a"}, "query"),
        ("retry_many", {"status": "completed"}, "status"),
        ("cancel_many", {"status": "failed"}, "status"),
        ("delete_many", {"status": "queued"}, "status"),
        ("retry_many", {"query": ""}, "query"),
        ("list_tasks", {"since": "2026-01-01"}, "since"),
        ("list_tasks", {"until": "2026-01-01T00:00:00"}, "until"),
        ("delete_many", {"ids": ["no/id"]}, "ids[0]"),
    ],
)
async def test_what_can_not_be_meant_is_refused(
    call: Caller, method: str, given: dict[str, Any], param: str
) -> None:
    """The error names the parameter, and nothing is done."""
    with pytest.raises(Refused) as refused:
        await call(method, **given)
    assert (refused.value.code, refused.value.data["param"]) == (-32602, param)


async def test_a_selection_has_a_limit(call: Caller) -> None:
    """Ten thousand ids."""
    with pytest.raises(Refused) as refused:
        await call("delete_many", ids=["a"] * 10_001)
    assert refused.value.code == -32005


async def test_an_unique_key_that_is_taken_again_holds_back_only_its_task(call: Caller) -> None:
    """The others are retried."""
    for id in ("a", "b"):
        await call("queue", name="mail", id=id, unique_key="k")
        await call("cancel", id)
    assert await call("retry_many") == 1
    assert len(await ids(call, status="queued")) == 1


class Restless(MemoryStorage):
    """One whose tasks are started while it lists those queued, and queued while it lists those
    started, for some lists."""

    def __init__(self, lists: int) -> None:
        super().__init__()
        self.lists = lists
        self.queues_too = False
        self._held: list[Record] = []

    def page(self, listing: Listing, limit: int, cursor: str | None) -> Page:
        if self.lists > 0:
            self.lists -= 1
            with self.transaction():
                if listing.status == "queued":
                    [self._held] = self.claim([Claim(names=("mail",), max_tasks=5)], self.now())
                else:
                    releases = [Release(id=held.id, token=held.token) for held in self._held]
                    self.transition(releases, self.now())
            if self.queues_too:
                QueueManager(cast(Storage, self)).queue("mail")
        return super().page(listing, limit, cursor)


@pytest.mark.parametrize("lists", [0, 1, 2, 3, 4, 5])
def test_tasks_that_go_to_and_fro_are_cancelled(lists: int) -> None:
    """In whichever list they are missed at first, and each counts once."""
    storage = Restless(lists)
    manager = QueueManager(cast(Storage, storage))
    manager.queue_many([{"name": "mail"} for _ in range(7)])
    assert manager.cancel_many(name="mail") == 7
    assert all(
        task.status == "cancelled" or task.cancel_requested
        for task in manager.list_tasks(name="mail").tasks
    )


class Late(MemoryStorage):
    """One that reads a task some time after it has found it in a list: by then those that are asked
    to end have been given back."""

    def page(self, listing: Listing, limit: int, cursor: str | None) -> Page:
        page = super().page(listing, limit, cursor)
        with self.transaction():
            releases = [Release(id=r.id, token=r.token) for r in page.records if r.cancel_requested]
            self.transition(releases, self.now())
        read = self.get([record.id for record in page.records])
        return replace(page, records=[record for record in read if record is not None])


def test_a_task_that_has_ended_before_it_is_read_does_not_count_again() -> None:
    """It was asked to end by this very call."""
    manager = QueueManager(cast(Storage, Late()))
    manager.queue_many([{"name": "mail"} for _ in range(3)])
    [held] = manager.claim(["mail"])
    assert manager.cancel_many(name="mail") == 3
    assert manager.get_task(held.id).status == "cancelled"


def test_tasks_that_come_later_are_not_chased() -> None:
    """However many there are, the call ends."""
    storage = Restless(1000)
    storage.queues_too = True
    manager = QueueManager(cast(Storage, storage))
    manager.queue_many([{"name": "mail", "id": f"t{n}"} for n in range(7)])
    assert manager.cancel_many(name="mail") <= 7 + 2
    assert manager.stats()["names"]["mail"]["queued"] > 0


async def test_a_task_that_is_asked_to_end_already_does_not_count(call: Caller) -> None:
    """Nothing about it changes; a dry run only counts states."""
    await call("queue_many", [{"name": "mail", "id": id} for id in ("a", "b", "c")])
    await call("claim", ["mail"], "w", 2, 0)
    await call("cancel", "a")
    assert await call("cancel_many", dry_run=True) == 3
    assert await call("cancel_many", ids=["a", "b"]) == 1
    assert await call("cancel_many") == 1
    assert await call("cancel_many") == 0
