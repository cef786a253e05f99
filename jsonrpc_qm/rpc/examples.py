"""Examples for the OpenRPC document: the params are written here, the results are computed.

They work on a fresh manager, sent in this order. Results come from a manager in memory whose clock
stands still, so none can be out of date.
"""

from typing import Any

import msgspec

from jsonrpc_qm.moments import SECOND
from jsonrpc_qm.rpc.checking import Checker
from jsonrpc_qm.rpc.manager import LocalManager, finished
from jsonrpc_qm.rpc.methods import METHODS, Call
from jsonrpc_qm.storage.memory import MemoryStorage

CLOCK = 1_767_225_600 * SECOND
"""When the examples take place: 2026-01-01T00:00:00Z."""

TOKEN = CLOCK
"""The token of a first claim then. Others get theirs from `claim`, as its links say."""


class ExampleStorage(MemoryStorage):
    """A storage whose clock stands at CLOCK: on it, the examples are answered to the letter."""

    def now(self) -> int:
        return CLOCK


class _ExampleManager(LocalManager):
    def about(self) -> dict[str, Any]:
        return {**super().about(), "uptime": 0.0}


_EVERY_OPTION = [
    "thumbnail",
    {"image": "cat.png", "width": 200},
    10,
    0,
    None,
    5,
    3,
    60,
    300,
    86400,
    {"base": 2, "factor": 2, "max": 3600, "jitter": 0.25},
    "cat.png",
    "example-1",
    {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
]


def _task(number: int) -> dict[str, Any]:
    parameters = {"image": f"dog-{number}.png", "width": 200}
    return {"name": "thumbnail", "parameters": parameters, "id": f"example-{number}"}


_DISK_FULL = {
    "type": "OSError",
    "message": "No space left on device",
    "traceback": "thumbnail.py, line 7",
    "data": {"errno": 28},
}

EXAMPLES: list[tuple[str, str, list[Any]]] = [
    ("queue", "With every option", _EVERY_OPTION),
    ("queue_many", "Six tasks", [[_task(number) for number in range(2, 8)]]),
    ("get_task", "As it is now", ["example-1", 0]),
    ("list_tasks", "The first page of what is queued", ["thumbnail", "queued", 2]),
    ("list_tasks", "What is about dogs", [None, None, 2, None, "dog"]),
    ("history", "A task that waits", ["example-1"]),
    ("explain", "A task that waits", ["example-1"]),
    ("cancel", "A queued task", ["example-6"]),
    ("cancel", "Another queued task", ["example-7"]),
    ("retry", "A cancelled task", ["example-6"]),
    ("delete_task", "A cancelled task", ["example-7"]),
    ("claim", "Up to five tasks", [["thumbnail"], "worker-1", 5, 0, 60]),
    (
        "heartbeat",
        "One lease, with progress",
        [[{"id": "example-1", "token": TOKEN, "progress": 0.5, "lease": 60}], "worker-1"],
    ),
    (
        "complete",
        "With a task to follow",
        ["example-1", TOKEN, {"file": "cat-200.png"}, [{"name": "index", "id": "example-8"}]],
    ),
    ("fail", "To try again in 30 seconds", ["example-2", TOKEN, _DISK_FULL, True, 30]),
    ("release", "To be taken at once", ["example-3", TOKEN, 0]),
    (
        "report",
        "Two outcomes, and more to do",
        [
            [
                {"id": "example-4", "token": TOKEN, "status": "completed", "result": {"size": 9}},
                {"id": "example-5", "token": TOKEN, "status": "failed", "error": _DISK_FULL},
            ],
            ["thumbnail"],
            "worker-1",
            10,
            60,
        ],
    ),
    ("stats", "All names", []),
    ("rates", "One name", ["thumbnail"]),
    ("workers", "All workers", []),
    ("drain", "One worker", ["worker-1"]),
    ("pause", "One name", ["thumbnail"]),
    ("resume", "One name", ["thumbnail"]),
    ("retry_many", "How many have failed", [None, "thumbnail", "failed", None, None, None, True]),
    ("cancel_many", "By their ids", [["example-6"]]),
    ("delete_many", "With a text", [None, "thumbnail", "cancelled", "dog"]),
    ("purge", "Completed tasks of one name", ["thumbnail", "completed"]),
]
"""Method, title and positional params of each example."""


def pairings() -> dict[str, list[dict[str, Any]]]:
    """The example pairings of each method."""
    manager = _ExampleManager(ExampleStorage())
    shown: dict[str, list[dict[str, Any]]] = {name: [] for name in METHODS}
    for name, title, values in EXAMPLES:
        fields = METHODS[name].params.__struct_fields__
        shown[name].append(
            {
                "name": title,
                "params": [
                    {"name": field, "value": value}
                    for field, value in zip(fields, values, strict=False)
                ],
                "result": {"name": "result", "value": _result(manager, name, values)},
            }
        )
    return shown


def _result(manager: LocalManager, name: str, values: list[Any]) -> Any:
    method = METHODS[name]
    params = Checker(method.params).read(msgspec.json.encode(values))
    answer = finished(method.handler(manager, Call(), params))
    return msgspec.json.decode(msgspec.json.encode(answer))
