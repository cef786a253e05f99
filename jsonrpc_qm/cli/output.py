"""What commands print: tables for people, one JSON document for programs."""

import json
import sys
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click
import msgspec

from jsonrpc_qm.cli.exits import Failure
from jsonrpc_qm.cli.printable import printable_lines
from jsonrpc_qm.moments import moment_of, rfc3339

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

WIDE = 1_000_000_000
"""Columns of a pipe: enough that nothing is cut or wrapped."""


class Output:
    """Where a command's answer goes."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.on_terminal = sys.stdout.isatty()

    def show(self, answer: Any, table: "Callable[[Any], RenderableType]") -> None:
        """Print the answer: as JSON if that was asked for, else as the table made of it."""
        if self.as_json:
            self.document(answer)
        else:
            self.table(table(answer))

    def document(self, answer: Any) -> None:
        """Print one JSON document: on one line, indented on a terminal; always UTF-8."""
        click.echo(json_text(answer, indented=self.on_terminal).encode())

    def table(self, renderable: "RenderableType") -> None:
        """Print a table; in a pipe without colours, and as wide as it needs to be."""
        if self.on_terminal:
            console().print(renderable)
            return
        wide = console(width=WIDE)
        with wide.capture() as capture:
            wide.print(renderable)
        # The width of a pipe is none: no cell is padded at the end of its line.
        for line in capture.get().splitlines():
            self.line(line.rstrip())

    def line(self, text: str) -> None:
        """Print one line."""
        click.echo(text)

    def note(self, text: str) -> None:
        """Say something on the side, to people who watch."""
        if sys.stderr.isatty():
            click.echo(text, err=True)

    def failure(self, message: str, code: int) -> Failure:
        """The end of the command with this exit code."""
        return Failure(message, code, as_json=self.as_json)


def console(width: int | None = None) -> "Console":
    """A console on standard output."""
    # Imported here because tables take as long to import as all the rest of the command line.
    from rich.console import Console

    return Console(width=width, highlight=False)


def json_text(value: Any, *, indented: bool = False) -> str:
    """The JSON text of an answer, as the manager writes it.

    Every character is kept but those that could steer a terminal, which are escaped.
    """
    text = json.dumps(value, default=_members, ensure_ascii=False, indent=2 if indented else None)
    # Whatever this escapes stands inside a string, where \u001b is JSON for the same.
    return printable_lines(text)


def _members(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(moment_of(value))
    if isinstance(value, msgspec.Struct):
        fields = msgspec.structs.fields(value)
        members = {field.encode_name: getattr(value, field.name) for field in fields}
        # Only a claimed task has a token.
        if members.get("token", 0) is None:
            del members["token"]
        return members
    raise TypeError(f"{type(value).__name__} has no JSON form")
