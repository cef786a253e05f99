"""What a token that reaches to some names hears of the tasks of others: nothing."""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from jsonrpc_qm.access.grants import Grant, Role
from jsonrpc_qm.rpc.permissions import PERMISSIONS
from jsonrpc_qm.server.running import Settings, in_background
from tests.server.callers import request
from tests.server.plain import PlainCaller
from tests.server.sites import CONFINED, Site, refused_name
from tests.storage.conftest import STORAGES

ERROR = {"type": "E", "message": "m"}


@pytest.fixture(params=["sqlite", "redis"])
def site(request: pytest.FixtureRequest, tmp_path: Path, tokens_file: str) -> Iterator[Site]:
    """A manager with an empty queue, on storages whose lists have nothing in common."""
    with closing(STORAGES[request.param](tmp_path)) as storage:
        settings = Settings(port=0, tokens=tokens_file)
        with in_background(storage, settings) as url, closing(Site(url)) as site:
            yield site


@pytest.fixture
def operator(site: Site) -> PlainCaller:
    """Reaches to mail and reports.*"""
    return site.bearer(Role.OPERATOR, *CONFINED)


@pytest.fixture
def worker(site: Site) -> PlainCaller:
    """Reaches to mail and reports.*"""
    return site.bearer(Role.WORKER, *CONFINED)


def error_of(caller: PlainCaller, method: str, **params: Any) -> Any:
    """The error that a call is answered with, without what it says of the id."""
    error = caller.send(request(method, **params))["error"]
    assert error.get("data", {}).pop("id", params.get("id")) == params.get("id")
    return error


def test_a_search_finds_nothing_out_in_what_it_may_not_see(
    site: Site, admin: PlainCaller, operator: PlainCaller
) -> None:
    """A text that others have is answered as one that nobody has, by list_tasks and the rest."""
    admin("queue", "mail", {"password": "mine"})
    admin("queue_many", [{"name": "other", "parameters": {"password": "hunter2"}}] * 3)
    for text in ('"password":"h', '"password":"x'):
        for search in ({}, {"status": "queued"}, {"since": "2020-01-01T00:00:00Z"}):
            answer = operator("list_tasks", query=text, limit=1, **search)
            assert answer == {"tasks": [], "next_cursor": None}
        assert operator("cancel_many", name="mail", query=text, dry_run=True) == 0


def test_a_cursor_tells_nothing(site: Site, admin: PlainCaller, operator: PlainCaller) -> None:
    """It is as long as any other, has no id and no number in it, and leads on."""
    cursors = []
    for id in ("m1", "m2", "m3"):
        admin("queue", name="mail", id=id)
        admin("queue_many", [{"name": "other"}] * 20)
        cursors.append(operator("list_tasks", limit=1)["next_cursor"])
    assert cursors[0] is None
    assert len({*map(len, cursors[1:])}) == 1
    assert all(re.fullmatch(r"[\w=-]{144}", cursor) for cursor in cursors[1:])
    page = operator("list_tasks", limit=1, cursor=cursors[2])
    assert [task["id"] for task in page["tasks"]] == ["m2"]


def test_a_cursor_is_of_no_use_to_measure_with(
    site: Site, admin: PlainCaller, operator: PlainCaller
) -> None:
    """One that an admin got, or that was made up or changed, is refused."""
    admin("queue_many", [{"name": "mail"}] * 3)
    plain = admin("list_tasks", limit=1)["next_cursor"]
    sealed = operator("list_tasks", limit=1)["next_cursor"]
    changed = ("A" if sealed[0] != "A" else "B") + sealed[1:]
    cut = sealed[:-4]
    for cursor in (plain, "7", "7:m1", changed, cut, sealed + sealed[:4], "ä", "=", "A" * 144):
        assert error_of(operator, "list_tasks", cursor=cursor)["data"]["param"] == "cursor"
    assert error_of(admin, "list_tasks", cursor=sealed)["data"]["param"] == "cursor"


def test_the_end_of_a_foreign_claim_is_refused_as_if_there_was_no_task(
    site: Site, admin: PlainCaller, worker: PlainCaller
) -> None:
    """Alone and in a report; of a claim of its own it hears what became of the task."""
    for name in ("other", "mail"):
        admin("queue", name=name, id=name)
        admin("claim", [name], None, 1, 0)
    ends: dict[str, dict[str, Any]] = {"complete": {}, "fail": {"error": ERROR}, "release": {}}
    for method, more in ends.items():
        answers = [error_of(worker, method, id=id, token=1, **more) for id in ("other", "nope")]
        assert answers == [{"code": -32001, "message": "Task not found", "data": {}}] * 2
        lost = error_of(worker, method, id="mail", token=1, **more)
        assert (lost["code"], lost["data"]) == (-32002, {"status": "started"})
    outcomes = [{"id": id, "token": 1, "status": "completed"} for id in ("other", "nope", "mail")]
    told = worker("report", outcomes)["outcomes"]
    assert [each["error"]["code"] for each in told] == [-32001, -32001, -32002]
    assert told[0]["error"]["data"] == {"id": "other"}
    leases = worker("heartbeat", [{"id": id, "token": 1} for id in ("other", "nope")])["leases"]
    assert [{**lease, "id": ""} for lease in leases] == [{**leases[0], "id": ""}] * 2


def test_who_guesses_a_token_is_not_shown_the_task(
    site: Site, admin: PlainCaller, worker: PlainCaller
) -> None:
    """The token of the lease lets the end of a claim through, and no more than that."""
    admin("queue", name="other", parameters={"password": "hunter2"}, id="far")
    [task] = admin("claim", ["other"], None, 1, 0)
    error = error_of(worker, "complete", id="far", token=task["token"])
    assert error == {"code": -32001, "message": "Task not found", "data": {}}


def test_a_history_names_the_tasks_in_reach_that_followed(
    site: Site, admin: PlainCaller, worker: PlainCaller
) -> None:
    """An id is what the tokens of leases can be guessed from."""
    admin("queue", name="mail", id="first")
    [task] = admin("claim", ["mail"], None, 1, 0)
    queue = [{"name": "other", "id": "far"}, {"name": "reports.x", "id": "near"}]
    admin("complete", "first", task["token"], None, queue)
    assert worker("history", "first")[-1]["tasks"] == ["near"]
    assert admin("history", "first")[-1]["tasks"] == ["far", "near"]


def test_workers_are_told_without_what_they_do_for_others(
    site: Site, admin: PlainCaller, operator: PlainCaller
) -> None:
    """The tasks that they hold are counted in reach only, and so are the workers in stats."""
    admin("queue_many", [{"name": name} for name in ("other", "other", "mail", "mail")])
    admin("claim", ["other"], "both", 9, 0)
    admin("claim", ["mail", "other"], "both", 1, 0)
    admin("claim", ["other"], "far", 9, 0)
    [row] = operator("workers")
    assert (row["worker"], row["names"], row["running"]) == ("both", ["mail"], 1)
    assert operator("stats")["workers"] == 1
    [waiting] = operator("list_tasks", status="queued")["tasks"]
    [reason] = operator("explain", waiting["id"])["reasons"]
    assert reason["message"] == "1 of this name is due, 1 worker holds 1 task"
    assert [each["running"] for each in admin("workers")] == [3, 0]


def test_a_worker_that_is_not_shown_can_not_be_drained(
    site: Site, admin: PlainCaller, operator: PlainCaller
) -> None:
    """The answer is that for a worker that is not there; one that is shown in part is refused."""
    admin("claim", ["other"], "far", 1, 0)
    admin("claim", ["mail", "other"], "both", 1, 0)
    admin("heartbeat", [], "nameless")
    unknown = error_of(operator, "drain", worker="nobody")
    assert unknown["code"] == -32602
    for worker in ("far", "nameless"):
        assert error_of(operator, "drain", worker=worker) == unknown
    assert refused_name(operator, "drain", worker="both") is None
    assert not any(row["drain"] for row in admin("workers"))


def test_rates_that_are_counted_together_are_not_told() -> None:
    """They are those of any names, though one that is named so may be in reach."""
    grant = Grant("id", Role.OPERATOR, ("o*",))
    answer = {"interval": 10, "names": {"other": [2], "orders": [3]}}
    assert PERMISSIONS["rates"].scope.shown(grant, answer)["names"] == {"orders": [3]}


def test_nothing_that_an_operator_hears_says_a_word_of_others(
    site: Site, admin: PlainCaller, operator: PlainCaller
) -> None:
    """All methods that read, with tasks of others in each state."""
    admin("queue_many", [{"name": "secret-name", "id": f"secret-{n}"} for n in range(4)])
    admin("queue", name="mail", id="near")
    for task in admin("claim", ["secret-name"], "secret-worker", 2, 0)[:1]:
        admin("complete", task["id"], task["token"], "secret-result")
    admin("cancel", "secret-3")
    admin("pause", "secret-name")
    calls: list[tuple[str, dict[str, Any]]] = [
        *((method, {}) for method in ("list_tasks", "stats", "rates", "workers")),
        *((method, {"id": "near"}) for method in ("get_task", "explain", "history")),
        ("list_tasks", {"query": "secret"}),
        ("retry_many", {"ids": ["secret-3"]}),
        ("delete_many", {"ids": ["secret-3"]}),
    ]
    for method, params in calls:
        assert "secret" not in json.dumps(operator.send(request(method, **params)))
    assert admin("get_task", "secret-3")["status"] == "cancelled"
