"""docs/commands.md has every option of every command, in the words of its help."""

import re

import click
import pytest

from tests.docs.markdown import ROOT, read, table_rows
from tests.docs.test_command_line import ALL, SHARED, options

ELSEWHERE = {"serve", "work"}
"""Commands whose options are described where one looks for them."""


def described() -> dict[str, click.Command]:
    """The commands by the words that call them, those of groups one by one."""
    found: dict[str, click.Command] = {}
    for command in ALL:
        below = command.commands if isinstance(command, click.Group) else {}
        found.update({f"{command.name} {name}": each for name, each in below.items()})
        if not below and command.name not in ELSEWHERE:
            found[str(command.name)] = command
    return found


def usage_of(name: str, command: click.Command) -> str:
    """The command with its arguments."""
    context = click.Context(command)
    arguments = [
        param.make_metavar(context) for param in command.params if isinstance(param, click.Argument)
    ]
    return " ".join([name, *arguments])


def rows_of(command: click.Command) -> list[list[str]]:
    """An option and what it is for, as a table has them."""
    context = click.Context(command)
    rows = []
    for name, option in options(command).items():
        if name in SHARED:
            continue
        value = "" if option.is_flag else f" {option.make_metavar(context)}"
        called = f"`{', '.join(option.opts)}{value}`"
        rows.append([called.replace("|", "\\|"), " ".join(str(option.help).split())])
    return rows


COMMANDS = read(ROOT / "docs" / "commands.md")


def test_every_command_has_its_heading() -> None:
    """In the order of `--help`."""
    assert COMMANDS.headings[1:] == list(described())


@pytest.mark.parametrize("name", described())
def test_every_option_is_in_the_table(name: str) -> None:
    """With its metavar and its help, and no other."""
    command = described()[name]
    text = COMMANDS.under(name)
    assert f"`jsonrpc-qm {usage_of(name, command)}`" in text
    assert _rows(text) == rows_of(command)


def _rows(text: str) -> list[list[str]]:
    # A `|` within a metavar stands with a backslash before it.
    rows = table_rows(text.replace("\\|", "\0"))
    return [[re.sub("\0", r"\\|", cell) for cell in row] for row in rows]
