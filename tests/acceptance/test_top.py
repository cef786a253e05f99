"""`jsonrpc-qm top` on a terminal, as people use it."""

import signal
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.acceptance.managers import ManagerProcess
from tests.acceptance.rpc import Rpc
from tests.acceptance.terminals import Terminal


@pytest.fixture
def terminal(manager: ManagerProcess, rpc: Rpc) -> Iterator[Terminal]:
    """One on which `top` has painted, of a manager with one task."""
    rpc("queue", name="hello")
    with closing(Terminal("top", "--every", "0.1", url=manager.url)) as opened:
        opened.read_until("hello")
        yield opened


def test_it_is_live_until_q(terminal: Terminal, rpc: Rpc) -> None:
    """What is queued meanwhile is shown; the terminal is left as it was."""
    rpc("queue", name="another")
    terminal.read_until("another")
    terminal.type("q")
    assert terminal.read_to_the_end() == 0
    assert "\x1b[?1049l" in terminal.shown
    assert "Traceback" not in terminal.shown


def test_ctrl_c_is_no_error(terminal: Terminal) -> None:
    """It is the other way to leave."""
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.read_to_the_end() == 0
    assert "Traceback" not in terminal.shown


def test_a_manager_that_goes_is_told(terminal: Terminal, manager: ManagerProcess) -> None:
    """What was shown stays, and it goes on."""
    manager.kill()
    terminal.read_until("Unavailable")
    terminal.type("q")
    assert terminal.read_to_the_end() == 0
