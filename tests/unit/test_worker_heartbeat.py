"""Leases are kept whatever the handlers are doing, and what the manager says reaches them."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest
from msgspec import UNSET

from jsonrpc_qm.errors import TooLarge
from jsonrpc_qm.worker import heartbeat as module
from jsonrpc_qm.worker.attempt import Attempt, Stop
from jsonrpc_qm.worker.heartbeat import Heartbeat
from jsonrpc_qm.worker.link import Link
from tests.unit.worker_fakes import PATIENCE, FakeManager, an_attempt, away


class Held:
    """Attempts that a worker has."""

    def __init__(self, *attempts: Attempt) -> None:
        self.attempts = list(attempts)
        self.drained = 0

    def drain(self) -> None:
        self.drained += 1


@pytest.fixture
def manager() -> FakeManager:
    return FakeManager()


@contextmanager
def beating(manager: FakeManager, held: Held, **changes: Any) -> Iterator[Heartbeat]:
    beat = Heartbeat(
        manager.source(),
        "w1",
        Link(),
        held=lambda: held.attempts,
        is_running=changes.get("is_running", lambda attempt: True),
        drain=held.drain,
    )
    thread = Thread(target=beat.run)
    thread.start()
    try:
        yield beat
    finally:
        beat.close()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def ids(heartbeat: list[dict[str, Any]]) -> list[str]:
    return [lease["id"] for lease in heartbeat]


def test_a_lease_is_extended_again_and_again(manager: FakeManager) -> None:
    """Three times within each lease."""
    attempt = an_attempt(id="t1", token=7, lease=0.1)
    with beating(manager, Held(attempt)):
        manager.wait_until(lambda: len(manager.heartbeats) >= 5)
    assert manager.heartbeats[0] == [{"id": "t1", "token": 7}]


def test_leases_that_are_nearly_due_go_along(manager: FakeManager) -> None:
    """One call for all that began about the same time; none for those that have long."""
    held = Held(
        an_attempt(id="a", lease=0.3), an_attempt(id="b", lease=0.3), an_attempt(id="c", lease=60.0)
    )
    with beating(manager, held):
        manager.wait_until(lambda: manager.heartbeats)
    assert ids(manager.heartbeats[0]) == ["a", "b"]


def test_a_short_lease_that_begins_now_is_not_slept_over(manager: FakeManager) -> None:
    """The thread learns of it when it is asleep for long already."""
    held = Held()
    with beating(manager, held) as beat:
        held.attempts.append(an_attempt(id="t1", lease=0.1))
        beat.expect(0.1)
        manager.wait_until(lambda: manager.heartbeats)
    assert ids(manager.heartbeats[0]) == ["t1"]


def test_a_lost_lease_stops_its_attempt(manager: FakeManager) -> None:
    """It is not asked for again."""
    lost, kept = an_attempt(id="lost", lease=0.1), an_attempt(id="kept", lease=0.1)
    manager.lost = {"lost"}
    with beating(manager, Held(lost, kept)):
        manager.wait_until(lambda: len(manager.heartbeats) >= 3)
    assert lost.stopping is Stop.LOST
    assert kept.stopping is None
    assert ids(manager.heartbeats[2]) == ["kept"]


def test_a_cancellation_stops_its_attempt_and_keeps_the_lease(manager: FakeManager) -> None:
    """Until the handler has ended, nobody else should have the task."""
    attempt = an_attempt(id="t1", lease=0.1)
    manager.cancelled = {"t1"}
    with beating(manager, Held(attempt)):
        manager.wait_until(lambda: len(manager.heartbeats) >= 3)
    assert attempt.stopping is Stop.CANCELLED
    assert ids(manager.heartbeats[2]) == ["t1"]


def test_what_has_ended_meanwhile_is_not_called_lost(manager: FakeManager) -> None:
    """Its report may have overtaken the heartbeat."""
    attempt = an_attempt(id="t1", lease=0.1)
    manager.lost = {"t1"}
    with beating(manager, Held(attempt), is_running=lambda attempt: False):
        manager.wait_until(lambda: len(manager.heartbeats) >= 2)
    assert attempt.stopping is None


def test_progress_travels_soon(manager: FakeManager, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though the lease is not due for long; what is newer replaces what was not sent."""
    monkeypatch.setattr(module, "PROGRESS", 0.05)
    attempt = an_attempt(id="t1", token=7)
    context_told = []
    with beating(manager, Held(attempt)) as beat:
        context = attempt.context(lambda: context_told.append(beat.told()))
        context.progress({"done": 1})
        context.progress(None)
        manager.wait_until(lambda: manager.heartbeats)
        assert manager.heartbeats[-1][0]["progress"] is None
        context.progress(0.5)
        manager.wait_until(lambda: manager.heartbeats[-1][0].get("progress") == 0.5)
    assert attempt.progress is UNSET


def test_progress_is_kept_while_the_manager_is_away(
    manager: FakeManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It arrives with the first heartbeat after."""
    monkeypatch.setattr(module, "PROGRESS", 0.05)
    attempt = an_attempt(id="t1", lease=0.1)
    tried = []

    def refuse(error: Exception) -> float:
        tried.append(error)
        with manager.changed:
            manager.error = None
        return 0.01

    monkeypatch.setattr(Link, "failed", lambda self, error: refuse(error))
    manager.error = away()
    attempt.progress = 0.5
    with beating(manager, Held(attempt)):
        manager.wait_until(lambda: manager.heartbeats)
    assert tried
    assert manager.heartbeats[0] == [{"id": "t1", "token": 1, "progress": 0.5}]


def test_progress_that_is_refused_costs_no_lease(
    manager: FakeManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next heartbeat goes without it."""
    monkeypatch.setattr(module, "PROGRESS", 0.02)
    attempt = an_attempt(id="t1", lease=0.1)
    attempt.progress = "x" * 100
    source = manager.source()
    plain = source.heartbeat

    def heartbeat(leases: Any, **options: Any) -> Any:
        if any("progress" in lease for lease in leases):
            raise TooLarge.of("progress", limit=10, size=102)
        return plain(leases, **options)

    monkeypatch.setattr(source, "heartbeat", heartbeat)
    monkeypatch.setattr(manager, "source", lambda: source)
    with beating(manager, Held(attempt)):
        manager.wait_until(lambda: manager.heartbeats)
    assert manager.heartbeats[0] == [{"id": "t1", "token": 1}]


def test_a_worker_that_holds_nothing_learns_that_it_is_to_drain(
    manager: FakeManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is heard of now and then, without a lease."""
    monkeypatch.setattr(module, "IDLE", 0.05)
    held = Held()
    with beating(manager, held):
        manager.wait_until(lambda: manager.heartbeats)
        assert not held.drained
        manager.drain = True
        manager.wait_until(lambda: held.drained)
    assert manager.heartbeats[0] == []


def test_an_early_answer_is_followed_up(
    manager: FakeManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`hurry` sends a heartbeat soon, though none is due for long."""
    monkeypatch.setattr(module, "HURRY", 0.05)
    with beating(manager, Held()) as beat:
        beat.hurry()
        manager.wait_until(lambda: manager.heartbeats)
    assert manager.heartbeats == [[]]
