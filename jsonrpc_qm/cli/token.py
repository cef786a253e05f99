"""The `token` command: makes, lists and revokes tokens in the file that a manager reads."""

from collections.abc import Sequence
from pathlib import Path

import click

from jsonrpc_qm.access.grants import ANY_NAME, Role
from jsonrpc_qm.cli.exits import USAGE, Failure
from jsonrpc_qm.cli.options import errors_said, json_option, option
from jsonrpc_qm.cli.output import Output

LONGEST_NAME = 200
"""Characters of a pattern."""


@click.group("token")
def token() -> None:
    """Make, list and revoke the access tokens of a manager: new, list, revoke.

    They are in a TOML file, as hashes, which `serve --tokens` reads. Send the manager a SIGHUP
    after a change.

    \b
    Example:
      jsonrpc-qm token new --file tokens.toml --role worker --names 'reports.*'
    """


@token.command("new")
@option("--role", type=click.Choice([str(role) for role in Role]), required=True, help="Its role.")
@option(
    "--names",
    metavar="PATTERN",
    multiple=True,
    default=[ANY_NAME],
    help="The task names that it reaches to, * stands for any characters; repeatable.",
)
@option("--note", default="", help="What it is for, for people.")
@option(
    "--file",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Append its hash to this file.  [default: print it]",
)
def new(role: str, names: Sequence[str], note: str, file: Path | None) -> None:
    """Make a token and print it, this once: what is kept of it is a hash.

    With --file the token is all that is printed. Without, what belongs into a file follows.

    \b
    Examples:
      jsonrpc-qm token new --role worker --names 'reports.*'
      jsonrpc-qm token new --file tokens.toml --role operator --note "the dashboard"
    """
    from jsonrpc_qm.access.files import add_token, table
    from jsonrpc_qm.access.tokens import new_token

    if wrong := [name for name in names if not 0 < len(name) <= LONGEST_NAME]:
        raise Failure(f"a name has 1 to {LONGEST_NAME} characters: {wrong[0]!r}", USAGE)
    made, entry = new_token(Role(role), names, note=note)
    if file is None:
        click.echo(f"{made}\n\n{table(entry)}", nl=False)
        return
    with errors_said():
        add_token(file, entry)
    click.echo(made)


@token.command("list")
@option("--file", "file", required=True, type=click.Path(path_type=Path), help="The file.")
@json_option
def list_tokens(file: Path, as_json: bool) -> None:
    """Show the tokens of a file, without their hashes.

    \b
    Example:
      jsonrpc-qm token list --file tokens.toml
    """
    from jsonrpc_qm.access.files import read_tokens

    out = Output(as_json)
    with errors_said(as_json):
        entries = read_tokens(file)
    if as_json:
        members = ("id", "role", "names", "created", "note")
        out.document([{name: getattr(entry, name) for name in members} for entry in entries])
        return
    from jsonrpc_qm.cli.tables import token_rows

    out.table(token_rows(entries))


@token.command("revoke")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@option("--file", "file", required=True, type=click.Path(path_type=Path), help="The file.")
def revoke(ids: Sequence[str], file: Path) -> None:
    """Take tokens out of a file, by their ids.

    A manager knows of it after a SIGHUP; a call that waits by then still gets its answer.

    \b
    Example:
      jsonrpc-qm token revoke k3v9x2ma --file tokens.toml
    """
    from jsonrpc_qm.access.files import revoke_token

    for id in ids:
        with errors_said():
            entry = revoke_token(file, id)
        click.echo(f"{id} revoked, a token for role {entry.role}")
