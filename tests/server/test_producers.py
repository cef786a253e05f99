"""Queueing and looking: ids, unique keys, order, pages, all or nothing."""

import asyncio
import re
from typing import Any

import pytest

from tests.server.callers import Caller, Refused

UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


async def ids_claimed(call: Caller, *names: str, max_tasks: int = 100) -> list[str]:
    """The ids that a claim gets, in its order."""
    claimed = await call("claim", names, None, max_tasks, 0)
    return [task["id"] for task in claimed]


async def test_a_task_gets_a_uuid7(call: Caller) -> None:
    """Unless the producer brings an id; later ones sort behind earlier ones."""
    ids = [(await call("queue", "mail"))["id"] for _ in range(5)]
    assert all(UUID7.fullmatch(id) for id in ids)
    assert ids == sorted(set(ids))


async def test_queue_with_an_id_may_be_sent_again(call: Caller) -> None:
    """The stored task is answered, whatever the other options say, and however far it has come."""
    first = await call("queue", name="mail", id="a", parameters={"a": 1, "b": [2]})
    again = await call("queue", name="mail", id="a", parameters={"b": [2], "a": 1}, priority=5)
    assert again == first
    [held] = await call("claim", ["mail"], None, 5, 0)
    await call("complete", "a", held["token"], "done")
    again = await call("queue", name="mail", id="a", parameters={"a": 1, "b": [2]})
    assert (again["status"], again["result"]) == ("completed", "done")
    assert await ids_claimed(call, "mail") == []


async def test_queue_with_an_id_at_the_same_time_stores_one_task(call: Caller) -> None:
    """However many send it."""
    sent = [call("queue", name="mail", id="a", parameters=1) for _ in range(20)]
    tasks = await asyncio.gather(*sent)
    assert all(task == tasks[0] for task in tasks)
    assert await ids_claimed(call, "mail") == ["a"]


async def test_queue_many_may_be_sent_again(call: Caller) -> None:
    """Stored ones are answered, missing ones are stored, in the order of the list."""
    await call("queue", name="mail", id="b")
    tasks = [{"name": "mail", "id": id} for id in "abc"]
    first = await call("queue_many", tasks)
    assert [task["id"] for task in first] == ["a", "b", "c"]
    assert await call("queue_many", tasks) == first
    assert sorted(await ids_claimed(call, "mail")) == ["a", "b", "c"]


async def test_queue_many_stores_all_or_nothing(call: Caller) -> None:
    """Whatever is wrong with one of them."""
    await call("queue", name="mail", id="taken")
    good = {"name": "other", "id": "a"}
    for bad in (
        {"name": "other", "id": "taken"},
        {"name": ""},
        {"name": "other", "priority": 10**7},
        {"name": "other", "delay": 1, "run_at": "2026-01-01T00:00:00Z"},
    ):
        with pytest.raises(Refused):
            await call("queue_many", [good, bad])
        with pytest.raises(Refused):
            await call("get_task", "a")


async def test_the_same_id_twice_in_a_list_is_one_task(call: Caller) -> None:
    """If both say the same; else it is a Conflict."""
    twice = [{"name": "mail", "id": "a", "parameters": 1}] * 2
    first, second = await call("queue_many", twice)
    assert first == second
    with pytest.raises(Refused) as refused:
        await call("queue_many", [{"name": "mail", "id": "b"}, {"name": "post", "id": "b"}])
    assert (refused.value.code, refused.value.data) == (-32003, {"id": "b"})


async def test_a_unique_key_gives_the_unfinished_task(call: Caller) -> None:
    """While it is queued, scheduled or started; of this name only."""
    options: dict[str, Any] = {"name": "mail", "unique_key": "k"}
    first = await call("queue", **options, parameters=1)
    assert await call("queue", **options, parameters=2) == first
    assert await call("queue", **options, id="b", delay=5) == first
    other = await call("queue", name="post", unique_key="k")
    assert other["id"] != first["id"]
    [held] = await call("claim", ["mail"], None, 5, 0)
    assert (await call("queue", **options))["id"] == first["id"]
    await call("complete", held["id"], held["token"])
    second = await call("queue", **options)
    assert (second["id"] != first["id"], second["status"]) == (True, "queued")
    await call("cancel", second["id"])
    third = await call("queue", **options, delay=100)
    assert third["id"] != second["id"]
    assert (await call("queue", **options))["id"] == third["id"]


async def test_a_unique_key_holds_within_a_list_and_at_the_same_time(call: Caller) -> None:
    """One task, whoever asks."""
    many = await call("queue_many", [{"name": "mail", "unique_key": "k"}] * 3)
    sent = [call("queue", name="mail", unique_key="k") for _ in range(10)]
    assert {task["id"] for task in many + await asyncio.gather(*sent)} == {many[0]["id"]}


async def test_a_completed_task_hands_its_unique_key_on(call: Caller) -> None:
    """A follow-up may have the key of the task that queues it."""
    await call("queue", name="mail", id="a", unique_key="k")
    [held] = await call("claim", ["mail"], None, 1, 0)
    follow_up = {"name": "mail", "id": "b", "unique_key": "k"}
    await call("complete", "a", held["token"], None, [follow_up])
    assert (await call("get_task", "b"))["unique_key"] == "k"


async def test_follow_ups_are_stored_with_the_result(call: Caller) -> None:
    """With all of queue's options, and each is a task of its own."""
    await call("queue", name="mail", id="a")
    [held] = await call("claim", ["mail"], None, 1, 0)
    follow_ups = [
        {"name": "b", "id": "b", "parameters": [1], "priority": 7, "metadata": {"k": "v"}},
        {"name": "c", "id": "c", "delay": 100},
    ]
    done = await call("complete", "a", held["token"], 1, follow_ups)
    b, c = await call("get_task", "b"), await call("get_task", "c")
    assert (b["parameters"], b["priority"], b["metadata"]) == ([1], 7, {"k": "v"})
    assert b["created_at"] <= done["finished_at"]
    assert c["run_at"] > c["created_at"]


async def test_the_highest_priority_goes_first_then_the_oldest(call: Caller) -> None:
    """Across all names of a claim."""
    await call("queue", name="a", id="a")
    await call("queue", name="b", id="b", priority=1)
    await call("queue", name="a", id="c", priority=-1)
    await call("queue", name="c", id="d", priority=9)
    await call("queue", name="b", id="e")
    await call("queue", name="a", id="f", priority=1, run_at="2020-01-01T00:00:00Z")
    assert await ids_claimed(call, "a", "b") == ["f", "b", "a", "e", "c"]


async def test_tasks_of_one_moment_go_in_the_order_of_their_list(call: Caller) -> None:
    """One call's tasks have the same run_at."""
    tasks = [{"name": "mail", "id": f"t{99 - number}"} for number in range(100)]
    await call("queue_many", tasks)
    assert await ids_claimed(call, "mail") == [task["id"] for task in tasks]


async def test_a_claim_takes_max_tasks_at_most(call: Caller) -> None:
    """One by default."""
    await call("queue_many", [{"name": "mail", "id": id} for id in "abcdef"])
    assert await ids_claimed(call, "mail", max_tasks=2) == ["a", "b"]
    assert [task["id"] for task in await call("claim", ["mail"])] == ["c"]
    assert await ids_claimed(call, "mail", "mail", "other", max_tasks=1000) == ["d", "e", "f"]


async def test_lists_are_pages_from_the_newest(call: Caller) -> None:
    """Each task once, while others come and go; the last page has no cursor."""
    await call("queue_many", [{"name": "mail", "id": f"t{number}"} for number in range(10)])
    seen: list[str] = []
    cursor = None
    while True:
        page = await call("list_tasks", None, None, 4, cursor)
        seen += [task["id"] for task in page["tasks"]]
        await call("queue", "mail")
        await call("cancel", "t0")
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [f"t{number}" for number in reversed(range(10))]


async def test_lists_are_filtered_by_name_and_status(call: Caller) -> None:
    """Scheduled ones are queued; a page is full however many others lie between."""
    tasks = [{"name": name, "id": f"{name}{n}"} for n in range(3) for name in "ab"]
    await call("queue_many", [*tasks, {"name": "a", "id": "later", "delay": 60}])
    await call("cancel", "a1")
    await call("claim", ["b"], None, 1, 0)

    async def found(name: str | None, status: str | None) -> list[str]:
        page = await call("list_tasks", name, status, 5)
        assert page["next_cursor"] is None
        return [task["id"] for task in page["tasks"]]

    assert await found("a", None) == ["later", "a2", "a1", "a0"]
    assert await found("a", "queued") == ["later", "a2", "a0"]
    assert await found(None, "cancelled") == ["a1"]
    assert await found(None, "started") == ["b0"]
    assert await found("c", None) == []
    page = await call("list_tasks", "b", None, 2)
    assert [task["id"] for task in page["tasks"]] == ["b2", "b1"]
    rest = await call("list_tasks", "b", None, 2, page["next_cursor"])
    assert [task["id"] for task in rest["tasks"]] == ["b0"]


async def test_a_list_has_50_tasks_by_default(call: Caller) -> None:
    """And as many as asked for."""
    await call("queue_many", [{"name": "mail"}] * 60)
    page = await call("list_tasks")
    assert (len(page["tasks"]), page["next_cursor"] is None) == (50, False)
    assert len((await call("list_tasks", None, None, 1000))["tasks"]) == 60
