"""The options that several commands share, and what such a command gets to work with."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

import click

from jsonrpc_qm.cli.credentials import credential_options
from jsonrpc_qm.cli.exits import Failure
from jsonrpc_qm.cli.output import Output
from jsonrpc_qm.cli.values import duration, manager_url
from jsonrpc_qm.errors import QueueError

if TYPE_CHECKING:
    from jsonrpc_qm.client.credentials import Credentials
    from jsonrpc_qm.client.sync import Client

DEFAULT_URL = "http://127.0.0.1:8642"
DEFAULT_STORAGE = "sqlite:///jsonrpc-qm.db"

option = partial(click.option, show_envvar=True)
"""`click.option` that shows its environment variable in `--help`.

The variable is JSONRPC_QM_<COMMAND>_<OPTION>, which click makes by itself of the parameter's name.
One whose parameter has another name must name its variable; so does an option that several commands
share, JSONRPC_QM_<OPTION>.
"""

said_option = partial(click.option, allow_from_autoenv=False)
"""An option without a variable: whoever wants it says so each time."""

url_option = option(
    "--manager",
    "--url",
    "url",
    envvar="JSONRPC_QM_URL",
    default=DEFAULT_URL,
    type=manager_url,
    metavar="URL",
    help="Where the manager listens; several of one storage with commas between.",
)
retry_for_option = option(
    "--retry-for",
    envvar="JSONRPC_QM_RETRY_FOR",
    default="0",
    type=duration,
    help="How long to try again while the manager is not there.",
)
json_option = option(
    "--json",
    "as_json",
    envvar="JSONRPC_QM_JSON",
    is_flag=True,
    help="Print what the manager answers, as one JSON document.",
)
worker_option = option(
    "--worker",
    envvar="JSONRPC_QM_WORKER",
    help="Name of the worker that holds the tasks, as `workers` shows it.",
)


@dataclass(frozen=True)
class Parts:
    """What commands are built from; tests put their own in its place."""

    connect: Callable[[str, float, "Credentials"], "Client"]
    """From the manager's URL, the seconds to try again for, and who calls."""


def connect(url: str, retry_for: float, credentials: "Credentials") -> "Client":
    """A client for the manager at `url`."""
    # Imported here because `--help` must not wait for an HTTP client.
    from jsonrpc_qm.client.sync import Client

    return Client(url, retry_for=retry_for, **credentials.as_options())


def manager_command(function: Callable[..., None]) -> Callable[..., None]:
    """A command that calls the manager: the shared options, and one line for each error.

    The function gets the client, the Output, and its own arguments.
    """

    @url_option
    @retry_for_option
    @json_option
    @credential_options
    @click.pass_context
    @wraps(function)
    def command(
        context: click.Context,
        /,
        url: str,
        retry_for: float,
        as_json: bool,
        credentials: "Credentials",
        **arguments: Any,
    ) -> None:
        parts = context.find_object(Parts) or Parts(connect)
        with errors_said(as_json), parts.connect(url, retry_for, credentials) as manager:
            function(manager, Output(as_json), **arguments)

    return command


@contextmanager
def errors_said(as_json: bool = False) -> Iterator[None]:
    """Turn an error of this package into one line and an exit code."""
    try:
        yield
    except QueueError as error:
        raise Failure.of(error, as_json=as_json) from error
