"""The command group: every way to end, as one line on stderr and an exit code."""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, NoReturn

import click
from click.exceptions import Abort, ClickException, NoArgsIsHelpError, UsageError

from jsonrpc_qm.cli.exits import FAILED, INTERRUPTED, Failure
from jsonrpc_qm.cli.printable import printable

PROGRAM = "jsonrpc-qm"


class Group(click.Group):
    """A click group with headings over its commands, and errors of one line each."""

    def __init__(self, *, sections: Mapping[str, Sequence[click.Command]], **settings: Any) -> None:
        super().__init__(**settings)
        self._sections = sections
        for command in chain.from_iterable(sections.values()):
            self.add_command(command)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each heading with its commands."""
        for heading, commands in self._sections.items():
            with formatter.section(heading):
                formatter.write_dl(
                    [(str(command.name), command.get_short_help_str(200)) for command in commands]
                )

    # click's own has one signature for each way to call it; ours is called in one way.
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
        except OSError as error:
            # Python would complain once more when it flushes at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            # Whoever read our output may have gone, as `| head` does.
            if not isinstance(error, BrokenPipeError):
                click.echo(f"Error: {printable(error.strerror or str(error))}.", err=True)
            code = FAILED
        sys.exit(code)


def _usage_line(error: ClickException) -> str:
    # Of several lines where it lists what there is.
    message = re.sub(r"\s*\n\s*", " ", error.format_message())
    line = f"Error: {printable(message.rstrip('.'))}."
    context = getattr(error, "ctx", None)
    if isinstance(error, UsageError) and context is not None:
        return f"{line} See '{context.command_path} --help'."
    return line
