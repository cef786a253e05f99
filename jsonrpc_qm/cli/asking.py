"""The question before tasks are changed that nobody has named one by one."""

import sys
from collections.abc import Callable

import click

from jsonrpc_qm.cli.exits import FAILED
from jsonrpc_qm.cli.options import said_option
from jsonrpc_qm.cli.output import Output

yes_option = said_option(
    "--yes", is_flag=True, help="Do not ask; needed where there is no terminal to ask on."
)


def ask(out: Output, question: Callable[[], str], *, instead: str = "--yes") -> None:
    """Return if the answer is yes.

    `instead` says which options there are for those that can't be asked.

    Raises:
        UsageError: there is nobody to ask.
        Failure: the answer is no.
    """
    if not asks():
        raise click.UsageError(f"There is no terminal to ask on; give {instead}")
    if not click.confirm(question(), err=True):
        raise out.failure("nothing was changed", FAILED)


def asks() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty()
