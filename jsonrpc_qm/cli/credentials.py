"""The options that say who calls: a token, and the files for TLS."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from jsonrpc_qm.cli.exits import USAGE, Failure

OPTIONS = (
    click.option(
        "--token",
        "access_token",
        envvar="JSONRPC_QM_TOKEN",
        show_envvar=True,
        help="The access token. Whoever sees the processes here sees it: rather set the variable.",
    ),
    click.option(
        "--token-file",
        envvar="JSONRPC_QM_TOKEN_FILE",
        show_envvar=True,
        metavar="FILE",
        help="A file with the access token and nothing else.",
    ),
    click.option(
        "--tls-ca",
        envvar="JSONRPC_QM_TLS_CA",
        show_envvar=True,
        metavar="FILE",
        help="The authorities that the manager's certificate is to be from.",
    ),
    click.option(
        "--tls-cert",
        envvar="JSONRPC_QM_TLS_CERT",
        show_envvar=True,
        metavar="FILE",
        help="The client's certificate, where the manager asks for one.",
    ),
    click.option(
        "--tls-key",
        envvar="JSONRPC_QM_TLS_KEY",
        show_envvar=True,
        metavar="FILE",
        help="Its key, if not in the same file.",
    ),
)


def credential_options(function: Callable[..., None]) -> Callable[..., None]:
    """The options; the function gets them as `credentials`."""

    @click.pass_context
    @wraps(function)
    def command(
        context: click.Context,
        /,
        access_token: str | None,
        token_file: str | None,
        tls_ca: str | None,
        tls_cert: str | None,
        tls_key: str | None,
        **arguments: Any,
    ) -> None:
        # Imported here because `--help` must not wait for it.
        from jsonrpc_qm.client.credentials import Credentials

        credentials = Credentials(
            token=_token(context, access_token, token_file),
            tls_ca=tls_ca,
            tls_cert=tls_cert,
            tls_key=tls_key,
        )
        function(credentials=credentials, **arguments)

    for each in reversed(OPTIONS):
        command = each(command)
    return command


def _token(context: click.Context, token: str | None, file: str | None) -> str | None:
    """The token of the option, or of the file; what the command line says goes first."""
    from_line = ParameterSource.COMMANDLINE
    says_file = context.get_parameter_source("token_file") == from_line
    if token is not None and says_file:
        if context.get_parameter_source("access_token") == from_line:
            raise click.UsageError("either --token or --token-file, not both")
        token = None
    if token is not None or file is None:
        return token
    try:
        return Path(file).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"--token-file {file}: {_reason(error)}", USAGE) from error


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return str(error.strerror) if isinstance(error, OSError) else "it is no text"
