"""The main object of the Python face: what it is given, and what it says."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from jsonrpc_qm import QueueManager


@contextmanager
def no_logging() -> Iterator[logging.Logger]:
    """The root logger of a script that has set up no logging."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()
    root.setLevel(logging.WARNING)
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def qm() -> QueueManager:
    """One with a worker."""
    made = QueueManager("memory:")
    made.register_worker("add", lambda a, b: a + b)
    return made


def test_a_script_that_works_logs_as_the_command_does(
    qm: QueueManager, capsys: pytest.CaptureFixture[str]
) -> None:
    """For as long as it works; then its logging is as it was."""
    level = logging.getLogger("urllib3").level
    with no_logging() as root:
        qm.work(burst=True, worker_name="w")
        assert (root.handlers, root.level) == ([], logging.WARNING)
    assert "INFO    jsonrpc_qm.worker: worker w serves add" in capsys.readouterr().err
    assert logging.getLogger("urllib3").level == level


@pytest.mark.parametrize("name", ["", "jsonrpc_qm"])
def test_logging_of_its_own_is_left_alone(
    qm: QueueManager, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """Whether the script has set it up for everything, or for this package."""
    handler = logging.NullHandler()
    with no_logging():
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        qm.work(burst=True)
        assert logger.handlers == [handler]
        logger.removeHandler(handler)
    assert capsys.readouterr().err == ""
