"""Commands that change tasks given by their ids, or all that meet some conditions."""

from collections.abc import Callable, Sequence
from typing import Any

import click

from jsonrpc_qm.cli.asking import ask, yes_option
from jsonrpc_qm.cli.each import for_each
from jsonrpc_qm.cli.options import option, said_option
from jsonrpc_qm.cli.output import Output
from jsonrpc_qm.cli.values import moment_or_ago
from jsonrpc_qm.cli.words import counted

Command = Callable[..., None]


def which_options(*statuses: str) -> Callable[[Command], Command]:
    """Take ids, or conditions: which tasks of these states to change."""
    options = (
        click.argument("ids", metavar="[ID]...", nargs=-1),
        said_option("--all", "every", is_flag=True, help="All tasks that can be."),
        option("--name", help="Tasks of this name."),
        option("--status", type=click.Choice(statuses), help="Tasks with this status."),
        option("--query", help="Tasks with this text in their id or parameters."),
        option(
            "--since",
            type=moment_or_ago,
            metavar="TIME",
            help="Tasks queued at this time or later; 1h is an hour ago.",
        ),
        option(
            "--until",
            type=moment_or_ago,
            metavar="TIME",
            help="Tasks queued before this time; 1h is an hour ago.",
        ),
        option("--dry-run", is_flag=True, help="Only say how many it would be."),
        yes_option,
    )

    def decorated(command: Command) -> Command:
        for each in reversed(options):
            command = each(command)
        return command

    return decorated


def change(
    out: Output,
    verb: str,
    done: str,
    one: Callable[[str], Any],
    many: Callable[..., int],
    line: Callable[[str, Any], str],
    *,
    ids: Sequence[str],
    every: bool,
    dry_run: bool,
    yes: bool,
    **conditions: Any,
) -> None:
    """Change tasks by their ids, with a line for each; or all that meet the conditions, with their
    number, after asking.

    `verb` like "retry" is for the question, `done` like "retried" for what is said in the end.
    """
    given = {name: value for name, value in conditions.items() if value is not None}
    if ids and (given or every or dry_run):
        raise click.UsageError("Give ids or conditions, not both.")
    if ids:
        for_each(out, ids, one, line)
        return
    if not given and not every:
        raise click.UsageError("Give ids, a condition such as --name, or --all.")
    if not dry_run and not yes:

        def question() -> str:
            return f"{verb.capitalize()} {counted(many(dry_run=True, **given), 'task')}?"

        ask(out, question, instead="--yes or --dry-run")
    changed = many(dry_run=dry_run, **given)
    if out.as_json:
        out.document(changed)
    else:
        out.line(f"{changed} {'would be ' if dry_run else ''}{done}")
