"""Values come back as they went in, every digit and code point; what is no JSON is refused."""

import json
from typing import Any

import pytest

from jsonrpc_qm.jsontext import MAX_DEPTH
from jsonrpc_qm.storage.base import Storage
from tests.server.callers import Caller
from tests.server.plain import PlainCaller

VALUES: dict[str, str] = {
    "null": "null",
    "booleans": "[true,false]",
    "a large integer": "123456789012345678901234567890",
    "an integer of 4300 digits": "7" * 4300,
    "a negative integer of 4299 digits": "-" + "7" * 4299,
    "integers beyond doubles": "[9007199254740993,18446744073709551616,-9223372036854775809]",
    "numbers": "[0.1,-1.5,1.0,1e-300,1.7976931348623157e308,5e-324,0]",
    "the empty text": '""',
    "control characters": json.dumps("".join(map(chr, range(32))) + "\x7f"),
    "NUL": '"a\\u0000b\\u0000"',
    "beyond the basic plane": '"\U0001f680\U0010ffff\U00010000"',
    "an escaped pair": '"\\ud83d\\ude80"',
    "odd code points": '"\\u2028\\ufeff\\ufffe\\uffff\\u200d\\u0301"',
    "quotes": '"\\"\\\\\\/\'`$%s{}"',
    "members": '{"b":1,"a":2,"":3,"\\u0000":4,"b ":5,"constructor":6}',
    "empty": "[[],{},[[]],[{}]]",
    "as deep as may be": "[" * MAX_DEPTH + "]" * MAX_DEPTH,
}
"""JSON texts of values that are kept."""


def same(left: Any, right: Any) -> bool:
    """Whether values are equal, down to their numbers' kind and their members' order."""
    return json.dumps(left) == json.dumps(right)


@pytest.mark.parametrize("key", VALUES)
async def test_a_value_comes_back_as_it_went_in(call: Caller, key: str) -> None:
    """As parameters, progress, result and an error's data."""
    text = VALUES[key]
    value = json.loads(text)

    async def sent(method: str, params: str) -> Any:
        body = f'{{"jsonrpc":"2.0","method":"{method}","params":{params},"id":1}}'
        return (await call.post(body)).json()["result"]

    queued = await sent("queue", f'{{"name":"mail","id":"a","parameters":{text}}}')
    assert same(queued["parameters"], value)
    [held] = await call("claim", ["mail"], "w", 1, 0)
    assert same(held["parameters"], value)
    token = held["token"]
    await sent("heartbeat", f'[[{{"id":"a","token":{token},"progress":{text}}}]]')
    assert same((await call("get_task", "a"))["progress"], value)
    done = await sent("complete", f'["a",{token},{text}]')
    assert same(done["result"], value)
    assert same((await call("get_task", "a"))["result"], value)
    await call("queue", name="mail", id="b")
    [held] = await call("claim", ["mail"], "w", 1, 0)
    if key != "as deep as may be":
        error = f'{{"type":"E","message":"m","data":{text}}}'
        failed = await sent("fail", f'["b",{held["token"]},{error}]')
        assert same(failed["error"]["data"], value)


NAMES = ["\0", "a\0b", "a", "a ", " a", "A", "\U0001f680" * 200, "é", "e\u0301", "%", "_", "'"]


async def test_names_differ_if_any_code_point_does(call: Caller, storage: Storage) -> None:
    """No folding of case, no trimming, no normalising, and NUL does not end a text.

    PostgreSQL can't store NUL, and refuses it; tests/storage/postgresql/ has that.
    """
    stores_nul = not storage.url.startswith("postgresql:")
    names = [name for name in NAMES if stores_nul or "\0" not in name]
    for name in names:
        options = {"unique_key": name, "metadata": {name: name}}
        await call("queue", name=name, parameters=name, **options)
    assert set((await call("stats"))["names"]) == set(names)
    for name in names:
        [task] = await call("claim", [name], name, 10, 0)
        assert task["name"] == task["parameters"] == task["unique_key"] == task["worker"] == name
        assert task["metadata"] == {name: name}
    assert {row["worker"] for row in await call("workers")} == set(names)


async def test_of_members_with_the_same_name_the_last_counts(call: Caller) -> None:
    """As with any JSON parser, in params as in values."""
    body = (
        '{"jsonrpc":"2.0","method":"pause","method":"queue","id":1,"id":2,'
        '"params":{"name":"a","name":"b","parameters":{"k":1,"k":2}}}'
    )
    answer = (await call.post(body)).json()
    assert answer["id"] == 2
    assert (answer["result"]["name"], answer["result"]["parameters"]) == ("b", {"k": 2})


NO_JSON = {
    "NaN": "NaN",
    "infinity": "-Infinity",
    "a lone high surrogate": '"\\ud800"',
    "a lone low surrogate": '"\\udc00"',
    "surrogates the wrong way round": '"\\udc00\\ud800"',
    "a high surrogate before text": '"\\ud800x"',
    "a high surrogate before another escape": '"\\ud800\\n"',
    "two high surrogates": '"\\ud800\\ud800"',
    "a lone surrogate in a name": '{"\\udfff":1}',
    "a raw control character": '"\x01"',
    "a raw line feed": '"\n"',
    "a single quote": "'a'",
    "a bad escape": '"\\x41"',
    "a number with a leading zero": "01",
    "a number with a plus": "+1",
    "a hexadecimal number": "0x10",
    "a bare point": "1.",
    "a comma too many": "[1,]",
    "a comment": "1/**/",
    "a name without quotes": "{a:1}",
    "no value": "",
}
"""Texts that are no JSON value, or hold what is no text."""


@pytest.mark.parametrize("key", NO_JSON)
def test_what_is_no_json_value_is_a_parse_error(shared: PlainCaller, key: str) -> None:
    """Wherever it stands; nothing is repaired or replaced."""
    text = NO_JSON[key]
    for params in (f'["mail",{text}]', f'{{"name":"mail","metadata":{{"a":{text}}}}}'):
        body = f'{{"jsonrpc":"2.0","method":"queue","params":{params},"id":1}}'
        error = shared.post(body).json()["error"]
        assert (error["code"], error["message"]) == (-32700, "Parse error")
    assert shared("stats")["names"] == {}


@pytest.mark.parametrize(
    "body",
    [b"\xff", b'"\xc3"', b'{"a":"\xed\xa0\x80"}', b'"\xc0\x80"', b'"\xf5\x80\x80\x80"', b'"\xe9"'],
)
def test_what_is_no_utf_8_is_a_parse_error(shared: PlainCaller, body: bytes) -> None:
    """Latin-1, surrogates and overlong forms are not guessed at; the reason is ours."""
    request = b'{"jsonrpc":"2.0","method":"queue","params":["mail",%b],"id":1}' % body
    for sent in (request, b"[%b]" % request):
        error = shared.post(sent).json()["error"]
        assert (error["code"], error["data"]) == (-32700, {"reason": "not UTF-8"})


def test_utf_16_is_a_parse_error(shared: PlainCaller) -> None:
    """JSON on the wire is UTF-8."""
    body = '{"jsonrpc":"2.0","method":"workers","id":1}'.encode("utf-16")
    assert shared.post(body).json()["error"]["code"] == -32700


@pytest.mark.parametrize("number", ["9" * 4301, "-" + "9" * 4300, "1" * 5000, "1" + "0" * 100_000])
def test_an_integer_has_4300_digits_at_most(shared: PlainCaller, number: str) -> None:
    """Its sign counts as one. It is Python's limit, and keeps a number from costing minutes."""
    body = f'{{"jsonrpc":"2.0","method":"queue","params":["mail",[{number}]],"id":1}}'
    error = shared.post(body).json()["error"]
    assert (error["code"], error["data"]["param"]) == (-32602, "parameters[0]")


@pytest.mark.parametrize("number", ["1e309", "-1e309", "1" * 400 + ".5", "1e99999999999999999999"])
def test_a_fraction_beyond_doubles_is_refused(shared: PlainCaller, number: str) -> None:
    """It would have to become infinite."""
    body = f'{{"jsonrpc":"2.0","method":"queue","params":["mail",{number}],"id":1}}'
    error = shared.post(body).json()["error"]
    assert (error["code"], error["data"]["param"]) == (-32602, "parameters")


DEEP = {
    "parameters": ("queue", '["mail",{}]'),
    "parameters in a list": ("queue_many", '[[{{"name":"mail","parameters":{}}}]]'),
    "result": ("complete", '["a",1,{}]'),
    "error": ("fail", '["a",1,{{"type":"E","message":"","data":{}}}]'),
    "progress": ("heartbeat", '[[{{"id":"a","token":1,"progress":{}}}]]'),
}


@pytest.mark.parametrize("key", DEEP)
@pytest.mark.parametrize("brackets", ["[]", '{"a":}'])
def test_deep_nesting_is_refused(shared: PlainCaller, key: str, brackets: str) -> None:
    """Up to what can be read it is Invalid params, and deeper a parse error; never a crash."""
    method, params = DEEP[key]
    codes = []
    for depth in (MAX_DEPTH + 1, 300, *range(940, 1010), 3000, 30_000, 300_000):
        inner = "1" if brackets != "[]" else ""
        value = brackets[:-1] * depth + inner + brackets[-1] * depth
        body = f'{{"jsonrpc":"2.0","method":"{method}","params":{params.format(value)},"id":1}}'
        answer = shared.post(body).json()
        codes.append(answer["error"]["code"])
        assert answer["error"]["data"]["reason"] in (
            f"nested deeper than {MAX_DEPTH} levels",
            "nested too deep",
        )
    assert codes[0] == -32602
    assert codes[-1] == -32700
    assert codes == sorted(codes, reverse=True)


def test_a_member_that_is_too_deep_does_not_stop_its_batch_half_way(shared: PlainCaller) -> None:
    """Either the batch can't be read, or each member has its own answer."""
    # How deep can be read depends on Python: about 1,000 levels on 3.11, 10,000 on 3.13.
    for step in range(600):
        depth = int(150 * 1.01**step)
        value = "[" * depth + "]" * depth
        members = [
            '{"jsonrpc":"2.0","method":"resume","params":["a"],"id":1}',
            f'{{"jsonrpc":"2.0","method":"queue","params":["deep",{value}],"id":2}}',
            f'{{"jsonrpc":"2.0","method":"queue","params":["deep"],"more":{value},"id":3}}',
            f'{{"jsonrpc":"2.0","method":{value},"id":4}}',
        ]
        answer = shared.post("[" + ",".join(members) + "]").json()
        if isinstance(answer, dict):
            assert answer["error"]["code"] == -32700
            break
        assert [member["id"] for member in answer] == [1, 2, 3, None]
        assert answer[0]["result"] is True
    else:
        pytest.fail("no depth was too deep")
