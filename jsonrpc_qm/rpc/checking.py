"""Checks a call's params against its struct, and says in the protocol's words what is wrong."""

import re
from functools import cache
from typing import Any, Generic, TypeVar

import msgspec

from jsonrpc_qm.errors import InvalidParams, ParseError
from jsonrpc_qm.params import Params

P = TypeVar("P", bound=Params)

_MISSING_OR_UNKNOWN = re.compile(
    r"Object (missing required|contains unknown) field `(?P<field>.*)`", re.DOTALL
)
_PLACE = re.compile(r"^(?P<reason>.*?)(?: - at `(?P<path>.*)`)?$", re.DOTALL)


class Checker(Generic[P]):
    """Reads the params of one method, positional or named."""

    def __init__(self, params: type[P]) -> None:
        self._params = params
        self._fields = params.__struct_fields__
        self._named = msgspec.json.Decoder(params)
        # The same fields as an array; the names only serve error messages.
        self._positional = msgspec.json.Decoder(
            msgspec.defstruct(
                params.__name__ + "Positional",
                [_declared(field) for field in msgspec.structs.fields(params)],
                array_like=True,
                forbid_unknown_fields=True,
            )
        )

    @staticmethod
    @cache
    def of(params: type[P]) -> "Checker[P]":
        """The checker of a method's params, made once."""
        return Checker(params)

    def read(self, raw: bytes) -> P:
        """The checked params of a JSON array or object; empty for none given.

        Raises:
            InvalidParams: names the parameter and the reason.
            ParseError: nested so deep that it can't be read.
        """
        try:
            if not raw:
                return self._named.decode(b"{}")
            if raw[:1] == b"[":
                values = self._positional.decode(raw)
                return self._params(*(getattr(values, field) for field in self._fields))
            return self._named.decode(raw)
        except msgspec.ValidationError as error:
            raise self._invalid(str(error), positional=raw[:1] == b"[") from None
        except RecursionError:
            raise ParseError(data={"reason": "nested too deep"}) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ParseError(data={"reason": str(error)}) from None

    def _invalid(self, message: str, *, positional: bool) -> InvalidParams:
        found = _PLACE.match(message)
        assert found is not None
        reason, path = found["reason"], (found["path"] or "$")
        member = _MISSING_OR_UNKNOWN.match(reason)
        if positional:
            path = re.sub(r"^\$\[(\d+)\]", self._name_of, path)
        names = [path.removeprefix("$").removeprefix(".")]
        if member:
            names.append(member["field"])
            reason = "required" if "missing" in member[1] else "unknown parameter"
        elif positional and path == "$":
            return self._wrong_count(reason)
        return InvalidParams.of(".".join(name for name in names if name), reason)

    def _name_of(self, place: re.Match[str]) -> str:
        return self._fields[int(place[1])]

    def _wrong_count(self, reason: str) -> InvalidParams:
        if "at most" in reason:
            most = len(self._fields)
            return InvalidParams.of(f"[{most}]", f"unknown parameter: at most {most} fit")
        given = int(reason.rsplit(" ", 1)[-1])
        return InvalidParams.of(self._fields[given], "required")


def _declared(field: msgspec.structs.FieldInfo) -> tuple[str, Any] | tuple[str, Any, Any]:
    if field.required:
        return (field.name, field.type)
    return (field.name, field.type, field.default)
