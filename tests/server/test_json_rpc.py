"""JSON-RPC 2.0 to the letter, with the methods of this manager."""

import asyncio
import json
from typing import Any

import pytest

from jsonrpc_qm.rpc.dispatch import MAX_BATCH
from tests.server.callers import Caller
from tests.server.plain import PlainCaller


def shown(answer: Any) -> Any:
    """The answer without the parts that the specification leaves to the server."""
    if isinstance(answer, list):
        return [shown(member) for member in answer]
    if "error" in answer:
        error = {key: answer["error"][key] for key in ("code", "message")}
        return {**answer, "error": error}
    return answer


def error(code: int, message: str, id: Any = None) -> dict[str, Any]:
    """An error response object."""
    return {"jsonrpc": "2.0", "error": {"code": code, "message": message}, "id": id}


INVALID = error(-32600, "Invalid Request")
UNPARSED = error(-32700, "Parse error")

SECTION_7 = {
    "positional parameters": (
        '{"jsonrpc": "2.0", "method": "pause", "params": ["mail"], "id": 1}',
        {"jsonrpc": "2.0", "result": True, "id": 1},
    ),
    "named parameters": (
        '{"jsonrpc": "2.0", "method": "list_tasks", "params": {"limit": 1, "name": "a"}, "id": 3}',
        {"jsonrpc": "2.0", "result": {"tasks": [], "next_cursor": None}, "id": 3},
    ),
    "named parameters in another order": (
        '{"jsonrpc": "2.0", "method": "list_tasks", "params": {"name": "a", "limit": 1}, "id": 4}',
        {"jsonrpc": "2.0", "result": {"tasks": [], "next_cursor": None}, "id": 4},
    ),
    "a notification": ('{"jsonrpc": "2.0", "method": "pause", "params": ["mail"]}', None),
    "a notification of a non-existent method": ('{"jsonrpc": "2.0", "method": "foobar"}', None),
    "a call of a non-existent method": (
        '{"jsonrpc": "2.0", "method": "foobar", "id": "1"}',
        error(-32601, "Method not found", "1"),
    ),
    "a call with invalid JSON": (
        '{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]',
        UNPARSED,
    ),
    "a call with an invalid request object": (
        '{"jsonrpc": "2.0", "method": 1, "params": "bar"}',
        INVALID,
    ),
    "a batch of invalid JSON": (
        '[{"jsonrpc": "2.0", "method": "purge", "id": "1"}, {"jsonrpc": "2.0", "method"]',
        UNPARSED,
    ),
    "an empty batch": ("[]", INVALID),
    "an invalid batch that is not empty": ("[1]", [INVALID]),
    "an invalid batch": ("[1,2,3]", [INVALID, INVALID, INVALID]),
    "a batch of everything": (
        """[
            {"jsonrpc": "2.0", "method": "purge", "params": ["a"], "id": "1"},
            {"jsonrpc": "2.0", "method": "pause", "params": ["mail"]},
            {"jsonrpc": "2.0", "method": "resume", "params": ["mail"], "id": "2"},
            {"foo": "boo"},
            {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
            {"jsonrpc": "2.0", "method": "workers", "id": "9"}
        ]""",
        [
            {"jsonrpc": "2.0", "result": 0, "id": "1"},
            {"jsonrpc": "2.0", "result": True, "id": "2"},
            INVALID,
            error(-32601, "Method not found", "5"),
            {"jsonrpc": "2.0", "result": [], "id": "9"},
        ],
    ),
    "a batch of notifications": (
        '[{"jsonrpc": "2.0", "method": "workers"}, {"jsonrpc": "2.0", "method": "x"}]',
        None,
    ),
}
"""The examples of section 7 of the specification, with our methods: request and answer."""


@pytest.mark.parametrize("example", SECTION_7)
def test_the_examples_of_the_specification_hold(shared: PlainCaller, example: str) -> None:
    """Section 7: what is sent, and what comes back; nothing is HTTP 204 without a body."""
    sent, expected = SECTION_7[example]
    answer = shared.post(sent)
    if expected is None:
        assert (answer.status, answer.body) == (204, b"")
    else:
        assert answer.status == 200
        assert shown(answer.json()) == expected


@pytest.mark.parametrize(
    "id",
    [
        '"1"',
        '""',
        '"Gr\\u00fc\\u00dfe \U0001f680 \\n \\u0000"',
        "0",
        "-1",
        "1.50",
        "-0.0",
        "1e3",
        "1E400",
        "12345678901234567890123456789012345678901234567890",
        "9" * 5000,
        "null",
    ],
)
def test_an_id_comes_back_as_it_was_sent(shared: PlainCaller, id: str) -> None:
    """String, number and null ids are echoed unchanged, to the last digit."""
    for method in ("workers", "no such method"):
        answer = shared.post(f'{{"jsonrpc": "2.0", "method": "{method}", "id": {id}}}')
        assert answer.status == 200
        assert answer.body.endswith(f',"id":{id}}}'.encode())


@pytest.mark.parametrize("id", ["true", "false", "[]", "[1]", "{}", '{"a": 1}'])
def test_an_id_of_another_kind_is_an_invalid_request(shared: PlainCaller, id: str) -> None:
    """Section 4: an id is a string, a number or null; what it was is answered with null."""
    answer = shared.post(f'{{"jsonrpc": "2.0", "method": "workers", "id": {id}}}')
    assert shown(answer.json()) == INVALID


@pytest.mark.parametrize("params", ["null", "1", '"mail"', "true", "false"])
def test_params_that_are_no_structure_are_an_invalid_request(
    shared: PlainCaller, params: str
) -> None:
    """Section 4.2: params are an array or an object, or left out."""
    answer = shared.post(f'{{"jsonrpc": "2.0", "method": "pause", "params": {params}, "id": 1}}')
    assert shown(answer.json()) == INVALID


@pytest.mark.parametrize(
    "body",
    [
        "1",
        '"workers"',
        "null",
        "true",
        "{}",
        '{"method": "workers", "id": 1}',
        '{"jsonrpc": "1.0", "method": "workers", "id": 1}',
        '{"jsonrpc": 2.0, "method": "workers", "id": 1}',
        '{"jsonrpc": "2.0", "id": 1}',
        '{"jsonrpc": "2.0", "method": null, "id": 1}',
        '{"jsonrpc": "2.0", "method": ["workers"]}',
        '{"jsonrpc": "2.0", "result": 1, "id": 1}',
        '{"JSONRPC": "2.0", "METHOD": "workers", "ID": 1}',
    ],
)
def test_what_is_no_request_object_is_refused_with_id_null(shared: PlainCaller, body: str) -> None:
    """Also without an id: one can't tell an invalid request from a notification."""
    assert shown(shared.post(body).json()) == INVALID
    assert shown(shared.post(f"[{body}]").json()) == [INVALID]


@pytest.mark.parametrize(
    "body",
    [
        "",
        " ",
        "{",
        "[",
        "nul",
        "{]",
        "[1,]",
        "{} {}",
        "1 2",
        '{"method":1,x',
        "'",
        "\x00",
        "\ufeff{}",
    ],
)
def test_what_is_no_json_is_a_parse_error(shared: PlainCaller, body: str) -> None:
    """It rides on HTTP 200, with id null."""
    answer = shared.post(body)
    assert answer.status == 200
    assert shown(answer.json()) == UNPARSED


def test_further_members_of_a_request_are_ignored(shared: PlainCaller) -> None:
    """The specification does not forbid them, and some clients send their own."""
    body = {"jsonrpc": "2.0", "method": "workers", "id": 1, "auth": None, "meta": [1]}
    assert shared.send(body) == {"jsonrpc": "2.0", "result": [], "id": 1}


@pytest.mark.parametrize("body", [" \r\n\t[{}]", "\n{}\n"])
def test_white_space_around_a_body_does_not_matter(shared: PlainCaller, body: str) -> None:
    """It is JSON's own, before a batch as before a single request."""
    answer = shared.post(body.replace("{}", '{"jsonrpc":"2.0","method":"workers","id":1}')).json()
    assert (answer[0] if isinstance(answer, list) else answer)["result"] == []


async def test_a_notification_is_carried_out(call: Caller) -> None:
    """Without an id there is no answer, but the task is there."""
    body = {"jsonrpc": "2.0", "method": "queue", "params": {"name": "mail", "id": "a"}}
    assert await call.send(body) is None
    assert (await call("get_task", "a"))["name"] == "mail"


async def test_a_notification_waits_for_nothing(call: Caller) -> None:
    """Nobody gets what it would wait for; in a batch it would hold up the answers of others."""
    await call("queue", name="mail", id="a")
    waits = {"jsonrpc": "2.0", "method": "get_task", "params": ["a", 50]}
    async with asyncio.timeout(10):
        assert await call.send(waits) is None
        assert await call.send([waits, {**waits, "id": 1}]) is not None


async def test_a_notification_that_fails_says_nothing(call: Caller) -> None:
    """Section 4.1: its sender is not told of any error."""
    for params in (["nobody"], [1], {"no": 1}):
        body = {"jsonrpc": "2.0", "method": "get_task", "params": params}
        assert await call.send(body) is None


async def test_the_answers_of_a_batch_carry_the_ids_of_its_members(call: Caller) -> None:
    """Each call gets its own answer, and notifications and others do not get in the way."""
    names = [f"t{number}" for number in range(200)]
    batch: list[Any] = [
        {"jsonrpc": "2.0", "method": "queue", "params": {"name": "mail", "id": name}, "id": name}
        for name in names
    ]
    batch[50:50] = [{"jsonrpc": "2.0", "method": "pause", "params": ["x"]}, 7]
    answers = await call.send(batch)
    assert len(answers) == 201
    by_id = {answer["id"]: answer for answer in answers}
    assert [by_id[name]["result"]["id"] for name in names] == names
    assert by_id[None]["error"]["code"] == -32600


async def test_a_refused_member_of_a_batch_holds_no_other_back(call: Caller) -> None:
    """A batch is no transaction."""
    answers = await call.send(
        [
            {"jsonrpc": "2.0", "method": "queue", "params": ["mail"], "id": 1},
            {"jsonrpc": "2.0", "method": "queue", "params": [], "id": 2},
            {"jsonrpc": "2.0", "method": "get_task", "params": ["nobody"], "id": 3},
        ]
    )
    assert [answer.get("error", {}).get("code") for answer in answers] == [None, -32602, -32001]
    assert (await call("stats"))["names"]["mail"]["queued"] == 1


async def test_a_batch_inside_of_a_batch_is_an_invalid_request(call: Caller) -> None:
    """Batches do not nest."""
    inner = {"jsonrpc": "2.0", "method": "queue", "params": ["mail"], "id": 1}
    assert shown(await call.send([[inner]])) == [INVALID]
    assert (await call("stats"))["names"] == {}


def test_a_batch_has_a_limit(shared: PlainCaller) -> None:
    """A longer one is Too large as a whole; one that fits is answered."""
    member = '{"jsonrpc":"2.0","method":"resume","params":["a"],"id":1}'
    answer = shared.post("[" + ",".join([member] * (MAX_BATCH + 1)) + "]").json()
    limits = {"limit": MAX_BATCH, "size": MAX_BATCH + 1}
    assert answer == {
        "jsonrpc": "2.0",
        "error": {"code": -32005, "message": "Too large", "data": limits},
        "id": None,
    }
    longest = shared.post("[" + ",".join(["1"] * MAX_BATCH) + "]").json()
    assert len(longest) == MAX_BATCH


def test_methods_of_the_reserved_prefix_are_not_found(shared: PlainCaller) -> None:
    """`rpc.` is the specification's; only rpc.discover is there."""
    assert (
        shared.send(json.loads('{"jsonrpc":"2.0","method":"rpc.nope","id":1}'))["error"]["code"]
        == -32601
    )
