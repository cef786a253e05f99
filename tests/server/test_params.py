"""Params: positional or named, each with its type, and nothing that is not known."""

import json
from datetime import datetime
from typing import Any

import jsonschema
import pytest
from msgspec.structs import fields

from jsonrpc_qm.rpc.checking import Checker
from jsonrpc_qm.rpc.examples import EXAMPLES, ExampleStorage
from jsonrpc_qm.rpc.methods import METHODS
from jsonrpc_qm.rpc.openrpc import document
from jsonrpc_qm.storage.base import Storage
from tests.server.callers import Caller, Refused
from tests.server.plain import PlainCaller

FORMS = {
    "positional": lambda names, values: values,
    "named": lambda names, values: dict(zip(names, values, strict=False)),
    "named, in another order": lambda names, values: dict(
        reversed([*zip(names, values, strict=False)])
    ),
    "named, without nulls": lambda names, values: {
        name: value for name, value in zip(names, values, strict=False) if value is not None
    },
    "positional, nulls to the end": lambda names, values: (
        values + [None] * (len(names) - len(values))
    ),
}
"""Ways to write the same params."""


class TestTheExamplesOfAllMethods:
    """Every method, on a manager whose clock stands still."""

    @pytest.fixture
    def storage(self) -> Storage:
        """The storage that the examples were made on."""
        return ExampleStorage()

    @pytest.mark.parametrize("form", FORMS)
    async def test_positional_and_named_params_are_the_same(self, call: Caller, form: str) -> None:
        """Each method answers its example as documented, however its params are written."""
        shown = {method["name"]: [*method["examples"]] for method in document()["methods"]}
        for name, _, values in EXAMPLES:
            params = FORMS[form](METHODS[name].params.__struct_fields__, values)
            answer = await call.send({"jsonrpc": "2.0", "id": 1, "method": name, "params": params})
            expected = shown[name].pop(0)["result"]["value"]
            if name == "stats":
                answer["result"]["manager"]["uptime"] = 0.0
            if name == "rates":
                answer["result"]["until"] = expected["until"]
            assert answer == {"jsonrpc": "2.0", "id": 1, "result": expected}
        assert not any(shown.values())


FORMATS = jsonschema.FormatChecker(formats=())


@FORMATS.checks("date-time", raises=ValueError)
def is_date_time(value: object) -> bool:
    """Whether a text is an RFC 3339 time; what is no text does not matter."""
    return not isinstance(value, str) or bool(datetime.fromisoformat(value))


PROBES = [True, 0, 1.5, "", "a b", "2026-01-01T00:00:00Z", [], [0], {}, {"": 0}, None]
"""A value of each kind."""

PARAMS = {
    f"{method['name']}-{param['name']}": (method["name"], param)
    for method in document()["methods"]
    for param in method["params"]
}


def given(method: str, param: str, value: Any) -> dict[str, Any]:
    """The named params of the method's example, with one of them changed."""
    values = next(values for name, _, values in EXAMPLES if name == method)
    names = METHODS[method].params.__struct_fields__
    rest = {key: known for key, known in zip(names, values, strict=False) if known is not None}
    return {**rest, param: value}


@pytest.mark.parametrize("key", PARAMS)
def test_a_value_is_taken_exactly_if_the_document_says_so(shared: PlainCaller, key: str) -> None:
    """Of each kind of value, a param takes what its schema allows; the rest is Invalid params."""
    method, param = PARAMS[key]
    schema = {**param["schema"], "components": document()["components"]}
    refused = 0
    for probe in PROBES:
        params = given(method, param["name"], probe)
        if jsonschema.Draft7Validator(schema, format_checker=FORMATS).is_valid(probe):
            Checker(METHODS[method].params).read(json.dumps(params).encode())
            continue
        refused += 1
        with pytest.raises(Refused) as refusal:
            shared(method, **params)
        assert (refusal.value.code, refusal.value.message) == (-32602, "Invalid params")
        place = refusal.value.data["param"].replace("[", ".").partition(".")[0]
        assert place == param["name"]
        assert refusal.value.data["reason"]
    assert refused or param["name"] in ("parameters", "result")


REQUIRED = {
    "queue": ["name"],
    "queue_many": ["tasks"],
    "get_task": ["id"],
    "history": ["id"],
    "explain": ["id"],
    "cancel": ["id"],
    "retry": ["id"],
    "delete_task": ["id"],
    "claim": ["names"],
    "heartbeat": ["leases"],
    "complete": ["id", "token"],
    "fail": ["id", "token", "error"],
    "release": ["id", "token"],
    "report": ["outcomes"],
    "drain": ["worker"],
    "pause": ["name"],
    "resume": ["name"],
}
"""The params without which a method can't do."""


@pytest.mark.parametrize("method", METHODS)
def test_a_missing_param_is_named(shared: PlainCaller, method: str) -> None:
    """Named or positional; the others have defaults."""
    required = [field.name for field in fields(METHODS[method].params) if field.required]
    assert required == REQUIRED.get(method, [])
    values = next(values for name, _, values in EXAMPLES if name == method)
    for place, param in enumerate(required):
        named = given(method, param, None)
        del named[param]
        for params in (named, values[:place]):
            body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
            error = shared.send(body)["error"]
            assert (error["code"], error["data"]) == (
                -32602,
                {"param": param, "reason": "required"},
            )


@pytest.mark.parametrize("method", [*METHODS, "rpc.discover"])
def test_unknown_params_are_invalid(shared: PlainCaller, method: str) -> None:
    """A typo does not go unnoticed, nor does a value too many."""
    example = next((values for name, _, values in EXAMPLES if name == method), [])
    names = METHODS[method].params.__struct_fields__ if method in METHODS else ()
    named = dict(zip(names, example, strict=False))
    error = shared.send(
        {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**named, "prority": 1}}
    )["error"]
    assert error["code"] == -32602
    assert error["data"] == {"param": "prority", "reason": "unknown parameter"}
    odd = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**named, "a\nb": 1}}
    assert shared.send(odd)["error"]["data"]["param"] == "a\nb"
    full = [*example, *[None] * (len(names) - len(example)), 1]
    error = shared.send({"jsonrpc": "2.0", "id": 1, "method": method, "params": full})["error"]
    assert error["code"] == -32602
    assert error["data"]["param"] == f"[{len(names)}]"
    assert error["data"]["reason"].startswith("unknown parameter")


INSIDE: dict[str, tuple[str, Any]] = {
    "backoff.bas": ("queue", {"name": "a", "backoff": {"bas": 1}}),
    "backoff.base": ("queue", {"name": "a", "backoff": {"base": "1"}}),
    "metadata[...]": ("queue", {"name": "a", "metadata": {"k": 1}}),
    "tasks[1].name": ("queue_many", {"tasks": [{"name": "a"}, {}]}),
    "tasks[0].prority": ("queue_many", [[{"name": "a", "prority": 1}]]),
    "tasks[0].run_at": ("queue_many", {"tasks": [{"name": "a", "run_at": "soon"}]}),
    "names[1]": ("claim", {"names": ["a", ""]}),
    "leases[0].token": ("heartbeat", {"leases": [{"id": "a"}]}),
    "leases[0].result": ("heartbeat", [[{"id": "a", "token": 1, "result": 1}]]),
    "error.message": ("fail", {"id": "a", "token": 1, "error": {"type": "E"}}),
    "error.code": ("fail", ["a", 1, {"type": "E", "message": "", "code": 1}]),
    "queue[0].name": ("complete", {"id": "a", "token": 1, "queue": [{}]}),
    "outcomes[0].status": ("report", {"outcomes": [{"id": "a", "token": 1}]}),
    "outcomes[1].status": (
        "report",
        [[{"id": "a", "token": 1, "status": "queued"}, {"id": "a", "token": 1, "status": "x"}]],
    ),
    "outcomes[0].result": (
        "report",
        {"outcomes": [{"id": "a", "token": 1, "status": "failed", "result": 1}]},
    ),
    "outcomes[0].error": ("report", {"outcomes": [{"id": "a", "token": 1, "status": "failed"}]}),
}
"""The place that an error names, and what provokes it."""


@pytest.mark.parametrize("place", INSIDE)
def test_an_error_names_the_place(shared: PlainCaller, place: str) -> None:
    """Inside of objects and lists too, for positional params as for named ones."""
    method, params = INSIDE[place]
    error = shared.send({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})["error"]
    assert error["code"] == -32602
    assert error["data"]["param"] == place


async def test_delay_and_run_at_exclude_each_other(call: Caller) -> None:
    """Which of them was meant is not guessed, in queue_many neither."""
    both = {"name": "a", "delay": 0, "run_at": "2026-01-01T00:00:00Z"}
    with pytest.raises(Refused) as refusal:
        await call("queue", **both)
    assert (refusal.value.code, refusal.value.data["param"]) == (-32602, "run_at")
    with pytest.raises(Refused) as refusal:
        await call("queue_many", [{"name": "a"}, both])
    assert (refusal.value.code, refusal.value.data["param"]) == (-32602, "tasks[1].run_at")
    assert (await call("stats"))["names"] == {}


async def test_null_is_as_good_as_left_out(call: Caller) -> None:
    """A client may send all params, with null for those it does not care about."""
    nulls = dict.fromkeys(METHODS["queue"].params.__struct_fields__)
    task = await call("queue", **{**nulls, "name": "mail"})
    assert (task["priority"], task["max_attempts"], task["max_lost"]) == (0, 5, 3)
    assert (await call("list_tasks", None, None, None, None))["tasks"] == [task]
    claimed = await call("claim", ["mail"], None, None, 0, None)
    assert [held["id"] for held in claimed] == [task["id"]]
