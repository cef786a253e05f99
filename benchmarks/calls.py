"""Requests as bytes, and answers as values; an answer that is an error is never measured."""

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import msgspec

from benchmarks.processes import HOST, Broken

T = TypeVar("T")

BULK = 500
"""Tasks of one `queue_many`, outcomes and claimed tasks of one `report`."""

_encode = msgspec.json.Encoder().encode
_SUCCESS = b'{"jsonrpc":"2.0","result":'

PARAMETERS: tuple[Any, ...] = (
    None,
    {"order": 4711, "express": True},
    ["Ada", "ada@example.org", 3],
    {"path": "/var/spool/scans/2026/07/31/page-0042.tiff", "dpi": 300, "languages": ["de", "en"]},
    {"customer": {"id": 90125, "name": "Zoë Müller"}, "lines": [[1, 9.95], [3, 120.0]]},
    {"text": "The quick brown fox jumps over the lazy dog. " * 4},
    7,
    {"url": "https://example.org/hooks/42", "attempt": 1, "headers": {"accept": "*/*"}},
)
"""What tasks are queued with, in turn."""


class Taken(msgspec.Struct, gc=False):
    """What matters of a claimed task."""

    id: str
    token: int


class Ended(msgspec.Struct, gc=False):
    """What became of an outcome."""

    id: str
    ok: bool


class Reported(msgspec.Struct):
    """What `report` answers."""

    outcomes: list[Ended]
    tasks: list[Taken]


class Listed(msgspec.Struct):
    """What `list_tasks` answers."""

    tasks: list[msgspec.Raw]
    next_cursor: str | None


class Counts(msgspec.Struct):
    """How many tasks a name has."""

    queued: int
    scheduled: int
    started: int
    completed: int


class Stats(msgspec.Struct):
    """What `stats` answers."""

    names: dict[str, Counts]
    workers: int


class Answer(msgspec.Struct, Generic[T]):
    """What comes back for a call that was not refused."""

    result: T


class Reader(Generic[T]):
    """Reads the results of one method."""

    def __init__(self, answer: type[Answer[T]]) -> None:
        self._decode = msgspec.json.Decoder(answer).decode

    def __call__(self, body: bytes) -> T:
        try:
            return self._decode(body).result
        except msgspec.MsgspecError as error:
            raise Broken(f"{error}: {body[:500]!r}") from error


def request(method: str, *positional: Any, **named: Any) -> bytes:
    """A JSON-RPC call as an HTTP request."""
    call = {"jsonrpc": "2.0", "method": method, "params": positional or named, "id": 1}
    return http(_encode(call))


def http(body: bytes) -> bytes:
    """The HTTP request that carries a body."""
    head = (
        f"POST /rpc HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def check_success(body: bytes) -> None:
    """Raise Broken unless the answer is a result."""
    if not body.startswith(_SUCCESS):
        raise Broken(f"an error was answered: {body[:500]!r}")


def check_queued(body: bytes) -> None:
    """Raise Broken unless BULK tasks were queued."""
    check_success(body)
    queued = body.count(b'"status":"queued"')
    if queued != BULK:
        raise Broken(f"{queued} tasks were queued instead of {BULK}")


def queue_requests(name: str) -> list[bytes]:
    """`queue` calls that differ in their parameters."""
    return [request("queue", name=name, parameters=parameters) for parameters in PARAMETERS]


def queue_many_request(name: str) -> bytes:
    """A `queue_many` call of BULK tasks."""
    tasks = [
        {"name": name, "parameters": PARAMETERS[number % len(PARAMETERS)]} for number in range(BULK)
    ]
    return request("queue_many", tasks=tasks)


def claim_request(name: str, **more: Any) -> bytes:
    """A `claim` call that never waits unless it says so."""
    return request("claim", **{"names": [name], "wait": 0, **more})


_REPORT_HEAD = b'{"jsonrpc":"2.0","method":"report","id":1,"params":{"outcomes":['


def report_request(name: str, tasks: Sequence[Taken], take: int) -> bytes:
    """A `report` call that completes tasks, and takes `take` new ones unless that is 0."""
    done = ",".join(
        f'{{"id":"{task.id}","token":{task.token},"status":"completed","result":null}}'
        for task in tasks
    )
    claim = f',"names":["{name}"],"max_tasks":{take}' if take else ""
    return http(_REPORT_HEAD + f"{done}]{claim}}}}}".encode())
