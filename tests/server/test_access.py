"""Tokens over HTTP: every role against every method, and names that a token does not reach to."""

import logging
from contextlib import closing
from typing import Any

import pytest

from jsonrpc_qm.access.grants import Grant, Role
from jsonrpc_qm.rpc.methods import METHODS
from jsonrpc_qm.rpc.permissions import PERMISSIONS
from jsonrpc_qm.server.refusals import MOST_LINES, PERIOD, Refusals
from tests.server.callers import Refused, request, result_of
from tests.server.plain import PlainCaller
from tests.server.sites import CONFINED, FORBIDDEN, TOKENS, Site, refused_name

ERROR = {"type": "E", "message": "m"}


def params_of(method: str) -> dict[str, Any]:
    """Params that fit the method; whether there is such a task does not matter."""
    held = {"id": "nope", "token": 1}
    some: dict[str, dict[str, Any]] = {
        "queue": {"name": "mail"},
        "queue_many": {"tasks": [{"name": "mail"}]},
        "claim": {"names": ["none"], "wait": 0},
        "heartbeat": {"leases": []},
        "complete": held,
        "fail": {**held, "error": ERROR},
        "release": held,
        "report": {"outcomes": []},
        "drain": {"worker": "nobody"},
        "pause": {"name": "none"},
        "resume": {"name": "none"},
        "purge": {"name": "none"},
        "retry_many": {"name": "none"},
        "cancel_many": {"name": "none"},
        "delete_many": {"name": "none"},
        "rates": {},
    }
    by_id = {"id": "nope"} if "id" in METHODS[method].params.__struct_fields__ else {}
    return some.get(method, by_id)


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("method", METHODS)
def test_a_role_may_call_its_methods_and_no_others(site: Site, role: Role, method: str) -> None:
    """Named, positional, in a batch: Forbidden says the method, and nothing is looked at before."""
    caller = site.bearer(role)
    answer = caller.send(request(method, **params_of(method)))
    if role in PERMISSIONS[method].roles:
        assert answer.get("error", {}).get("code") != FORBIDDEN
        return
    refusal = {"code": FORBIDDEN, "message": "Forbidden", "data": {"method": method}}
    assert answer["error"] == refusal
    assert caller.send([request(method, nonsense=1)])[0]["error"] == refusal


@pytest.mark.parametrize("role", list(Role))
def test_every_token_may_ask_what_there_is(site: Site, role: Role) -> None:
    """rpc.discover is no secret."""
    assert site.bearer(role, *CONFINED)("rpc.discover")["openrpc"]


def test_a_notification_is_held_back_too(site: Site, admin: PlainCaller) -> None:
    """It does nothing that its caller may not."""
    call = {"jsonrpc": "2.0", "method": "queue", "params": {"name": "mail", "id": "n"}}
    assert site.bearer(Role.WORKER).post(str(call).replace("'", '"')).status == 204
    assert admin("list_tasks")["tasks"] == []
    assert site.bearer(Role.PRODUCER).post(str(call).replace("'", '"')).status == 204
    assert [task["id"] for task in admin("list_tasks")["tasks"]] == ["n"]


# -- names ------------------------------------------------------------------------------------


def test_a_producer_queues_its_names_only(site: Site, admin: PlainCaller) -> None:
    """One task of another name holds all of queue_many back."""
    producer = site.bearer(Role.PRODUCER, *CONFINED)
    assert producer("queue", "reports.daily")["name"] == "reports.daily"
    assert refused_name(producer, "queue", name="other") == "other"
    tasks = [{"name": "mail"}, {"name": "secret"}]
    assert refused_name(producer, "queue_many", tasks=tasks) == "secret"
    assert set(admin("stats")["names"]) == {"reports.daily"}


def test_a_worker_claims_its_names_only(site: Site, admin: PlainCaller) -> None:
    """All names of a claim must be in reach, and of the claim in a report too."""
    admin("queue_many", [{"name": "mail"}, {"name": "other"}])
    worker = site.bearer(Role.WORKER, *CONFINED)
    assert refused_name(worker, "claim", names=["mail", "other"], wait=0) == "other"
    assert refused_name(worker, "report", outcomes=[], names=["other"]) == "other"
    [task] = worker("claim", ["mail", "reports.x"], None, 9, 0)
    assert task["name"] == "mail"
    assert worker("complete", task["id"], task["token"])["status"] == "completed"


def test_follow_up_tasks_are_of_its_names_too(site: Site, admin: PlainCaller) -> None:
    """A claim stays held when its outcome is refused, so that it can be ended otherwise."""
    admin("queue", "mail")
    worker = site.bearer(Role.WORKER, *CONFINED)
    [task] = worker("claim", ["mail"], None, 1, 0)
    held = {"id": task["id"], "token": task["token"]}
    assert refused_name(worker, "complete", **held, queue=[{"name": "other"}]) == "other"
    assert worker("complete", **held, queue=[{"name": "reports.x"}])["status"] == "completed"
    assert set(admin("stats")["names"]) == {"mail", "reports.x"}


def test_an_outcome_with_a_foreign_follow_up_is_refused_alone(
    site: Site, admin: PlainCaller
) -> None:
    """The others of the report are taken, each answer in its place."""
    admin("queue_many", [{"name": "mail", "id": f"t{n}"} for n in range(4)])
    worker = site.bearer(Role.WORKER, *CONFINED)
    held = {task["id"]: task["token"] for task in worker("claim", ["mail"], None, 4, 0)}
    outcomes: list[dict[str, Any]] = [
        {"id": id, "token": token, "status": "completed"} for id, token in sorted(held.items())
    ]
    outcomes[1]["queue"] = [{"name": "mail"}, {"name": "other"}]
    outcomes[2]["token"] = 1
    answer = worker("report", outcomes)["outcomes"]
    assert [(each["id"], each["ok"]) for each in answer] == [
        ("t0", True),
        ("t1", False),
        ("t2", False),
        ("t3", True),
    ]
    assert answer[1]["error"]["data"] == {"method": "report", "name": "other"}
    assert answer[2]["error"]["code"] == -32002
    assert admin("get_task", "t1")["status"] == "started"


@pytest.mark.parametrize(
    "method", ["get_task", "history", "explain", "cancel", "retry", "delete_task"]
)
def test_the_name_of_the_stored_task_counts(site: Site, admin: PlainCaller, method: str) -> None:
    """For calls that say an id only: a task out of reach is not there for them, and stays."""
    admin("queue_many", [{"name": "other", "id": "far"}, {"name": "mail", "id": "near"}])
    if method in ("retry", "delete_task"):
        admin("cancel", "far")
        admin("cancel", "near")
    before = admin("get_task", "far")
    operator = site.bearer(Role.OPERATOR, *CONFINED)
    for id in ("far", "nope"):
        with pytest.raises(Refused) as missing:
            operator(method, id)
        assert (missing.value.code, missing.value.data) == (-32001, {"id": id})
    assert admin("get_task", "far") == before
    operator(method, "near")


def test_a_get_task_that_waits_is_checked_first(site: Site, admin: PlainCaller) -> None:
    """It does not tell by its time when a task out of reach ends."""
    admin("queue", name="other", id="far")
    producer = site.bearer(Role.PRODUCER, *CONFINED)
    with pytest.raises(Refused) as missing:
        producer("get_task", "far", 50)
    assert missing.value.code == -32001


def test_lists_show_the_names_in_reach(site: Site, admin: PlainCaller) -> None:
    """Each page is full but the last, whatever is stored between them."""
    names = ["mail", "other", "other", "reports.x", "other", "mail"]
    admin("queue_many", [{"name": name, "id": f"l{n}"} for n, name in enumerate(names)])
    operator = site.bearer(Role.OPERATOR, *CONFINED)
    assert refused_name(operator, "list_tasks", name="other") == "other"
    found: list[list[str]] = []
    cursor = None
    while True:
        page = operator("list_tasks", limit=1, cursor=cursor)
        found.append([task["id"] for task in page["tasks"]])
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == [["l5"], ["l3"], ["l0"]]
    page = site.bearer(Role.OPERATOR, "mail")("list_tasks", limit=2)
    assert [task["id"] for task in page["tasks"]] == ["l5", "l0"]
    assert set(operator("stats")["names"]) == {"mail", "reports.x"}


def test_workers_are_shown_and_drained_by_their_names(site: Site, admin: PlainCaller) -> None:
    """One that works for others too is not theirs to drain."""
    for worker, names in [("near", ["mail"]), ("both", ["mail", "other"]), ("far", ["other"])]:
        admin("claim", names, worker, 1, 0)
    operator = site.bearer(Role.OPERATOR, *CONFINED)
    shown = {row["worker"]: row["names"] for row in operator("workers")}
    assert shown == {"near": ["mail"], "both": ["mail"]}
    assert refused_name(operator, "drain", worker="both") is None
    assert operator("drain", "near") is True


def test_an_operator_pauses_and_purges_names_in_reach(site: Site, admin: PlainCaller) -> None:
    """purge has to say which, for without a name it means all."""
    operator = site.bearer(Role.OPERATOR, *CONFINED)
    for method in ("pause", "resume", "purge"):
        assert refused_name(operator, method, name="other") == "other"
        operator(method, "mail")
    assert refused_name(operator, "purge") is None


def test_many_tasks_are_changed_within_reach(site: Site, admin: PlainCaller) -> None:
    """Those of their ids that are; or by a search, which has to say the name."""
    admin("queue_many", [{"name": "other", "id": "far"}, {"name": "mail", "id": "near"}])
    operator = site.bearer(Role.OPERATOR, *CONFINED)
    assert refused_name(operator, "cancel_many", name="other") == "other"
    assert refused_name(operator, "cancel_many", query="far") is None
    assert refused_name(operator, "cancel_many") is None
    assert operator("cancel_many", ids=["far", "near", "nope"]) == 1
    assert operator("retry_many", name="mail") == 1
    assert site.bearer(Role.OPERATOR, "mail")("cancel_many", status="queued") == 1
    assert operator("delete_many", name="mail") == 1
    assert [task["id"] for task in admin("list_tasks")["tasks"]] == ["far"]


def test_rates_are_of_names_in_reach(site: Site) -> None:
    """All of them, or one; a name is in the answer once a step of ten seconds has passed."""
    operator = site.bearer(Role.OPERATOR, *CONFINED)
    assert refused_name(operator, "rates", name="other") == "other"
    assert operator("rates", "mail")["interval"] == 10
    grant = Grant("id", Role.OPERATOR, CONFINED)
    answer = {"interval": 10, "names": {"mail": [1], "other": [2], "reports.x": [3]}}
    shown = PERMISSIONS["rates"].scope.shown(grant, answer)
    assert shown == {"interval": 10, "names": {"mail": [1], "reports.x": [3]}}


# -- who is there -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer nonsense",
        "Basic YWRhOnNlY3JldA==",
        "Token {admin}",
        "{admin}",
        "Bearer {admin}x",
        "Bearer {admin} {admin}",
        "Bearer \xff",
    ],
)
def test_who_has_no_token_hears_nothing(site: Site, said: str | None) -> None:
    """401, with what is wanted; the body is not looked at."""
    given = None if said is None else said.replace("{admin}", site.token(Role.ADMIN))
    headers = {} if given is None else {"Authorization": given}
    with closing(PlainCaller(site.url)) as caller:
        answer = caller.post("{", **headers)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="jsonrpc-qm"')
    assert set(answer.json()) == {"error"}


def test_the_scheme_may_be_in_any_case(site: Site) -> None:
    """RFC 9110, 11.1."""
    with closing(PlainCaller(site.url)) as caller:
        call = '{"jsonrpc": "2.0", "id": 1, "method": "workers"}'
        answer = caller.post(call, Authorization=f"bearer  {site.token(Role.ADMIN)} ")
    assert result_of(answer.json()) is not None


def test_operators_actions_are_in_the_log(
    site: Site, admin: PlainCaller, caplog: pytest.LogCaptureFixture
) -> None:
    """Who, from where, what, and what became of it; refused ones too, and no secret."""
    operator = site.bearer(Role.OPERATOR)
    id = site.token(Role.OPERATOR).split("_")[1]
    with caplog.at_level(logging.INFO, "jsonrpc_qm.audit"):
        operator("pause", "mail")
        operator.send(request("cancel", id="nope"))
        site.bearer(Role.WORKER).send(request("purge"))
        operator.send(request("drain", worker="x" * 300))
        operator("stats")
        admin("queue", "mail")
    lines = [record.getMessage() for record in caplog.records if "audit" in record.name]
    worker = site.token(Role.WORKER).split("_")[1]
    assert lines[:3] == [
        f'operator {id} at 127.0.0.1: pause ["mail"]: done',
        f'operator {id} at 127.0.0.1: cancel {{"id": "nope"}}: Task not found: id: nope',
        f"worker {worker} at 127.0.0.1: purge : Forbidden: method: purge",
    ]
    assert len(lines) == 4
    assert "... (314 bytes): Invalid params" in lines[3]
    for token in TOKENS.values():
        assert token not in caplog.text


def test_tokens_that_are_not_known_are_in_the_log(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """From where, and for what; never the token, and no more than so many lines a minute."""
    wrong = site.token(Role.ADMIN)[:-1] + "!"
    with closing(PlainCaller(site.url)) as caller, caplog.at_level(logging.INFO):
        assert caller.post(f'{{"token": "{wrong}"}}', "/sign-in").status == 401
        for _ in range(MOST_LINES + 5):
            assert caller.post("{}", Authorization=f"Bearer {wrong}").status == 401
        assert caller.post("{}", Cookie=f"jsonrpc-qm={wrong}").status == 401
        assert caller.post("{}").status == 401
    lines = [record.getMessage() for record in caplog.records if "audit" in record.name]
    assert lines[0] == "nobody at 127.0.0.1: sign-in: this token is not known"
    assert lines[1] == "nobody at 127.0.0.1: a request: this token is not known"
    assert len(lines) == MOST_LINES
    assert lines[-1].endswith("; more are counted only")
    assert wrong not in caplog.text


def test_how_many_more_tokens_were_refused_is_told_later(caplog: pytest.LogCaptureFixture) -> None:
    """With the first that comes in another minute."""
    time = 0.0
    refusals = Refusals(lambda: time)
    with caplog.at_level(logging.INFO, "jsonrpc_qm.audit"):
        for _ in range(MOST_LINES + 7):
            refusals.tell("10.1.2.3", "a request")
        time = PERIOD
        refusals.tell("10.1.2.3", "a request")
    assert [record.getMessage() for record in caplog.records[MOST_LINES:]] == [
        "7 more tokens were refused before",
        "nobody at 10.1.2.3: a request: this token is not known",
    ]
