"""JSON Schemas of what goes over the wire, for the OpenRPC document.

They are msgspec's, from the definitions that check params and shape answers; descriptions are the
texts under the definitions' fields.
"""

import ast
import inspect
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from itertools import pairwise
from types import ModuleType
from typing import Any, get_args

import msgspec

from jsonrpc_qm import answers
from jsonrpc_qm import params as p
from jsonrpc_qm.retry import Backoff
from jsonrpc_qm.rpc.methods import ManagerInfo, StatsAnswer
from jsonrpc_qm.storage.base import NameStats
from jsonrpc_qm.task import Task

Json = dict[str, Any]

PLACE = "#/components/schemas/{name}"

GIVEN: tuple[type[msgspec.Struct], ...] = (
    p.QueueParams,
    p.LeaseParams,
    p.ErrorInfo,
    p.CompletedOutcome,
    p.FailedOutcome,
    p.ReleasedOutcome,
    Backoff,
)
"""The objects inside of params."""

ANSWERED: tuple[type[msgspec.Struct], ...] = (
    Task,
    answers.TaskPage,
    answers.HeartbeatAnswer,
    answers.LeaseState,
    answers.ReportAnswer,
    answers.OutcomeState,
    answers.WorkerInfo,
    answers.TaskTransition,
    answers.Explanation,
    answers.Reason,
    answers.Rates,
    answers.NameRates,
    StatsAnswer,
    NameStats,
    ManagerInfo,
)
"""The objects that results consist of."""

TIME = {
    "type": "string",
    "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$",
}
"""A time in an answer: RFC 3339 in UTC with microseconds."""

NULL = {"type": "null"}

OUTCOME_ERROR = {
    "description": "Why it was refused, as a JSON-RPC error object; absent when it was not.",
    "type": "object",
    "properties": {
        "code": {"type": "integer"},
        "message": {"type": "string"},
        "data": {"type": "object"},
    },
    "required": ["code", "message"],
}

CLAIMED_TASK = {
    "title": "ClaimedTask",
    "description": "A task that the caller holds now.",
    "type": "object",
    "allOf": [{"$ref": PLACE.format(name="Task")}],
    "properties": {
        "token": {
            "description": "The fencing token of the claim, larger with each claim.",
            "type": "integer",
            "minimum": 1,
        }
    },
    "required": ["token"],
}

CLAIMED_TASKS = {"type": "array", "items": {"$ref": PLACE.format(name="ClaimedTask")}}


def schemas_of(types: Sequence[Any]) -> tuple[list[Json], dict[str, Json]]:
    """A schema for each type, and the components that they refer to."""
    schemas, components = msgspec.json.schema_components(types, ref_template=PLACE)
    for struct in GIVEN:
        _describe(struct, components[struct.__name__])
    for struct in ANSWERED:
        _describe_answer(struct, components[struct.__name__])
    _as_sent(components)
    return list(schemas), components


def described(schema: Json, text: str | None) -> Json:
    """The schema with its description outside, where null is allowed too."""
    shown = dict(schema)
    if "default" in shown and shown["default"] is None:
        del shown["default"]
    # OpenAPI's word, not JSON Schema's: the members tell themselves apart.
    shown.pop("discriminator", None)
    if "items" in shown:
        shown["items"] = described(shown["items"], None)
    if "anyOf" in shown:
        choices = [dict(choice) for choice in shown["anyOf"]]
        inner = [choice.pop("description", None) for choice in choices]
        text = text or next(filter(None, inner), None)
        shown["anyOf"] = choices
    if text and "$ref" not in shown:
        shown["description"] = text
    return shown


def _describe(struct: type[msgspec.Struct], schema: Json) -> None:
    told = field_texts(struct)
    fields = msgspec.structs.fields(struct)
    texts = {field.encode_name: told.get(field.name) for field in fields}
    schema["description"] = (inspect.getdoc(struct) or "").partition("\n")[0]
    for name, inner in schema["properties"].items():
        schema["properties"][name] = described(inner, texts.get(name))


def _describe_answer(struct: type[msgspec.Struct], schema: Json) -> None:
    """Unlike the value in Python, an answer has all its members, and its times are texts."""
    _describe(struct, schema)
    schema["required"] = list(schema["properties"])
    for field in msgspec.structs.fields(struct):
        inner = schema["properties"][field.encode_name]
        inner.pop("default", None)
        if field.type is datetime:
            inner.update(TIME)
        elif datetime in get_args(field.type):
            inner["anyOf"] = [TIME, NULL]


def _as_sent(components: dict[str, Json]) -> None:
    """Where an answer differs from the value that a client makes of it."""
    task, outcome = components["Task"], components["OutcomeState"]
    del task["properties"]["token"]
    task["required"].remove("token")
    task["properties"]["error"]["anyOf"] = [{"$ref": PLACE.format(name="ErrorInfo")}, NULL]
    outcome["properties"]["error"] = OUTCOME_ERROR
    outcome["required"].remove("error")
    components["ReportAnswer"]["properties"]["tasks"].update(CLAIMED_TASKS)
    components["ClaimedTask"] = CLAIMED_TASK


def field_texts(struct: type[msgspec.Struct]) -> dict[str, str]:
    """The texts under the fields of a struct and its bases; none where there is no source."""
    texts: dict[str, str] = {}
    for each in reversed(struct.__mro__):
        module = inspect.getmodule(each)
        if module is not None and issubclass(each, msgspec.Struct):
            texts.update(_texts_by_class(module).get(each.__name__, {}))
    return texts


@cache
def _texts_by_class(module: ModuleType) -> dict[str, dict[str, str]]:
    try:
        body = ast.parse(inspect.getsource(module)).body
    except OSError:
        return {}
    return {node.name: _texts_in(node.body) for node in body if isinstance(node, ast.ClassDef)}


def _texts_in(body: Iterable[ast.stmt]) -> dict[str, str]:
    found = {}
    for field, text in pairwise(body):
        match field, text:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(said))),
            ):
                found[name] = inspect.cleandoc(said)
    return found
