"""The documents name every command, option, variable and exit code of the command line."""

import re

import click
import pytest

from jsonrpc_qm.cli.exits import EXIT_CODES
from jsonrpc_qm.cli.main import COMMANDS, cli
from tests.docs.markdown import ROOT, Document, read, table_rows

OPERATING = read(ROOT / "docs" / "operating.md")
WORKERS = read(ROOT / "docs" / "workers.md")
STORAGES = read(ROOT / "docs" / "storages.md")
README = read(ROOT / "README.md")
QUEUEING = read(ROOT / "docs" / "queueing.md")
ALL = [command for commands in COMMANDS.values() for command in commands]
ACCESS = read(ROOT / "docs" / "access.md")
SHARED = {
    *("url", "retry_for", "as_json", "worker"),
    *("access_token", "token_file", "tls_ca", "tls_cert", "tls_key"),
}
"""Parameters of several commands that have a table of their own."""


def options(command: click.Command) -> dict[str, click.Option]:
    """The options of a command by the name of their parameter."""
    return {
        str(option.name): option for option in command.params if isinstance(option, click.Option)
    }


def variable(command: click.Command, option: click.Option) -> str:
    """The environment variable of an option."""
    if isinstance(option.envvar, str):
        return option.envvar
    typed = option.opts[0].removeprefix("--").replace("-", "_")
    return f"JSONRPC_QM_{command.name}_{typed}".upper()


def shown_default(option: click.Option) -> str:
    """What the table says that an option is when it is left out."""
    if option.is_flag:
        return "no"
    has_one = isinstance(option.default, str | int)
    return str(option.default) if has_one else "none"


def test_every_command_is_in_the_table() -> None:
    """And no other, in docs/operating.md under Commands."""
    cells = " ".join(row[0] for row in table_rows(OPERATING.under("Commands"))[: len(ALL)])
    said = re.findall(r"`jsonrpc-qm (\w+)`", cells)
    assert said == [command.name for command in ALL]


def test_every_exit_code_is_in_the_table() -> None:
    """With the words of the help."""
    rows = [row for row in table_rows(OPERATING.under("Commands")) if row[0].isdigit()]
    assert {int(code): meaning for code, meaning in rows} == EXIT_CODES


def test_the_settings_of_serve_are_described() -> None:
    """Each option with its variable and its default."""
    rows: dict[str, list[str]] = {}
    for row in table_rows(OPERATING.under("Settings")):
        rows.setdefault(row[0], row[1:])
    for option in options(cli.commands["serve"]).values():
        said, default, _ = rows[f"`{option.opts[0]}`"]
        assert said == f"`{variable(cli.commands['serve'], option)}`"
        assert default.strip("`") == shown_default(option)


def test_the_options_of_work_are_described() -> None:
    """Each in docs/workers.md."""
    said = re.findall(r"`(--[\w-]+)`", WORKERS.under("Pools, concurrency and timeouts"))
    assert {option.opts[0] for option in options(cli.commands["work"]).values()} <= set(said)


def test_shared_options_are_described() -> None:
    """With the variables that serve all commands."""
    rows = {row[0]: row[1] for row in table_rows(OPERATING.under("Settings"))}
    found = {
        ", ".join(f"`{name}`" for name in option.opts): f"`{variable(command, option)}`"
        for command in ALL
        if command.name != "serve"
        for name, option in options(command).items()
        if name in SHARED
    }
    assert len(found) == len(SHARED)
    assert found.items() <= rows.items()


def test_the_options_of_token_are_described() -> None:
    """Each in docs/access.md, with its command."""
    token = cli.commands["token"]
    assert isinstance(token, click.Group)
    for name, command in token.commands.items():
        assert f"jsonrpc-qm token {name}" in ACCESS.text
        for option in options(command).values():
            assert option.name in SHARED or option.opts[0] in ACCESS.text, option.name


@pytest.mark.parametrize("command", ALL, ids=lambda command: str(command.name))
def test_every_option_says_what_it_does(command: click.Command) -> None:
    """Its help has a text, and so has the command, with an example."""
    assert command.help is not None
    assert "Example" in command.help
    for option in options(command).values():
        assert option.help, option.name


def known_options(command: click.Command) -> set[str]:
    """What may stand behind a command, or behind one of its own commands."""
    own = {opt for param in command.params for opt in param.opts}
    below = command.commands.values() if isinstance(command, click.Group) else ()
    return own.union(*map(known_options, below))


@pytest.mark.parametrize(
    "document", [OPERATING, WORKERS, QUEUEING, STORAGES, ACCESS, README], ids=str
)
def test_no_document_names_an_option_that_is_not_there(document: Document) -> None:
    """Options behind `jsonrpc-qm COMMAND` are options of that command."""
    for line in document.text.splitlines():
        for name, rest in re.findall(r"jsonrpc-qm (\w+)([^`|;&)]*)", line):
            if name in cli.commands:
                known = known_options(cli.commands[name])
                for used in re.findall(r"(?<=\s)--[\w-]+", rest):
                    assert used in known, line
