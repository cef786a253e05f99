"""When to try again."""

import logging

import pytest

from jsonrpc_qm.errors import QueueError, Unavailable
from jsonrpc_qm.worker.link import PAUSES, Link
from tests.unit.worker_fakes import away


def test_pauses_grow_and_are_bounded() -> None:
    """From a tenth of a second to a few; the jitter spreads them."""
    link = Link()
    pauses = [link.failed(away()) for _ in range(12)]
    assert 0.05 <= pauses[0] <= 0.15
    assert all(pause <= PAUSES.max * 1.5 for pause in pauses)
    assert min(pauses[-3:]) >= PAUSES.max / 2


def test_an_answer_begins_anew() -> None:
    """After the manager's return the first pause is short again."""
    link = Link()
    for _ in range(10):
        link.failed(away())
    assert link.away
    link.answered()
    assert not link.away
    assert link.failed(away()) <= 0.15


def test_the_manager_says_how_long_to_wait() -> None:
    """`retry_after` is heeded within reason."""
    assert Link().failed(Unavailable.of("stopping", retry_after=2.0)) >= 2.0
    assert Link().failed(Unavailable.of("stopping", retry_after=3600.0)) <= PAUSES.max * 1.5


def test_going_and_coming_back_are_one_line_each(caplog: pytest.LogCaptureFixture) -> None:
    """Not one for every try."""
    caplog.set_level(logging.INFO, "jsonrpc_qm.worker")
    link = Link()
    for _ in range(5):
        link.failed(away())
    link.answered()
    link.answered()
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    assert "can't be reached" in told[0]
    assert "back after" in told[1]


def test_once_a_minute_it_says_why_it_still_tries(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the latest reason, which may be another than the first."""
    now = 100.0
    monkeypatch.setattr("jsonrpc_qm.worker.link.monotonic", lambda: now)
    link = Link()
    link.failed(away())
    now += 59
    link.failed(away())
    now += 1
    link.failed(QueueError("the URL answered HTTP 404"))
    link.failed(away())
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    assert told[1].endswith("trying again: the URL answered HTTP 404")
