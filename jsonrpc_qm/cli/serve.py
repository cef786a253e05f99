"""The `serve` command: the manager."""

import json
import logging
import os
import shlex
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import click
from click.core import ParameterSource

from jsonrpc_qm.cli.exits import UNAVAILABLE, Failure
from jsonrpc_qm.cli.group import PROGRAM
from jsonrpc_qm.cli.logs import held_back, log_options, set_up_logs
from jsonrpc_qm.cli.options import DEFAULT_STORAGE, DEFAULT_URL, errors_said, option
from jsonrpc_qm.cli.values import duration_or_forever, size
from jsonrpc_qm.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jsonrpc_qm.storage.base import Storage
    from jsonrpc_qm.worker.base import Worker

# Nothing is bound to these here: they are looked up.
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104
"""Where to reach a manager that listens on all addresses."""

COUNT = click.IntRange(min=1)

logger = logging.getLogger("jsonrpc_qm.cli")


@click.command("serve")
@click.argument("app", metavar="[APP:QM]", required=False)
@option(
    "--storage",
    "storage_url",
    envvar="JSONRPC_QM_STORAGE",
    default=DEFAULT_STORAGE,
    metavar="URL",
    help="Where tasks are kept: sqlite:///file, postgresql:, mysql: or redis://..., or memory:.",
)
@option("--host", default="127.0.0.1", help="The address to listen on.")
@option("--port", type=click.IntRange(0, 65535), default=8642, help="0 for any that is free.")
@option("--max-body", type=size, default="16MiB", help="The largest request.")
@option("--max-payload", type=size, default="1MiB", help="The largest parameters and result.")
@option(
    "--keep-completed",
    type=duration_or_forever,
    metavar="DURATION",
    default="7d",
    help="How long completed tasks stay; or forever.",
)
@option(
    "--keep-failed",
    type=duration_or_forever,
    metavar="DURATION",
    default="30d",
    help="How long failed and cancelled tasks stay; or forever.",
)
@option("--tokens", metavar="FILE", help="Callers need one of the tokens in this TOML file.")
@option(
    "--allow-anyone",
    is_flag=True,
    help="Without tokens, let other machines call: whoever reaches the port may do everything.",
)
@option(
    "--public-host",
    metavar="NAME",
    multiple=True,
    help="A name that browsers reach it by, besides localhost; repeatable.",
)
@option("--tls-cert", metavar="FILE", help="Speak TLS with this certificate, in PEM.")
@option("--tls-key", metavar="FILE", help="Its key, if not in the same file.")
@option("--tls-ca", metavar="FILE", help="Clients need a certificate of these authorities.")
@option("--max-queued", type=COUNT, help="Queued tasks, in all.  [default: no limit]")
@option("--max-queued-per-name", type=COUNT, help="The same of each name.  [default: no limit]")
@option("--max-connections", type=COUNT, default=10_000, help="Connections, in all.")
@option("--max-connections-per-client", type=COUNT, default=5_000, help="The same of one address.")
@option("--max-waiting-claims", type=COUNT, default=10_000, help="Calls that wait, in all.")
@option("--max-waiting-per-client", type=COUNT, default=5_000, help="The same of one address.")
@log_options
@click.pass_context
def serve(
    context: click.Context,
    /,
    app: str | None,
    storage_url: str,
    host: str,
    port: int,
    log_format: str,
    log_level: str,
    **how: Any,
) -> None:
    """Run the manager until SIGTERM or Ctrl-C.

    With APP:QM, a module and its QueueManager, it serves that one's storage. Without --tokens it
    listens on this machine only. SIGHUP reads the files of tokens and certificates again.

    \b
    Examples:
      jsonrpc-qm serve
      jsonrpc-qm serve app:qm --host 0.0.0.0 --tokens tokens.toml
      jsonrpc-qm serve --storage sqlite:////var/lib/tasks.db --keep-completed 12h
    """
    if app and context.get_parameter_source("storage_url") == ParameterSource.COMMANDLINE:
        raise click.UsageError("either APP:QM or --storage, not both")
    set_up_logs(log_format, log_level)
    with errors_said():
        storage, first = _what_to_serve(app, storage_url)

        def on_ready(url: str) -> None:
            if log_format == "json":
                logger.info("%s %s listens on %s, storage %s", PROGRAM, VERSION, url, storage.url)
            else:
                has_tokens = how["tokens"] is not None
                text = greeting(url, storage.url, app=app, first=first, has_tokens=has_tokens)
                click.echo(text)

        # Imported here because `--help` must not wait for an HTTP server.
        from jsonrpc_qm.server import running

        try:
            settings = running.Settings(host=host, port=port, **how)
            running.serve(storage, settings, on_ready=on_ready)
        except running.CannotListen as error:
            raise Failure(str(error), UNAVAILABLE) from error


class FirstTask(NamedTuple):
    """A task to try the queue with."""

    name: str
    parameters: dict[str, Any]


HELLO = FirstTask("hello", {"name": "Ada"})
"""Where there are no workers."""


def first_task(registry: "Mapping[str, Worker]") -> FirstTask:
    """For the first worker there is, with something for each parameter that it needs."""
    from jsonrpc_qm.worker.handler import Handler

    for name, worker in registry.items():
        return FirstTask(name, dict.fromkeys(Handler(worker.target).required, 1))
    return HELLO


def _what_to_serve(app: str | None, url: str) -> "tuple[Storage, FirstTask]":
    """The storage, opened, and a first task."""
    from jsonrpc_qm.cli.apps import load_app
    from jsonrpc_qm.manager import STORAGE_VARIABLE, QueueManager

    manager = load_app(app) if app else QueueManager(url)
    with held_back():
        storage = manager.storage
    variable = os.environ.get(STORAGE_VARIABLE)
    if app and variable and not manager.stores_in(variable):
        logger.warning(
            "%s has a storage of its own, %s: %s is not used", app, storage.url, STORAGE_VARIABLE
        )
    return storage, first_task(manager.registry)


def greeting(
    url: str,
    storage: str,
    *,
    app: str | None = None,
    first: FirstTask,
    has_tokens: bool = False,
    has_workers: bool = False,
) -> str:
    """Where the manager listens, what keeps the tasks, how to queue a first one and watch it.

    `has_workers`: whether it works on it by itself.
    """
    lost = " (tasks are lost when it stops)" if storage.startswith("memory:") else ""
    reachable = reachable_url(url)
    where = "" if reachable == DEFAULT_URL else f" --manager {reachable}"
    name, parameters = first
    params = {"name": name, "parameters": parameters}
    call = {"jsonrpc": "2.0", "id": 1, "method": "queue", "params": params}
    queue = shlex.join([PROGRAM, "queue", name, json.dumps(parameters)])
    curl = ["curl", f"{reachable}/rpc", "-H", "Content-Type: application/json", "-d"]
    work = f"Work on it:\n  {PROGRAM} {f'work {app}' if app else f'claim {name}'}{where}\n"
    # In double quotes, for the shell is to put the token in.
    bearer = ' -H "Authorization: Bearer $JSONRPC_QM_TOKEN"' if has_tokens else ""
    needs = " (callers need a token, in JSONRPC_QM_TOKEN)" if has_tokens else ""
    return (
        f"{PROGRAM} {VERSION} listens on {url}, storage {storage}{lost}\n"
        f"Queue a first task{needs}:\n"
        f"  {queue}{where}\n"
        f"  {shlex.join([*curl, json.dumps(call)])}{bearer}\n"
        f"{'' if has_workers else work}"
        "Watch it:\n"
        f"  {reachable}/"
    )


def reachable_url(url: str) -> str:
    """The URL for a client on this machine."""
    parts = urlsplit(url)
    host = EVERYWHERE.get(parts.hostname or "")
    return url if host is None else f"{parts.scheme}://{host}:{parts.port}"
