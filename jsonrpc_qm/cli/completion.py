"""The `completion` command: a script for the shell."""

import click
from click.shell_completion import get_completion_class

from jsonrpc_qm.cli.group import PROGRAM

COMPLETE_VARIABLE = "_JSONRPC_QM_COMPLETE"


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, /, shell: str) -> None:
    """Print the script that completes commands and options in a shell.

    \b
    Examples:
      eval "$(jsonrpc-qm completion bash)"                  # in ~/.bashrc
      eval "$(jsonrpc-qm completion zsh)"                   # in ~/.zshrc
      jsonrpc-qm completion fish > ~/.config/fish/completions/jsonrpc-qm.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(context.find_root().command, {}, PROGRAM, COMPLETE_VARIABLE).source())
