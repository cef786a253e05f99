"""How the command line reads what people type: JSON, durations, sizes, times, key=value, URLs.

Each function is the `type` of an option or argument: from the text to the value, or BadParameter,
to which click adds which option it was.
"""

import json
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
"""What a duration may be written in; the values are seconds."""

SIZES = {"": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
"""What a size may be written in; the values are bytes."""

_NUMBER = r"(\d+(?:\.\d*)?|\.\d+)"
_SECONDS = re.compile(_NUMBER, re.ASCII)
_PART = re.compile(_NUMBER + "(ms|[smhdw])", re.ASCII)
_PARTS = re.compile(f"(?:{_PART.pattern})+", re.ASCII)
_SIZE = re.compile(r"(\d+)(KiB|MiB|GiB|)", re.ASCII)


def duration(text: str) -> float:
    """A duration in seconds: `90`, `1.5`, `500ms`, `30m`, `12h`, `7d`, `1h30m`."""
    text = text.strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    if not _PARTS.fullmatch(text):
        raise click.BadParameter(f"{text!r} is no duration; write seconds, or 30m, 12h, 7d, 1h30m")
    return sum(float(number) * UNITS[unit] for number, unit in _PART.findall(text))


def duration_or_forever(text: str) -> float | None:
    """A duration in seconds, or None for `forever`."""
    return None if text.strip() == "forever" else duration(text)


def size(text: str) -> int:
    """A number of bytes: `1048576`, `512KiB`, `16MiB`, `1GiB`."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise click.BadParameter(f"{text!r} is no size; write bytes, or 512KiB, 16MiB")
    return int(match[1]) * SIZES[match[2]]


def json_value(argument: str) -> Any:
    """A JSON value; `-` reads it from standard input, `@file` from a file."""
    text, source = _text_of(argument)
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        place = f"column {error.colno}"
        if error.lineno > 1:
            place = f"line {error.lineno}, {place}"
        problem = f"{error.msg} at {place}{_hint(text)}"
    except RecursionError:
        problem = "nested too deeply"
    except ValueError as error:
        problem = str(error)
    raise click.BadParameter(f"{source} is no JSON: {problem}")


def _text_of(argument: str) -> tuple[str, str]:
    """The JSON text, and what to call it in an error."""
    source = "it"
    try:
        if argument == "-":
            source = "standard input"
            return sys.stdin.buffer.read().decode(), source
        if argument.startswith("@"):
            source = argument[1:]
            return Path(source).read_bytes().decode(), source
        # Bytes from the shell that are no UTF-8 arrive as lone surrogates.
        return argument.encode().decode(), source
    except UnicodeError as error:
        raise click.BadParameter(f"{source} is not UTF-8") from error
    except OSError as error:
        raise click.BadParameter(f"{source}: {error.strerror}") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is none of its values")


def _hint(text: str) -> str:
    if re.fullmatch(r"[A-Za-z_][\w .-]*", text):
        return f"""; a text needs quotes of its own: '"{text}"'"""
    return ""


def moment(text: str) -> datetime:
    """A time in RFC 3339 with its zone."""
    return _zoned(text, "2030-01-31T08:00:00Z")


def moment_or_ago(text: str) -> datetime:
    """A time in RFC 3339 with its zone, or how long ago it was: `90s`, `12h`, `1h30m`."""
    # A number without a unit is none: 2030 may be meant as a year.
    if _PARTS.fullmatch(text.strip()):
        try:
            return datetime.now(UTC) - timedelta(seconds=duration(text))
        except OverflowError:
            raise click.BadParameter(f"{text!r} is too long ago") from None
    return _zoned(text, "2030-01-31T08:00:00Z, or 1h for an hour ago")


def _zoned(text: str, example: str) -> datetime:
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no time; write it like {example}") from None
    if value.tzinfo is None:
        raise click.BadParameter(f"{text!r} has no zone; add Z for UTC, or +02:00")
    return value.astimezone(UTC)


def key_value(text: str) -> tuple[str, str]:
    """`key=value`."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise click.BadParameter(f"{text!r} is not key=value")
    return key, value


def manager_url(text: str) -> str:
    """Where a manager listens: `http://host:port`; or several, with commas between."""
    if not all(map(_is_manager, re.split(r",\s*(?=https?://)", text))):
        said = re.sub(r"^(\w+://)?.*@", r"\1", text)  # no password in a message
        raise click.BadParameter(
            f"{said!r} is no URL of a manager; write it like http://127.0.0.1:8642"
        )
    return text


def _is_manager(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def comma_separated(text: str) -> list[str]:
    """Names with commas between."""
    names = [name for part in text.split(",") if (name := part.strip())]
    if not names:
        raise click.BadParameter("there is no name")
    return names
