"""Each verb of the protocol as a value: what to send, how to read the answer, when to send again.

Both clients send what these functions build, so a verb is written once. Arguments that are None are
left out, so that the manager's default holds. Values from Python become JSON here; what has no JSON
form is refused with InvalidParams before anything is sent.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Generic, TypedDict, TypeVar

import msgspec
from msgspec import UNSET, Raw, UnsetType

from jsonrpc_qm.answers import (
    Explanation,
    HeartbeatAnswer,
    Rates,
    ReportAnswer,
    TaskPage,
    TaskTransition,
    WorkerInfo,
)
from jsonrpc_qm.errors import InvalidParams
from jsonrpc_qm.ids import new_id
from jsonrpc_qm.moments import moment_of, rfc3339
from jsonrpc_qm.params import MAX_WAIT
from jsonrpc_qm.retry import Backoff
from jsonrpc_qm.task import ClaimedTask, Task
from jsonrpc_qm.tracing import carried, with_carried

T = TypeVar("T")

MANY_WAIT = 600.0
"""Seconds that a change of many tasks may take: some thousands are changed in one."""


class ErrorObject(msgspec.Struct):
    """A JSON-RPC error object."""

    code: int
    message: str = ""
    data: Any = None


class Answer(msgspec.Struct, Generic[T]):
    """A JSON-RPC response: a result or an error."""

    result: T | UnsetType = UNSET
    error: ErrorObject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[T]):
    """One call of a verb, ready to be sent; as often as needed, for the bytes stay the same."""

    method: str
    body: bytes
    """The JSON-RPC request."""
    decoder: msgspec.json.Decoder[Answer[T]]
    repeatable: bool = True
    """Whether it may be sent again when its answer got lost, so that it may have been done."""
    wait: float = 0.0
    """Seconds that the manager may take its time, on top of the client's timeout."""


class Which(TypedDict, total=False):
    """Which tasks to change: some ids, or all that meet the conditions of `list_tasks`."""

    ids: Sequence[str] | None
    """Up to 10,000; instead of conditions."""
    name: str | None
    status: str | None
    query: str | None
    since: datetime | None
    until: datetime | None
    dry_run: bool
    """Only count them."""


_TASK = msgspec.json.Decoder(Answer[Task])
_TASKS = msgspec.json.Decoder(Answer[list[Task]])
_CLAIMED = msgspec.json.Decoder(Answer[list[ClaimedTask]])
_PAGE = msgspec.json.Decoder(Answer[TaskPage])
_HEARTBEAT = msgspec.json.Decoder(Answer[HeartbeatAnswer])
_REPORT = msgspec.json.Decoder(Answer[ReportAnswer])
_STATS = msgspec.json.Decoder(Answer[dict[str, Any]])
_WORKERS = msgspec.json.Decoder(Answer[list[WorkerInfo]])
_HISTORY = msgspec.json.Decoder(Answer[list[TaskTransition]])
_EXPLANATION = msgspec.json.Decoder(Answer[Explanation])
_RATES = msgspec.json.Decoder(Answer[Rates])
_FLAG = msgspec.json.Decoder(Answer[bool])
_COUNT = msgspec.json.Decoder(Answer[int])
_ANY = msgspec.json.Decoder(Answer[Any])

_encode = msgspec.json.Encoder().encode

# msgspec would send null for NaN, and text for what is no JSON.
_JSON = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":"))

_TIMES = frozenset({"run_at", "since", "until"})

_LISTS_OF_OBJECTS = frozenset({"tasks", "queue", "outcomes", "leases"})


def queue(name: str, parameters: Any, **options: Any) -> Call[Task]:
    """`queue`; without an id it gets one here, which makes it safe to send again."""
    task = {"name": name, "parameters": parameters, **options}
    return _call("queue", _TASK, _producible(task, carried()))


def queue_many(tasks: Sequence[Mapping[str, Any]]) -> Call[list[Task]]:
    """`queue_many`; members without an id get one here."""
    return _call("queue_many", _TASKS, {"tasks": _all_producible(tasks, "tasks")})


def get_task(id: str, wait: float) -> Call[Task]:
    """`get_task`."""
    return _call("get_task", _TASK, {"id": id, "wait": wait or None}, wait=wait)


def list_tasks(**filters: Any) -> Call[TaskPage]:
    """`list_tasks`."""
    return _call("list_tasks", _PAGE, _with_times(filters))


def history(id: str) -> Call[list[TaskTransition]]:
    """`history`."""
    return _call("history", _HISTORY, {"id": id})


def explain(id: str) -> Call[Explanation]:
    """`explain`."""
    return _call("explain", _EXPLANATION, {"id": id})


def cancel(id: str) -> Call[Task]:
    """`cancel`."""
    return _call("cancel", _TASK, {"id": id})


def retry(id: str) -> Call[Task]:
    """`retry`; a second one could undo a failure that came in between, so it is not repeated."""
    return _call("retry", _TASK, {"id": id}, repeatable=False)


def delete_task(id: str) -> Call[bool]:
    """`delete_task`; a second one would be told that there is no such task: not repeated."""
    return _call("delete_task", _FLAG, {"id": id}, repeatable=False)


def claim(names: Sequence[str], *, wait: float, **options: Any) -> Call[list[ClaimedTask]]:
    """`claim`; what a lost answer held, the manager takes back."""
    return _call("claim", _CLAIMED, {"names": names, "wait": wait, **options}, wait=wait)


def heartbeat(leases: Sequence[Mapping[str, Any]], worker: str | None) -> Call[HeartbeatAnswer]:
    """`heartbeat`."""
    params = {"leases": _objects(leases, "leases"), "worker": worker}
    return _call("heartbeat", _HEARTBEAT, params)


def complete(
    id: str, token: int, result: Any, follow_ups: Sequence[Mapping[str, Any]]
) -> Call[Task]:
    """`complete`; its follow-up tasks get ids like those of `queue_many`."""
    queue = _all_producible(follow_ups, "queue") or None
    return _call("complete", _TASK, {"id": id, "token": token, "result": result, "queue": queue})


def fail(
    id: str, token: int, error: Mapping[str, Any], *, retry: bool, delay: float | None
) -> Call[Task]:
    """`fail`."""
    if not isinstance(error, Mapping):
        raise InvalidParams.of("error", f"expected an object, got {type(error).__name__}")
    params = {"id": id, "token": token, "error": dict(error), "retry": retry, "delay": delay}
    return _call("fail", _TASK, params)


def release(id: str, token: int, delay: float | None) -> Call[Task]:
    """`release`."""
    return _call("release", _TASK, {"id": id, "token": token, "delay": delay})


def report(outcomes: Sequence[Mapping[str, Any]], **claim_options: Any) -> Call[ReportAnswer]:
    """`report`; follow-up tasks in its outcomes get ids like those of `queue_many`."""
    prepared = [
        {**outcome, "queue": _all_producible(outcome["queue"], f"outcomes[{index}].queue")}
        if outcome.get("queue")
        else outcome
        for index, outcome in enumerate(_objects(outcomes, "outcomes"))
    ]
    return _call("report", _REPORT, {"outcomes": prepared, **claim_options})


def stats() -> Call[dict[str, Any]]:
    """`stats`."""
    return _call("stats", _STATS, {})


def rates(name: str | None) -> Call[Rates]:
    """`rates`."""
    return _call("rates", _RATES, {"name": name})


def workers() -> Call[list[WorkerInfo]]:
    """`workers`."""
    return _call("workers", _WORKERS, {})


def drain(worker: str) -> Call[bool]:
    """`drain`."""
    return _call("drain", _FLAG, {"worker": worker})


def pause(name: str) -> Call[bool]:
    """`pause`."""
    return _call("pause", _FLAG, {"name": name})


def resume(name: str) -> Call[bool]:
    """`resume`."""
    return _call("resume", _FLAG, {"name": name})


def change_many(method: str, which: Which) -> Call[int]:
    """`retry_many`, `cancel_many` and `delete_many`; many tasks take their time. Not repeated: the
    number would be of what was left, and `retry_many` could undo a failure that came in between."""
    params = _with_times({**which, "dry_run": which.get("dry_run") or None})
    return replace(_call(method, _COUNT, params, repeatable=False), wait=MANY_WAIT)


def purge(**filters: Any) -> Call[int]:
    """`purge`; deleting many tasks takes its time."""
    return replace(_call("purge", _COUNT, filters), wait=MANY_WAIT)


def discover() -> Call[dict[str, Any]]:
    """`rpc.discover`."""
    return _call("rpc.discover", _STATS, {})


def raw(method: str, params: Mapping[str, Any] | Sequence[Any] | None) -> Call[Any]:
    """Any method with params as they are; it may be one that waits, or one that can't be repeated.

    A member that is None is sent as null here.
    """
    if isinstance(params, Mapping):
        params = dict(params)
    request = {"jsonrpc": "2.0", "method": _raw(method, "method"), "id": 1}
    if params is not None:
        request["params"] = _raw(params, "params")
    body = _encode(request)
    return Call(method=method, body=body, decoder=_ANY, repeatable=False, wait=MAX_WAIT)


def _call(
    method: str,
    decoder: msgspec.json.Decoder[Answer[T]],
    params: Mapping[str, Any],
    *,
    repeatable: bool = True,
    wait: float = 0.0,
) -> Call[T]:
    given = {name: _raw(value, name) for name, value in params.items() if value is not None}
    # An HTTP request carries one call, so one id does for all.
    body = _encode({"jsonrpc": "2.0", "method": method, "params": given, "id": 1})
    # A wait of the wrong type or size is the manager's to refuse.
    patience = min(max(wait, 0.0), MAX_WAIT) if isinstance(wait, int | float) else 0.0
    return Call(method=method, body=body, decoder=decoder, repeatable=repeatable, wait=patience)


def _raw(value: Any, param: str) -> Raw:
    """The JSON of a param; InvalidParams names the member of a list that has none.

    How deep and how large a value may be is the manager's to judge, which refuses one outcome of a
    report rather than all.
    """
    try:
        return Raw(_JSON.encode(value).encode())
    except (TypeError, ValueError, RecursionError) as error:
        if isinstance(value, list) and param.rpartition(".")[2] in _LISTS_OF_OBJECTS:
            _find_member_without_json(value, param)
        raise InvalidParams.of(param, str(error) or "no JSON value") from None


def _find_member_without_json(members: list[Any], param: str) -> None:
    for index, member in enumerate(members):
        if isinstance(member, dict):
            for key, value in member.items():
                _raw(value, f"{param}[{index}].{key}")


def _objects(members: Iterable[Mapping[str, Any]], param: str) -> list[dict[str, Any]]:
    """The members of a list param as the dicts that become JSON objects."""
    objects: list[dict[str, Any]] = []
    for index, member in enumerate(members):
        if type(member) is dict:  # much faster than asking whether it is a Mapping
            objects.append(member)
        elif isinstance(member, Mapping):
            objects.append(dict(member))
        else:
            reason = f"expected an object, got {type(member).__name__}"
            raise InvalidParams.of(f"{param}[{index}]", reason)
    return objects


def _all_producible(tasks: Iterable[Mapping[str, Any]], param: str) -> list[dict[str, Any]]:
    carrier = carried()
    return [
        _producible(task, carrier, f"{param}[{index}].")
        for index, task in enumerate(_objects(tasks, param))
    ]


def _producible(
    task: dict[str, Any], carrier: Mapping[str, str], prefix: str = ""
) -> dict[str, Any]:
    """Queue's params as JSON can hold them, with an id, and the trace that `carrier` tells of."""
    prepared = {key: value for key, value in task.items() if value is not None}
    if "id" not in prepared:
        prepared["id"] = new_id(str(prepared.get("name")))
    if carrier:
        prepared["metadata"] = with_carried(prepared.get("metadata", {}), carrier)
    prepared = _with_times(prepared, prefix)
    backoff = prepared.get("backoff")
    if isinstance(backoff, Backoff):
        prepared["backoff"] = msgspec.to_builtins(backoff)
    return prepared


def _with_times(params: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Params whose datetimes are texts."""
    prepared = dict(params)
    for param in _TIMES.intersection(params):
        if isinstance(value := prepared[param], datetime):
            if value.utcoffset() is None:
                raise InvalidParams.of(f"{prefix}{param}", "a time without a time zone")
            prepared[param] = rfc3339(moment_of(value))
    return prepared
