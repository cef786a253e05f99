"""The `jsonrpc-qm` command."""

import os
import sys
from io import TextIOWrapper

import click

from jsonrpc_qm.cli import operators, producers, shell_workers, storages
from jsonrpc_qm.cli.completion import completion
from jsonrpc_qm.cli.exits import EXIT_CODES
from jsonrpc_qm.cli.group import PROGRAM, Group
from jsonrpc_qm.cli.serve import serve
from jsonrpc_qm.cli.token import token
from jsonrpc_qm.cli.top import top
from jsonrpc_qm.cli.work import work
from jsonrpc_qm.version import VERSION

COMMANDS: dict[str, tuple[click.Command, ...]] = {
    "Run": (serve, work),
    "Produce": (
        producers.queue,
        producers.get,
        producers.list_tasks,
        producers.cancel,
        producers.retry,
        producers.delete,
    ),
    "Operate": (
        operators.stats,
        top,
        operators.workers,
        operators.history,
        operators.explain,
        operators.drain,
        operators.pause,
        operators.resume,
        operators.purge,
    ),
    "Work from a shell": (
        shell_workers.claim,
        shell_workers.heartbeat,
        shell_workers.complete,
        shell_workers.fail,
        shell_workers.release,
    ),
    "Keep": (storages.migrate, storages.copy, token),
    "More": (operators.discover, completion),
}
"""All commands, by the heading that `--help` shows them under."""

HELP = """
A durable task queue: JSON-RPC 2.0 over HTTP, and workers that pull.

Options can also be set by the environment variables beside them in --help:
JSONRPC_QM_<COMMAND>_<OPTION>, or JSONRPC_QM_<OPTION> where several commands share it, such as
JSONRPC_QM_URL for the manager. Errors are one line on stderr.

\b
Example:
  jsonrpc-qm serve                            # in one terminal
  jsonrpc-qm queue hello '{"name": "Ada"}'    # in another
  jsonrpc-qm list

\b
Exit codes:
"""


@click.group(
    cls=Group,
    sections=COMMANDS,
    name=PROGRAM,
    help=HELP + "\n".join(f"  {code:>3}  {meaning}" for code, meaning in EXIT_CODES.items()),
    context_settings={
        "auto_envvar_prefix": "JSONRPC_QM",
        "help_option_names": ["--help", "-h"],
        "max_content_width": 100,
        "show_default": True,
    },
)
@click.version_option(VERSION, message=f"{PROGRAM} %(version)s")
def cli() -> None:
    """The group; its help is HELP."""


def main() -> None:
    """Run the command line and end the process with its exit code."""
    _open_streams()
    for stream in (sys.stdout, sys.stderr):
        # A terminal that has no such character shows its number instead of a traceback.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    cli.main()


def _open_streams() -> None:
    """Have all three, also when whoever started this has closed them: files that are opened later
    would get their numbers."""
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(number, mode))
