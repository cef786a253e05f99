"""The OpenRPC document: what `rpc.discover` answers, made from the table of methods."""

import inspect
from functools import cache

import msgspec

from jsonrpc_qm.errors import (
    Conflict,
    Forbidden,
    InvalidParams,
    InvalidState,
    LeaseLost,
    QueueError,
    TaskNotFound,
    TooLarge,
    Unavailable,
)
from jsonrpc_qm.rpc.examples import pairings
from jsonrpc_qm.rpc.methods import ALWAYS_POSSIBLE, METHODS, Method
from jsonrpc_qm.rpc.schemas import CLAIMED_TASKS, Json, described, field_texts, schemas_of
from jsonrpc_qm.version import VERSION

OPENRPC_VERSION = "1.2.6"
"""The newest that all of OpenRPC's own tools read."""

INTRODUCTION = """\
A durable task queue: producers queue tasks, workers claim them and say how they ended.

Params may be positional or named. Times are RFC 3339, durations are in seconds.

The examples work on a fresh manager when they are sent in the order of this document. Only their
tokens are made up: the right one is what `claim` answered for the task, as its links say.
"""

ERROR_DATA: dict[type[QueueError], Json] = {
    TaskNotFound: {"id": "example-1"},
    LeaseLost: {"id": "example-1", "status": "completed"},
    Conflict: {"id": "example-1"},
    InvalidState: {"id": "example-1", "status": "completed"},
    TooLarge: {"limit": 1048576, "size": 1048577},
    Unavailable: {"retry_after": 1.0},
    Forbidden: {"method": "pause"},
    InvalidParams: {"param": "priority", "reason": "Expected `int` <= 1000000"},
}
"""What an error's data looks like."""

CLAIMED_AT = {"claim": "$result.0", "report": "$result.tasks.0"}
"""Where the result of a method that claims has a task with its token."""


def document(url: str | None = None) -> Json:
    """The OpenRPC document of a manager; `url` is the endpoint of one that is running."""
    if url is None:
        return _document()
    return {**_document(), "servers": [{"name": "manager", "url": url}]}


@cache
def _document() -> Json:
    fields = {name: msgspec.structs.fields(method.params) for name, method in METHODS.items()}
    given = [field.type for taken in fields.values() for field in taken]
    schemas, components = schemas_of([*given, *(method.result for method in METHODS.values())])
    rest = iter(schemas)
    params = {
        name: [_param(METHODS[name].params, field, next(rest)) for field in taken]
        for name, taken in fields.items()
    }
    results = {**dict(zip(METHODS, rest, strict=True)), "claim": CLAIMED_TASKS}
    examples = pairings()
    return {
        "openrpc": OPENRPC_VERSION,
        "info": {
            "title": "jsonrpc-qm",
            "version": VERSION,
            "description": INTRODUCTION,
            "license": {"name": "MIT"},
        },
        "methods": [
            {
                **_about(method),
                "params": params[name],
                "result": {"name": "result", "schema": results[name]},
                "examples": examples[name],
            }
            for name, method in METHODS.items()
        ],
        "components": {"schemas": components},
    }


def _about(method: Method) -> Json:
    shown: Json = {
        "name": method.name,
        "summary": method.summary,
        "description": inspect.getdoc(method.handler) or "",
        "paramStructure": "either",
        "errors": [_error(kind) for kind in (*method.errors, *ALWAYS_POSSIBLE)],
    }
    if method.name in CLAIMED_AT:
        shown["links"] = _links(CLAIMED_AT[method.name])
    return shown


def _param(struct: type[msgspec.Struct], field: msgspec.structs.FieldInfo, schema: Json) -> Json:
    text = field_texts(struct).get(field.name)
    shown = described(schema, text)
    return {
        "name": field.name,
        "description": text or shown.get("description", ""),
        "required": field.required,
        "schema": shown,
    }


def _error(kind: type[QueueError]) -> Json:
    return {"code": kind.code, "message": kind.message, "data": ERROR_DATA[kind]}


def _links(task: str) -> list[Json]:
    """How a claimed task is held and ended: with the token that came with it."""
    held = {"id": f"{task}.id", "token": f"{task}.token"}
    ended: list[Json] = [
        {"name": method, "method": method, "params": held}
        for method in ("complete", "fail", "release")
    ]
    return [{"name": "heartbeat", "method": "heartbeat", "params": {"leases": [held]}}, *ended]
