"""What a worker's log says of its attempts."""

import logging
from typing import Any

import pytest

from jsonrpc_qm.cli.logs import TextLines
from tests.unit.worker_fakes import FakeManager, working


def mail(text: str) -> str:
    if text == "secret":
        raise ValueError("no such address")
    return text.upper()


async def amail(text: str) -> str:
    return mail(text)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The lines about tasks, as `work` writes them, without their times."""
    lines = [TextLines().format(record) for record in caplog.records]
    return [line.partition("Z ")[2] for line in lines if "mail t" in line]


@pytest.mark.parametrize("function", [mail, amail])
def test_at_the_level_debug_each_attempt_is_told(
    caplog: pytest.LogCaptureFixture, function: Any
) -> None:
    """From its start to its end, with the seconds; without parameters and results."""
    caplog.set_level(logging.DEBUG, "jsonrpc_qm.worker")
    manager, name = FakeManager(), function.__name__
    with working(manager, function):
        manager.finished(manager.queue(name, ["hello"]))
    started, completed = said(caplog)
    assert started == f"DEBUG   jsonrpc_qm.worker: {name} t1 started, attempt 1"
    assert completed.startswith(f"DEBUG   jsonrpc_qm.worker: {name} t1 completed in 0.0")
    assert "hello" not in caplog.text.lower()


@pytest.mark.parametrize(("level", "lines"), [(logging.DEBUG, 5), (logging.INFO, 1)])
def test_a_failed_attempt_is_a_line_and_its_traceback_is_for_debugging(
    caplog: pytest.LogCaptureFixture, level: int, lines: int
) -> None:
    """The traceback follows the line that it belongs to."""
    caplog.set_level(level, "jsonrpc_qm.worker")
    manager = FakeManager()
    with working(manager, mail):
        manager.finished(manager.queue("mail", ["secret"]))
    first, *trace = said(caplog)[-1].splitlines()
    assert first.startswith("WARNING jsonrpc_qm.worker: mail t1 failed, attempt 1, after 0.0")
    assert first.endswith(" s: ValueError: no such address")
    assert len(trace) + 1 == lines
    if trace:
        assert (trace[0], trace[-1]) == (
            "Traceback (most recent call last):",
            "ValueError: no such address",
        )


def test_what_is_given_back_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """A task that never started has no start in the log."""
    caplog.set_level(logging.DEBUG, "jsonrpc_qm.worker")
    manager = FakeManager()
    with working(manager, mail) as worker:
        manager.wait_until(lambda: manager.waiting_claims)
        worker.runner._stopping.set()
        worker.runner.accept(manager.source().claim(["mail"], wait=0) if manager.queue() else [])
        worker.runner.abandon()
    assert said(caplog)[-1:] == ["DEBUG   jsonrpc_qm.worker: mail t1 given back"]
