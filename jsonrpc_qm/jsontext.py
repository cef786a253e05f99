"""JSON as text: what storages keep of parameters, results, errors and progress.

None stands for JSON's null, so that an absent value costs nothing to keep.
"""

import json
from typing import Any

import msgspec

from jsonrpc_qm.errors import InvalidParams

MAX_DEPTH = 200
"""How deep arrays and objects may be nested: what any common parser reads with its defaults."""

_encode = msgspec.json.Encoder().encode
_encode_sorted = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder().decode


def from_parsed(value: Any, param: str) -> str | None:
    """The text of a value that came out of a JSON parser; `param` names it in the error.

    Raises:
        InvalidParams: it is nested deeper than MAX_DEPTH.
    """
    if value is None:
        return None
    try:
        text = _encode(value).decode()
        _check_depth(text, param)
    except RecursionError:
        # It was just readable, but this is further up the stack than the parser was.
        raise _too_deep(param) from None
    return text


def _too_deep(param: str) -> InvalidParams:
    return InvalidParams.of(param, f"nested deeper than {MAX_DEPTH} levels")


def _check_depth(text: str, param: str) -> None:
    # Counting all brackets is quick, and enough for nearly every text.
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    level = [_decode(text)]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for value in level
            if isinstance(value, dict | list)
            for child in (value.values() if isinstance(value, dict) else value)
        ]
    # What is left is inside of MAX_DEPTH arrays and objects.
    if any(isinstance(value, dict | list) for value in level):
        raise _too_deep(param)


def from_python(value: Any, param: str) -> str | None:
    """The text of a Python value; `param` names it in the error.

    Raises:
        InvalidParams: the value has no JSON form (NaN, a lone surrogate, an object, a cycle, ...).
    """
    if value is None:
        return None
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        text.encode()
        _check_depth(text, param)
        _decode(text)
    except RecursionError:
        raise _too_deep(param) from None
    except (TypeError, ValueError, msgspec.MsgspecError) as error:
        raise InvalidParams.of(param, str(error) or "no JSON value") from None
    return text


def to_python(text: str | None) -> Any:
    """The Python value of a JSON text."""
    return None if text is None else _decode(text)


def same(left: str | None, right: str | None) -> bool:
    """Whether two texts hold the same JSON value; the order of members does not matter."""
    if left == right:
        return True
    if left is None or right is None:
        return False
    return _encode_sorted(_decode(left)) == _encode_sorted(_decode(right))
