"""The `top` command: the overview in a terminal."""

import os
import select
import sys
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from jsonrpc_qm.cli.options import manager_command, option
from jsonrpc_qm.cli.output import Output, console
from jsonrpc_qm.cli.values import duration
from jsonrpc_qm.errors import Unavailable

if TYPE_CHECKING:
    from jsonrpc_qm.cli.overview import Overview
    from jsonrpc_qm.client.sync import Client

RUNNING_SHOWN = 100
"""Running tasks that are asked for."""


@click.command("top")
@option("--every", type=duration, default="1", help="How long between two looks.")
@option("--once", is_flag=True, help="Print one table, as in a pipe, and end.")
@manager_command
def top(manager: "Client", out: Output, *, every: float, once: bool) -> None:
    """Show what waits, how fast it goes and who works; live, until q or Ctrl-C.

    \b
    Examples:
      jsonrpc-qm top
      jsonrpc-qm top --once | head -20
    """
    overview = _look(manager)
    if out.as_json:
        out.document(overview._asdict())
    elif once or not out.on_terminal:
        out.table(overview.table(width=console().width if out.on_terminal else None))
    else:
        _live(manager, overview, every)


def _look(manager: "Client") -> "Overview":
    from jsonrpc_qm.cli.overview import Overview

    running = manager.list_tasks(status="started", limit=RUNNING_SHOWN)
    return Overview(manager.stats(), manager.workers(), running.tasks, manager.rates())


def _live(manager: "Client", overview: "Overview", every: float) -> None:
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    screen = console()
    said: list[Any] = []

    def painted() -> Any:
        return Group(overview.table(screen.height - len(said), screen.width), *said)

    try:
        with _keys() as pressed, Live(painted(), console=screen, screen=True) as live:
            while not pressed("q", every):
                try:
                    overview, said = _look(manager), []
                except Unavailable as error:
                    # It may come back, as after a restart.
                    said = [Text(str(error), style="red")]
                live.update(painted(), refresh=True)
    except KeyboardInterrupt:
        # The other way to leave, so no error.
        return


@contextmanager
def _keys() -> Iterator[Any]:
    """Whether a key was pressed within so many seconds, without Enter."""
    if not sys.stdin.isatty():

        def nobody(key: str, seconds: float) -> bool:
            time.sleep(seconds)
            return False

        yield nobody
        return
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)

    def pressed(key: str, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if not select.select([keyboard], [], [], left)[0]:
                break
            typed = os.read(keyboard, 64).decode(errors="replace").lower()
            # Nothing at all: the terminal has gone.
            if key in typed or not typed:
                return True
        return False

    tty.setcbreak(keyboard)
    try:
        yield pressed
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
