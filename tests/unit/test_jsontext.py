"""JSON as text: nothing that has a JSON form is changed, nothing else gets in."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jsonrpc_qm.errors import InvalidParams
from jsonrpc_qm.jsontext import MAX_DEPTH, from_parsed, from_python, same, to_python

text = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**60), 10**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)


def nested(depth: int, *, member: str | None = None) -> Any:
    """A number inside of so many lists, or objects with one member."""
    value: Any = 1
    for _ in range(depth):
        value = [value] if member is None else {member: value}
    return value


def cycle() -> list[Any]:
    """A list that holds itself."""
    value: list[Any] = []
    value.append(value)
    return value


@given(values)
def test_a_python_value_survives(value: Any) -> None:
    """All digits of integers, every code point of text, the types of all members."""
    back = to_python(from_python(value, "parameters"))
    assert back == value
    assert repr(back) == repr(value)


@given(values)
def test_a_parsed_value_survives(value: Any) -> None:
    """What a JSON parser gave is written as the same value."""
    parsed = msgspec.json.decode(json.dumps(value))
    assert to_python(from_parsed(parsed, "result")) == parsed


@given(values)
def test_a_text_is_json_in_utf_8(value: Any) -> None:
    """Any JSON parser reads what is stored."""
    kept = from_python(value, "parameters")
    if kept is not None:
        assert json.loads(kept.encode()) == value


def test_null_takes_no_text() -> None:
    """None stands for JSON's null, and only null becomes None."""
    nothing = from_python(None, "result"), from_parsed(None, "result"), to_python(None)
    assert nothing == (None, None, None)
    falsy: list[Any] = [False, 0, "", [], {}]
    assert [from_python(value, "result") for value in falsy] == [
        "false",
        "0",
        '""',
        "[]",
        "{}",
    ]


def test_tuples_are_lists() -> None:
    """Python's json module decides what has a JSON form."""
    assert from_python((1, ("a",)), "parameters") == '[1,["a"]]'


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        [float("-inf")],
        "\ud800",
        {"\udfff": 1},
        object(),
        b"bytes",
        {1, 2},
        {("a", "b"): 1},
        10**5000,
        nested(100_000),
        cycle(),
    ],
    ids=[
        "NaN",
        "infinity",
        "infinity in a list",
        "lone surrogate",
        "lone surrogate as a member",
        "object",
        "bytes",
        "set",
        "tuple as a member",
        "5000 digits",
        "deep nesting",
        "cycle",
    ],
)
def test_a_value_without_a_json_form_is_refused(value: Any) -> None:
    """The error names the parameter and gives a reason."""
    with pytest.raises(InvalidParams) as refused:
        from_python(value, "progress")
    assert refused.value.data["param"] == "progress"
    assert refused.value.data["reason"]


@pytest.mark.parametrize("member", [None, "a"], ids=["lists", "objects"])
@pytest.mark.parametrize("text_of", [from_python, from_parsed])
def test_nesting_is_limited(text_of: Callable[[Any, str], str], member: str | None) -> None:
    """A value inside of MAX_DEPTH lists or objects is taken, one level more is refused."""
    deepest = nested(MAX_DEPTH, member=member)
    assert to_python(text_of(deepest, "result")) == deepest
    with pytest.raises(InvalidParams) as refused:
        text_of(nested(MAX_DEPTH + 1, member=member), "result")
    assert refused.value.data["param"] == "result"


@pytest.mark.parametrize("text_of", [from_python, from_parsed])
def test_many_lists_side_by_side_are_not_deep(text_of: Callable[[Any, str], str]) -> None:
    """Depth is limited, not the number of brackets, whether they nest or stand in a text."""
    wide: list[Any] = [[[]] for _ in range(MAX_DEPTH)] + ["[" * MAX_DEPTH, {"{" * MAX_DEPTH: {}}]
    assert to_python(text_of(wide, "result")) == wide


@given(values)
def test_a_text_is_the_same_as_itself_however_it_is_written(value: Any) -> None:
    """Spaces, escapes and the order of members don't count."""
    kept = from_python(value, "parameters")
    if kept is not None:
        assert same(kept, json.dumps(to_python(kept), indent=1, sort_keys=True))


@given(values, values)
def test_texts_are_the_same_when_their_values_are(left: Any, right: Any) -> None:
    """Comparing texts and comparing values come out alike."""
    first, second = from_python(left, "parameters"), from_python(right, "parameters")
    canonical = [json.dumps(value, sort_keys=True) for value in (left, right)]
    assert same(first, second) == (canonical[0] == canonical[1])


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("1", "true"),
        ("0", "false"),
        ("0", None),
        ("[]", None),
        ("[]", "{}"),
        ('"1"', "1"),
        ("[1,2]", "[2,1]"),
        ('{"a":1}', '{"a":1,"b":null}'),
        ("123456789012345678901", "123456789012345678902"),
    ],
)
def test_different_values_are_not_the_same(left: str | None, right: str | None) -> None:
    """Types count, order of lists counts, all digits count."""
    assert not same(left, right)
    assert not same(right, left)


def test_members_in_another_order_are_the_same() -> None:
    """An object is a set of members, at every depth."""
    assert same(
        '{"a":{"x":1,"y":[{"p":1,"q":2}]},"b":2}', '{"b":2, "a":{"y":[{"q":2,"p":1}],"x":1}}'
    )
    assert same(None, None)
