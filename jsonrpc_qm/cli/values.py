"""How the command line reads what people type: JSON, durations, times, key=value, URLs."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import rich_click as click

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
"""What a duration may be written in; the values are seconds."""

_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ms|[smhdw])")
_BARE = re.compile(r"\d+(?:\.\d*)?|\.\d+")


class Duration(click.ParamType):
    """A duration in seconds: `90`, `1.5`, `500ms`, `30m`, `12h`, `7d`, `1h30m`."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, context: click.Context | None
    ) -> float:
        if isinstance(value, int | float):
            return float(value)
        text = str(value).strip()
        if _BARE.fullmatch(text):
            return float(text)
        parts = _PART.findall(text)
        if not parts or "".join(number + unit for number, unit in parts) != text:
            self.fail(
                f"{value!r} is no duration; write seconds, or 30m, 12h, 7d, 1h30m", param, context
            )
        return sum(float(number) * UNITS[unit] for number, unit in parts)


class Json(click.ParamType):
    """A JSON value; `-` reads it from standard input, `@file` from a file."""

    name = "json"

    def convert(
        self, value: Any, param: click.Parameter | None, context: click.Context | None
    ) -> Any:
        text, source = self._text(value, param, context)
        try:
            return json.loads(text, parse_constant=_refuse_constant)
        except json.JSONDecodeError as error:
            place = f"column {error.colno}"
            if error.lineno > 1:
                place = f"line {error.lineno}, {place}"
            self.fail(f"{source} is no JSON: {error.msg} at {place}{_hint(text)}", param, context)
        except RecursionError:
            self.fail(f"{source} is nested too deeply", param, context)
        except ValueError as error:
            self.fail(f"{source} is no JSON: {error}", param, context)

    def _text(
        self, value: str, param: click.Parameter | None, context: click.Context | None
    ) -> tuple[str, str]:
        """The JSON text, and what to call it in an error."""
        try:
            if value == "-":
                source = "standard input"
                return click.get_binary_stream("stdin").read().decode(), source
            if value.startswith("@"):
                source = value[1:]
                return Path(source).read_bytes().decode(), source
            # What the shell passed in another encoding carries surrogates.
            source = "it"
            return value.encode().decode(), source
        except UnicodeError as error:
            self.fail(f"{source} is not UTF-8: {error.reason}", param, context)
        except OSError as error:
            self.fail(f"{source}: {error.strerror}", param, context)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is none of its values")


def _hint(text: str) -> str:
    if re.fullmatch(r"[A-Za-z_][\w .-]*", text):
        return f"""; a text needs its quotes: '"{text}"'"""
    return ""


class Moment(click.ParamType):
    """A time in RFC 3339 with its zone."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, context: click.Context | None
    ) -> datetime:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(
                f"{value!r} is no time; write it like 2030-01-31T08:00:00Z", param, context
            )
        if moment.tzinfo is None:
            self.fail(f"{value!r} has no zone; add Z for UTC, or +02:00", param, context)
        return moment.astimezone(UTC)


class KeyValue(click.ParamType):
    """`key=value`."""

    name = "key=value"

    def convert(
        self, value: Any, param: click.Parameter | None, context: click.Context | None
    ) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        key, equals, text = str(value).partition("=")
        if not equals or not key:
            self.fail(f"{value!r} is not key=value", param, context)
        return key, text


class ManagerUrl(click.ParamType):
    """Where a manager listens: `http://host:port`."""

    name = "url"

    def convert(
        self, value: Any, param: click.Parameter | None, context: click.Context | None
    ) -> str:
        try:
            parts = urlsplit(value)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname)
            _ = parts.port
        except ValueError:
            usable = False
        if not usable:
            self.fail(
                f"{value!r} is no URL of a manager; write it like http://127.0.0.1:8642",
                param,
                context,
            )
        return str(value)


class Commas(click.ParamType):
    """Names with commas between."""

    name = "a,b"

    def convert(
        self, value: Any, param: click.Parameter | None, context: click.Context | None
    ) -> list[str]:
        if isinstance(value, list):
            return value
        names = [name for part in str(value).split(",") if (name := part.strip())]
        if not names:
            self.fail("no names", param, context)
        return names


Check = Callable[[Any], Any]
DURATION = Duration()
JSON = Json()
MOMENT = Moment()
KEY_VALUE = KeyValue()
MANAGER_URL = ManagerUrl()
COMMAS = Commas()
