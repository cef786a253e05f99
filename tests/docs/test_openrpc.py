"""The OpenRPC document says what there is, and what it says is so."""

import copy
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from jsonrpc_qm.errors import BY_CODE
from jsonrpc_qm.rpc import openrpc
from jsonrpc_qm.rpc.examples import EXAMPLES
from jsonrpc_qm.rpc.methods import METHODS
from jsonrpc_qm.server.running import Settings, in_background
from jsonrpc_qm.storage.sqlite import SqliteStorage
from tests.server.plain import PlainCaller

DOCUMENT = openrpc.document()
COMPONENTS = DOCUMENT["components"]["schemas"]
BY_NAME = {method["name"]: method for method in DOCUMENT["methods"]}


@pytest.fixture
def caller(tmp_path: Path) -> Iterator[PlainCaller]:
    """Calls a fresh manager."""
    storage = SqliteStorage(tmp_path / "tasks.db")
    with (
        in_background(storage, Settings(port=0)) as url,
        closing(PlainCaller(url)) as caller,
    ):
        yield caller
    storage.close()


def closed(schema: Any) -> Any:
    """A schema that allows no members but those it names."""
    if isinstance(schema, list):
        return [closed(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(inner) for key, inner in schema.items()}
    if isinstance(found.get("properties"), dict) and "allOf" not in found:
        found.setdefault("additionalProperties", False)
    return found


def check(value: Any, schema: dict[str, Any], *, strict: bool = True) -> None:
    """See that a value is as its schema says, and that the schema names all its members."""
    components = copy.deepcopy(COMPONENTS)
    if strict:
        token = components["ClaimedTask"]["properties"]["token"]
        task = components["Task"]
        components = closed(components)
        components["ClaimedTask"] = closed(
            {
                "type": "object",
                "properties": {**task["properties"], "token": token},
                "required": [*task["required"], "token"],
            }
        )
        schema = closed(schema)
    whole = {**schema, "components": {"schemas": components}}
    jsonschema.Draft7Validator.check_schema(whole)
    jsonschema.Draft7Validator(whole).validate(value)


def test_it_describes_every_method_in_order() -> None:
    """As protocol.md does; rpc.discover is OpenRPC's own."""
    assert [*BY_NAME] == [*METHODS]
    assert DOCUMENT["openrpc"] == "1.2.6"


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_described_in_full(name: str) -> None:
    """Summary, description, params, result, errors and examples."""
    method = BY_NAME[name]
    assert method["summary"].endswith(".")
    assert method["description"]
    assert method["paramStructure"] == "either"
    assert method["result"]["schema"]
    assert method["examples"]
    for param in method["params"]:
        assert param["description"], param["name"]
    required = [param["required"] for param in method["params"]]
    assert required == sorted(required, reverse=True)


@pytest.mark.parametrize("name", METHODS)
def test_errors_are_those_of_the_table(name: str) -> None:
    """Codes and messages; all methods share Invalid params and Unavailable."""
    codes = [error["code"] for error in BY_NAME[name]["errors"]]
    assert len(codes) == len(set(codes))
    assert {-32602, -32006} <= set(codes)
    for error in BY_NAME[name]["errors"]:
        assert error["message"] == BY_CODE[error["code"]].message
        assert error["data"]


ERRORS = {
    -32001: {
        *("get_task", "history", "explain", "cancel", "retry", "delete_task"),
        *("complete", "fail", "release"),
    },
    -32002: {"complete", "fail", "release"},
    -32003: {"queue", "queue_many", "retry", "complete"},
    -32004: {"cancel", "retry", "delete_task"},
    -32005: {
        *("queue", "queue_many", "claim", "heartbeat", "complete", "fail", "report"),
        *("retry_many", "cancel_many", "delete_many"),
    },
}
"""Which methods may answer with which error."""


@pytest.mark.parametrize("code", ERRORS)
def test_an_error_is_at_the_methods_that_may_answer_it(code: int) -> None:
    """And at no other."""
    found = {
        name
        for name, method in BY_NAME.items()
        if code in [error["code"] for error in method["errors"]]
    }
    assert found == ERRORS[code]


def test_objects_in_params_are_described() -> None:
    """Each member says what it is."""
    for name in ("QueueParams", "ErrorInfo", "Backoff", "Task"):
        for member, schema in COMPONENTS[name]["properties"].items():
            assert schema.get("description") or "$ref" in schema, f"{name}.{member}"


def test_a_task_has_all_its_members_but_the_token() -> None:
    """The token is only on what was claimed."""
    assert set(COMPONENTS["Task"]["required"]) == set(COMPONENTS["Task"]["properties"])
    assert "token" not in COMPONENTS["Task"]["properties"]
    claimed = {"$ref": "#/components/schemas/ClaimedTask"}
    assert BY_NAME["claim"]["result"]["schema"]["items"] == claimed
    assert COMPONENTS["ReportAnswer"]["properties"]["tasks"]["items"] == claimed
    assert BY_NAME["queue"]["result"]["schema"] == {"$ref": "#/components/schemas/Task"}


@pytest.mark.parametrize("name", METHODS)
def test_examples_are_as_the_schemas_say(name: str) -> None:
    """Params and results, and no more than what is described."""
    method = BY_NAME[name]
    schemas = {param["name"]: param["schema"] for param in method["params"]}
    for example in method["examples"]:
        names = [param["name"] for param in example["params"]]
        assert names == [*schemas][: len(names)]
        for param in example["params"]:
            check(param["value"], schemas[param["name"]])
        check(example["result"]["value"], method["result"]["schema"])


def with_tokens(value: Any, tokens: dict[str, int]) -> Any:
    """The params with the tokens of their tasks, wherever they have one."""
    if isinstance(value, list):
        return [with_tokens(member, tokens) for member in value]
    if not isinstance(value, dict):
        return value
    found = {key: with_tokens(member, tokens) for key, member in value.items()}
    return {**found, "token": tokens[found["id"]]} if "token" in found else found


def test_examples_work_when_they_are_sent(caller: PlainCaller) -> None:
    """To a fresh manager in their order, with the tokens of claim; and answers are as described."""
    tokens: dict[str, int] = {}
    for name, _, values in EXAMPLES:
        names = [param["name"] for param in BY_NAME[name]["params"]]
        params = with_tokens(dict(zip(names, values, strict=False)), tokens)
        result = caller(name, **params)
        check(result, BY_NAME[name]["result"]["schema"])
        if name in ("claim", "report"):
            tasks = result if name == "claim" else result["tasks"]
            assert tasks
            tokens |= {task["id"]: task["token"] for task in tasks}
        if name == "heartbeat":
            assert all(lease["ok"] for lease in result["leases"])
        if name == "report":
            assert all(outcome["ok"] for outcome in result["outcomes"])


def test_a_refused_outcome_is_as_described(caller: PlainCaller) -> None:
    """It carries a JSON-RPC error object."""
    outcome = {"id": "a", "token": 1, "status": "queued"}
    check(caller("report", [outcome]), BY_NAME["report"]["result"]["schema"])


def test_links_lead_from_a_claim_to_its_end() -> None:
    """Where a token comes from, and where it goes: all methods that take one."""
    with_token = {"complete", "fail", "release", "heartbeat"}
    for name, place in [("claim", "$result.0"), ("report", "$result.tasks.0")]:
        links = {link["method"]: link["params"] for link in BY_NAME[name]["links"]}
        assert set(links) == with_token
        held = {"id": f"{place}.id", "token": f"{place}.token"}
        assert links.pop("heartbeat") == {"leases": [held]}
        assert all(params == held for params in links.values())


def test_a_manager_gives_its_own_address(caller: PlainCaller) -> None:
    """rpc.discover answers the document with where it was asked for it; nothing else differs."""
    answered = caller("rpc.discover")
    host = f"{caller.connection.host}:{caller.connection.port}"
    assert answered.pop("servers") == [{"name": "manager", "url": f"http://{host}/rpc"}]
    assert answered == json.loads(json.dumps(DOCUMENT))


def test_it_is_the_same_each_time() -> None:
    """So that a copy of it can be compared; there is no random id and no time in it."""
    assert openrpc._document.__wrapped__() == DOCUMENT


def test_schemas_use_no_words_but_json_schemas() -> None:
    """Strict validators refuse others, OpenAPI's among them."""
    assert '"discriminator"' not in json.dumps(DOCUMENT)


def test_every_reference_has_its_target() -> None:
    """And every component is used."""
    text = json.dumps(DOCUMENT)
    named = {part.partition('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert named == set(COMPONENTS)
