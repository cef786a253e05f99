"""The group: help, version, environment variables, exit codes, and how errors are said."""

import itertools
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from jsonrpc_qm.cli.exits import EXIT_CODES, exit_code
from jsonrpc_qm.cli.main import cli
from jsonrpc_qm.errors import BY_CODE, QueueError, TaskNotFound
from jsonrpc_qm.version import VERSION
from tests.unit.cli_fakes import ID, FakeManager, run

PREFIX = "JSONRPC_QM"


def commands() -> list[str]:
    return sorted(cli.commands)


def options() -> Iterator[tuple[str, click.Option]]:
    """Of each command; those of `token` stand behind it."""
    for name, command in sorted(cli.commands.items()):
        below = command.commands if isinstance(command, click.Group) else {}
        own = {f"{name} {each}": found for each, found in below.items()}
        for words, subject in {name: command, **own}.items():
            for param in subject.params:
                if isinstance(param, click.Option):
                    yield words, param


CHANGES_MANY = ("cancel", "retry", "delete", "purge")


def is_dangerous(command: str, option: click.Option) -> bool:
    """Whether it must be said each time: no variable may change tasks behind one's back."""
    return command in CHANGES_MANY and option.opts[0] in ("--all", "--yes")


def test_the_commands_are_the_documented_ones() -> None:
    """A command that is added or lost is noticed."""
    assert commands() == sorted(
        shlex.split(
            "serve work queue get list cancel retry delete stats top workers history explain drain "
            "pause resume purge claim heartbeat complete fail release migrate copy token discover "
            "completion"
        )
    )


@pytest.mark.parametrize("command", commands())
def test_each_help_has_an_example_and_every_variable(command: str) -> None:
    """`--help` shows how to call a command, and the variable of each option."""
    result = run(command, "--help", max_content_width=200, env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert "Example" in result.stdout
    assert f"jsonrpc-qm {command}" in result.stdout
    for name, option in options():
        if name == command and not is_dangerous(command, option):
            assert variable(command, option) in result.stdout


def test_the_group_help_shows_commands_and_exit_codes() -> None:
    """The codes are documented where people look."""
    stdout = run("--help").stdout
    for command in commands():
        assert f" {command} " in stdout
    for code in EXIT_CODES:
        assert f" {code}  " in stdout


def test_no_line_of_any_help_is_wider_than_a_terminal_of_80_columns() -> None:
    """Help fits the narrowest usual terminal."""
    for command in commands():
        for line in run(command, "--help", env={"COLUMNS": "80"}).stdout.splitlines():
            assert len(line) <= 80


@pytest.mark.parametrize("flag", ["--version"])
def test_version_says_program_and_version(flag: str) -> None:
    """One line for scripts and bug reports."""
    assert run(flag).stdout == f"jsonrpc-qm {VERSION}\n"


def variable(command: str, option: click.Option) -> str:
    """The environment variable of an option: its own, or by the words that one types."""
    if option.envvar:
        assert isinstance(option.envvar, str)
        return option.envvar
    typed = f"{PREFIX} {command} {option.opts[0].removeprefix('--')}"
    return typed.upper().replace("-", "_").replace(" ", "_")


EXAMPLES: dict[str, tuple[str, Any]] = {
    "boolean": ("1", True),
    "integer": ("7", 7),
    "integer range": ("7", 7),
    "text": ("some text", "some text"),
    "duration": ("1h30m", 5400.0),
    "duration_or_forever": ("forever", None),
    "size": ("2KiB", 2048),
    "json_value": ("[1]", [1]),
    "manager_url": ("http://there:1", "http://there:1"),
    "comma_separated": ("a,b", ["a", "b"]),
    "file": ("some/file", Path("some/file")),
    "path": ("some/file", Path("some/file")),
}
"""For each type of option a text in the environment, and the value it becomes."""

OF_OWN: dict[str, tuple[str, Any]] = {
    "run_at": ("2030-01-31T08:00:00Z", None),
    "metadata": ("a=1 b=2", (("a", "1"), ("b", "2"))),
    "since": ("2030-01-31T08:00:00Z", None),
    "until": ("2030-01-31T08:00:00Z", None),
    "backoff": ('{"base": 1}', None),
    "public_host": ("a b", ("a", "b")),
}
"""The same for options that need a text of their own; None where only its effect is compared."""


@pytest.mark.parametrize(
    ("command", "option"),
    [each for each in options() if not is_dangerous(*each)],
    ids=lambda value: getattr(value, "name", value),
)
def test_every_option_is_set_by_its_variable(
    command: str, option: click.Option, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JSONRPC_QM_<COMMAND>_<OPTION>, or JSONRPC_QM_<OPTION> where commands share it."""
    name = str(option.name)
    if name in OF_OWN:
        text, expected = OF_OWN[name]
    elif isinstance(option.type, click.Choice):
        text = expected = option.type.choices[-1]
    else:
        text, expected = EXAMPLES[option.type.name]
    if option.multiple:
        expected = expected if isinstance(expected, tuple) else tuple(text.split())
    monkeypatch.setenv(variable(command, option), text)
    context = context_of(command, option)
    if name in ("run_at", "since", "until", "backoff"):
        assert context.params[name] is not None
    else:
        assert context.params[name] == expected


@pytest.mark.parametrize(
    ("command", "option"),
    [each for each in options() if is_dangerous(*each)],
    ids=lambda value: getattr(value, "name", value),
)
def test_no_variable_says_that_all_are_meant(
    command: str, option: click.Option, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable that is left over in a shell must not delete everything."""
    for word in (option.opts[0].removeprefix("--"), str(option.name)):
        monkeypatch.setenv(f"{PREFIX}_{command}_{word}".upper(), "1")
    assert context_of(command, option).params[str(option.name)] is False
    assert f"{PREFIX}_{command}_{option.name}".upper() not in run(command, "--help").stdout


def context_of(words: str, option: click.Option) -> click.Context:
    """A command that was called with all that it needs but the option."""
    context = click.Context(cli, info_name="jsonrpc-qm", auto_envvar_prefix=PREFIX)
    command: click.Command = cli
    for word in words.split():
        assert isinstance(command, click.Group)
        command = command.commands[word]
        required = itertools.chain.from_iterable(required_arguments(command, option))
        context = command.make_context(word, list(required), parent=context)
    return context


def required_arguments(command: click.Command, but: click.Option) -> Iterator[list[str]]:
    if isinstance(command, click.Group):
        yield ["a command"]
    for param in command.params:
        if param.required and param is not but:
            text = param.type.choices[0] if isinstance(param.type, click.Choice) else "1"
            yield [param.opts[0], text] if isinstance(param, click.Option) else [text]


def test_the_command_line_goes_before_the_environment() -> None:
    """A variable is a default, an option a wish."""
    manager = FakeManager()
    env = {"JSONRPC_QM_URL": "http://from-env", "JSONRPC_QM_RETRY_FOR": "5"}
    run("stats", "--url", "http://from-option", manager=manager, env=env)
    assert (manager.url, manager.retry_for) == ("http://from-option", 5.0)


def test_by_default_a_command_calls_the_local_manager_and_does_not_try_again() -> None:
    """A manager that is not there shall be told at once."""
    manager = FakeManager()
    run("stats", manager=manager)
    assert (manager.url, manager.retry_for) == ("http://127.0.0.1:8642", 0.0)


def test_json_by_the_environment() -> None:
    """JSONRPC_QM_JSON=1 is for whole scripts."""
    assert run("pause", "hello", env={"JSONRPC_QM_JSON": "1"}).stdout == "true\n"


@pytest.mark.parametrize("kind", list(BY_CODE.values()))
def test_each_error_has_a_documented_exit_code(kind: type[QueueError]) -> None:
    """No error ends a command with a code that --help does not explain, none with success."""
    assert exit_code(kind()) in EXIT_CODES
    assert exit_code(kind()) != 0


def test_an_error_with_json_is_a_json_document_on_stderr() -> None:
    """What people would read, the JSON-RPC error object, and the exit code, on one line."""
    manager = FakeManager(get_task=TaskNotFound.of(ID))
    result = run("get", ID, "--json", manager=manager)
    assert (result.exit_code, result.stdout) == (3, "")
    assert json.loads(result.stderr) == {
        "message": f"Task not found: id: {ID}",
        "error": {"code": -32001, "message": "Task not found", "data": {"id": ID}},
        "exit_code": 3,
    }


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["stats", "--nonsense"], "No such option"),
        (["stats", "--url", "nowhere"], "'nowhere' is no URL of a manager"),
        (["queue"], "Missing argument 'NAME'"),
        (["drain"], "Missing argument 'WORKER...'"),
        (["cancel"], "Give ids, a condition such as --name, or --all"),
        (["retry", "x", "--name", "a"], "Give ids or conditions, not both"),
        (["list", "--since", "2030-01-31T08:00:00"], "has no zone"),
        (["list", "--status", "lost"], "'lost' is not one of"),
        (["queue", "a", "1", "2"], "Got unexpected extra argument (2)"),
        (["token", "new"], "Missing option '--role'. Choose from: producer, worker,"),
    ],
)
def test_usage_errors_are_one_line(args: list[str], said: str) -> None:
    """What is wrong and where to look, without a panel or a usage text around it."""
    result = run(*args)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert said in result.stderr
    assert "--help'" in result.stderr


def test_ctrl_c_is_130_without_a_traceback() -> None:
    """As shells know it from other programs."""
    result = run("get", ID, manager=FakeManager(get_task=KeyboardInterrupt()))
    assert (result.exit_code, result.output.strip()) == (130, "")


def test_a_bare_call_shows_the_help() -> None:
    """And says by its exit code that nothing was done."""
    result = CliRunner().invoke(cli, [])
    assert result.exit_code == 2
    assert "Usage: jsonrpc-qm" in result.output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(shell: str) -> None:
    """The script asks the program by its completion variable."""
    stdout = run("completion", shell).stdout
    assert "_JSONRPC_QM_COMPLETE=" in stdout
    assert "jsonrpc-qm" in stdout


def test_completion_completes_commands() -> None:
    """What the script asks is answered."""
    env = {
        **os.environ,
        "_JSONRPC_QM_COMPLETE": "bash_complete",
        "COMP_WORDS": "jsonrpc-qm re",
        "COMP_CWORD": "1",
    }
    answer = subprocess.run(
        [sys.executable, "-m", "jsonrpc_qm"], env=env, capture_output=True, text=True, check=True
    )
    assert answer.stdout.split() == ["plain,release", "plain,resume", "plain,retry"]


HEAVY = ("aiohttp", "asyncio", "jsonrpcserver", "peewee", "rich.console", "urllib3")


def test_the_command_line_imports_nothing_heavy_by_itself() -> None:
    """`--help` must not wait for servers, clients, storages or tables."""
    script = f"""
import sys
import jsonrpc_qm
already = set(sys.modules)
import jsonrpc_qm.cli.main
print([name for name in {HEAVY} if name in sys.modules and name not in already])
"""
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert told.stdout == "[]\n"
