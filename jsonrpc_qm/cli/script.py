"""What a script that is a manager, by `qm.run()`, has in common with `jsonrpc-qm serve`."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import click

from jsonrpc_qm.cli.exits import INTERRUPTED, UNAVAILABLE, Failure
from jsonrpc_qm.cli.serve import first_task, greeting
from jsonrpc_qm.errors import Unavailable
from jsonrpc_qm.server.running import CannotListen
from jsonrpc_qm.storage.base import Storage
from jsonrpc_qm.worker.base import Worker

logger = logging.getLogger("jsonrpc_qm.server")


@contextmanager
def ending_in_a_line() -> Iterator[None]:
    """Where the port or the storage can't be had, say so in a line and end as `serve` does.

    Ctrl-C while no worker runs, as it begins and as it ends, says nothing.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    except (CannotListen, Unavailable) as error:
        failure = Failure(str(error), UNAVAILABLE)
        click.echo(failure.line(), err=True)
        raise SystemExit(failure.exit_code) from error


def say_where(
    url: str,
    storage: Storage,
    registry: Mapping[str, Worker],
    *,
    on_screen: bool,
    has_tokens: bool,
) -> None:
    """Say that the manager listens: what `serve` prints, or a line in the script's own log."""
    if not on_screen:
        logger.info("listens on %s, storage %s", url, storage.url)
        return
    first = first_task(registry)
    click.echo(greeting(url, storage.url, first=first, has_tokens=has_tokens, has_workers=True))
