"""Logs on stderr: lines for people, or JSON lines for programs."""

import json
import logging
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TypeVar

import click

from jsonrpc_qm.cli.options import option
from jsonrpc_qm.cli.printable import printable, printable_lines

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("text", "json")

OTHERS = ("asyncio", "aiohttp", "urllib3", "peewee")
"""What these libraries say below a warning is no news to an operator."""

F = TypeVar("F", bound=Callable[..., None])


def log_options(function: F) -> F:
    """`--log-format` and `--log-level`."""
    format = option(
        "--log-format",
        envvar="JSONRPC_QM_LOG_FORMAT",
        type=click.Choice(FORMATS),
        default="text",
        help="Lines for people, or JSON lines with ts, level, logger, message and exc.",
    )
    level = option(
        "--log-level",
        envvar="JSONRPC_QM_LOG_LEVEL",
        type=click.Choice(LEVELS, case_sensitive=False),
        default="info",
        help="The least that is logged.",
    )
    return format(level(function))


def set_up_logs(format: str, level: str) -> None:
    """Send all logs to stderr: `format` is text or json, `level` one of LEVELS."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if format == "json" else TextLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Who has done what is to be known whatever else is.
    logging.getLogger("jsonrpc_qm.audit").setLevel(logging.INFO)
    for noisy in OTHERS:
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
    # It warns of errors that it raises as well, which are logged where they are caught.
    logging.getLogger("psycopg").setLevel(max(logging.ERROR, root.level))


@contextmanager
def set_up_for_a_script() -> Iterator[bool]:
    """Lines for people in here, if the script has not set up logs itself; whether that is so."""
    if logging.getLogger("jsonrpc_qm").hasHandlers():
        yield False
        return
    root = logging.getLogger()
    names = ("", "jsonrpc_qm.audit", "psycopg", *OTHERS)
    before = {name: logging.getLogger(name).level for name in names}
    set_up_logs("text", "info")
    try:
        yield True
    finally:
        root.handlers.clear()
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


@contextmanager
def held_back() -> Iterator[None]:
    """What storages log in here is logged at its end; when that is an error, the error says it."""
    said: list[logging.LogRecord] = []

    def keep(record: logging.LogRecord) -> bool:
        said.append(record)
        return False

    storages = logging.getLogger("jsonrpc_qm.storage")
    storages.addFilter(keep)
    try:
        yield
    finally:
        storages.removeFilter(keep)
    for record in said:
        storages.handle(record)


class TextLines(logging.Formatter):
    """`2030-01-31 08:00:00.123Z INFO    jsonrpc_qm.server: message`, then a traceback if any."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        line = (
            f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03}Z "
            f"{record.levelname:<7} {record.name}: {printable(record.getMessage())}"
        )
        exc = exception_text(record)
        return f"{line}\n{printable_lines(exc)}" if exc else line


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        members = {
            "ts": f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if exc := exception_text(record):
            members["exc"] = exc
        return json.dumps(members)


def exception_text(record: logging.LogRecord) -> str:
    """The traceback that a record carries, or nothing."""
    if not record.exc_info or record.exc_info[1] is None:
        return record.exc_text or ""
    return "".join(traceback.format_exception(record.exc_info[1])).rstrip()
