"""Whatever is sent, the answer is JSON-RPC: well formed, with a documented error, and no more."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jsonrpc_qm.rpc.examples import EXAMPLES
from jsonrpc_qm.rpc.methods import METHODS
from tests.server.plain import PlainCaller
from tests.thoroughness import examples

CODES = {-32700, -32600, -32601, -32602, -32001, -32002, -32003, -32004, -32005}
"""What a caller can provoke: nothing internal, and nothing unavailable."""

TELLTALES = ("Traceback", 'File "', "site-packages", ".py", "Error(", "Exception", "recursion")
"""What only a traceback or a library's message would say."""

fuzzed = settings(
    max_examples=examples(150),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def check_member(answer: Any) -> None:
    """A response object: exactly one of result and error, and nothing that gives anything away."""
    assert isinstance(answer, dict)
    assert answer["jsonrpc"] == "2.0"
    assert set(answer) in ({"jsonrpc", "id", "result"}, {"jsonrpc", "id", "error"})
    assert answer["id"] is None or isinstance(answer["id"], str | int | float)
    if "error" in answer:
        error = answer["error"]
        assert set(error) in ({"code", "message"}, {"code", "message", "data"})
        assert error["code"] in CODES
        assert error["message"]
        text = json.dumps(error)
        assert not any(telltale in text for telltale in TELLTALES)


def check(caller: PlainCaller, body: bytes) -> None:
    """Send a body; what comes back is nothing, a response, or a batch of them."""
    answer = caller.post(body)
    if answer.status == 204:
        assert answer.body == b""
        return
    assert answer.status == 200
    value = answer.json()
    if isinstance(value, list):
        assert value
        for member in value:
            check_member(member)
    else:
        check_member(value)


SCRAPS = [
    b'{"jsonrpc":"2.0"',
    b'"method":"queue"',
    b'"params":["a"]',
    b'"id":1',
    b",",
    b"[",
    b"]",
    b"{",
    b"}",
    b":",
    b'"',
    b"\\",
    b"\\u",
    b"\\ud800",
    b"null",
    b"-",
    b"1e9",
    b"\xff",
    b"\x00",
    b" ",
]


@fuzzed
@given(st.binary(max_size=200) | st.lists(st.sampled_from(SCRAPS), max_size=20).map(b"".join))
def test_any_bytes_are_answered(shared: PlainCaller, body: bytes) -> None:
    """Noise, and what is nearly a request."""
    check(shared, body)


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | text
    | st.sampled_from(["mail", "example-1", "2026-01-01T00:00:00Z", "completed", "queued"])
)
members = st.sampled_from(
    ["id", "name", "token", "status", "error", "type", "message", "queue", "result", "lease"]
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text | members, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def envelopes(draw: st.DrawFn) -> dict[str, Any]:
    """Request objects with something odd about them, or not."""
    request: dict[str, Any] = {
        "jsonrpc": "2.0",
        "method": draw(st.sampled_from([*METHODS, "rpc.discover", "nope"])),
        "params": draw(st.lists(values, max_size=4) | st.dictionaries(text, values, max_size=3)),
        "id": draw(scalars),
    }
    for key in draw(st.lists(st.sampled_from([*request, "more"]), max_size=2)):
        if draw(st.booleans()):
            request.pop(key, None)
        else:
            request[key] = draw(values)
    return request


@fuzzed
@given(values | envelopes() | st.lists(values | envelopes(), max_size=4))
def test_any_json_is_answered(shared: PlainCaller, body: Any) -> None:
    """Requests that are nearly right, alone and in batches; none of them waits."""
    if not isinstance(body, list):
        body = [body]
    check(shared, json.dumps(body).encode())


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths to all values inside of a value."""
    inner: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [path, *(place for key, child in inner for place in places(child, (*path, key)))]


def changed(value: Any, path: tuple[Any, ...], replacement: Any) -> Any:
    """The value with something else at a path."""
    if not path:
        return replacement
    copy = value.copy()
    copy[path[0]] = changed(copy[path[0]], path[1:], replacement)
    return copy


@fuzzed
@given(st.data())
def test_any_change_to_a_good_call_is_answered(shared: PlainCaller, data: st.DataObject) -> None:
    """Each method's example, with any value in it replaced by another."""
    method, _, params = data.draw(st.sampled_from(EXAMPLES))
    named = dict(zip(METHODS[method].params.__struct_fields__, params, strict=False))
    given: Any = data.draw(st.sampled_from([params, named]))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from(places(given)))
        replacement = data.draw(values)
        given = changed(given, place, replacement)
    body = [{"jsonrpc": "2.0", "method": method, "params": given, "id": 1}]
    check(shared, json.dumps(body).encode())


def test_the_manager_is_well_after_all_that(shared: PlainCaller) -> None:
    """It lists its tasks, and works on."""
    assert shared("list_tasks", limit=1000)["tasks"] is not None
    task = shared("queue", "after the storm")
    [held] = shared("claim", ["after the storm"], None, 1, 0)
    assert held["id"] == task["id"]
