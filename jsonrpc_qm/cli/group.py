"""The command group: every way to end, as one line on stderr and an exit code."""

import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import rich_click as click
from click.exceptions import Abort, ClickException, NoArgsIsHelpError, UsageError

from jsonrpc_qm.cli.exits import INTERRUPTED, Failure, printable

PROGRAM = "jsonrpc-qm"


class Group(click.RichGroup):
    """A click group whose errors are one plain line each, without a panel around it."""

    def main(self, args: Sequence[str] | None = None, **settings: Any) -> NoReturn:  # type: ignore[override]
        settings.update(standalone_mode=False, prog_name=PROGRAM)
        try:
            code = super().main(args, **settings)
            # What is still buffered meets a closed pipe here, not while the interpreter ends.
            sys.stdout.flush()
        except Failure as failure:
            click.echo(failure.line(), err=True)
            code = failure.exit_code
        except NoArgsIsHelpError as error:
            click.echo(error.message)
            code = error.exit_code
        except ClickException as error:
            click.echo(_usage_line(error), err=True)
            code = error.exit_code
        except Abort:
            code = INTERRUPTED
        except BrokenPipeError:
            # Whoever read our output has gone, as `| head` does. Python would complain once more
            # when it flushes at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = 1
        sys.exit(code)


def _usage_line(error: ClickException) -> str:
    line = f"Error: {printable(error.format_message().rstrip('.'))}."
    context = getattr(error, "ctx", None)
    if isinstance(error, UsageError) and context is not None:
        return f"{line} See '{context.command_path} --help'."
    return line
