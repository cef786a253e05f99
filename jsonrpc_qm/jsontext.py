"""JSON as text: what storages keep of parameters, results, errors and progress.

None stands for JSON's null, so that an absent value costs nothing to keep.
"""

import json
from typing import Any

import msgspec

from jsonrpc_qm.errors import InvalidParams

_encode = msgspec.json.Encoder().encode
_encode_sorted = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder().decode


def from_parsed(value: Any) -> str | None:
    """The text of a value that came out of a JSON parser, so holds nothing but JSON."""
    return None if value is None else _encode(value).decode()


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
        _decode(text)
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
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
