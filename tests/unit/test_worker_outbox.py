"""Outcomes on their way: sent until answered, one that spoils a report set apart."""

from typing import Any

import pytest

from jsonrpc_qm.errors import (
    Conflict,
    InternalError,
    InvalidParams,
    LeaseLost,
    TooLarge,
    Unavailable,
)
from jsonrpc_qm.worker import outbox as module
from jsonrpc_qm.worker.attempt import Attempt
from jsonrpc_qm.worker.link import Link
from jsonrpc_qm.worker.outbox import Outbox
from jsonrpc_qm.worker.outcome import Outcome, completed
from tests.unit.worker_fakes import FakeManager, an_attempt, away


@pytest.fixture
def manager() -> FakeManager:
    return FakeManager()


@pytest.fixture
def outbox(manager: FakeManager) -> Outbox:
    return Outbox(manager.source(), "w1", Link())


def fill(manager: FakeManager, outbox: Outbox, count: int) -> list[Attempt]:
    """Claim so many tasks, and have them completed with their number as the result."""
    for number in range(count):
        manager.queue(id=f"t{number}")
    attempts = []
    for number, task in enumerate(manager.source().claim(["mail"], max_tasks=count)):
        attempts.append(an_attempt(id=task.id, token=task.token))
        outbox.add(attempts[-1], completed(attempts[-1].task, number))
    return attempts


def deliver_all(outbox: Outbox) -> None:
    while outbox:
        outbox.deliver(None, 0)


def test_a_delivery_brings_the_next_tasks_along(manager: FakeManager, outbox: Outbox) -> None:
    """One call for both."""
    fill(manager, outbox, 3)
    manager.queue(id="next")
    assert [task.id for task in outbox.deliver(["mail"], 5)] == ["next"]
    assert len(manager.reports) == 1
    assert [manager.tasks[f"t{n}"].result for n in range(3)] == [0, 1, 2]


def test_a_delivery_without_names_takes_nothing(manager: FakeManager, outbox: Outbox) -> None:
    """The manager is not asked."""
    fill(manager, outbox, 1)
    manager.queue(id="next")
    assert outbox.deliver(None, 0) == []
    assert manager.tasks["next"].status == "queued"


@pytest.mark.parametrize("error", [away(), InternalError(), ConnectionResetError()])
def test_outcomes_are_kept_while_the_manager_can_not_take_them(
    manager: FakeManager, outbox: Outbox, error: Exception
) -> None:
    """In their order, and they are sent again with the same tokens."""
    attempts = fill(manager, outbox, 3)
    manager.error = error
    with pytest.raises(type(error)):
        outbox.deliver(["mail"], 5)
    assert len(outbox) == 3
    assert outbox.attempts() == attempts
    manager.error = None
    outbox.deliver(None, 0)
    assert not outbox
    assert [outcome["id"] for outcome in manager.reports[0]] == ["t0", "t1", "t2"]


@pytest.mark.parametrize("error", [TooLarge(), InvalidParams(), TypeError(), ValueError()])
def test_one_outcome_that_spoils_a_report_holds_no_other_back(
    manager: FakeManager, outbox: Outbox, error: Exception
) -> None:
    """It is found by halving, and its task fails with the reason."""
    fill(manager, outbox, 9)
    manager.choke = lambda outcome: error if outcome.get("result") == 4 else None
    deliver_all(outbox)
    assert manager.tasks["t4"].status == "failed"
    told = manager.tasks["t4"].error
    assert told is not None
    assert told["type"] == type(error).__name__
    assert manager.reports[-1] == [
        {
            "id": "t4",
            "token": manager.tasks["t4"].token,
            "status": "failed",
            "error": told,
            "retry": False,
        }
    ]
    assert [t.status for t in manager.tasks.values()].count("completed") == 8


def test_what_was_delivered_before_the_manager_went_is_not_sent_again(
    manager: FakeManager, outbox: Outbox
) -> None:
    """When a report is halved, the halves are separate calls."""
    fill(manager, outbox, 4)
    first_half = {"t0", "t1"}

    def choke(outcome: Any) -> Exception | None:
        if manager.reports and outcome["id"] not in first_half:
            return away()
        return TooLarge() if outcome["id"] == "t3" else None

    manager.choke = choke
    with pytest.raises(Unavailable):
        outbox.deliver(None, 0)
    assert {outcome["id"] for outcome in manager.reports[0]} == first_half
    assert [attempt.task.id for attempt in outbox.attempts()] == ["t2", "t3"]


def test_a_result_that_the_manager_finds_too_large_fails_its_task(
    manager: FakeManager, outbox: Outbox
) -> None:
    """For good, since the next attempt would end alike."""
    fill(manager, outbox, 2)
    manager.refuse = lambda outcome: (
        TooLarge.of("result", limit=5, size=9) if outcome.get("result") == 1 else None
    )
    deliver_all(outbox)
    error = manager.tasks["t1"].error
    assert error is not None
    assert error["type"] == "TooLarge"
    assert manager.reports[-1][0]["retry"] is False
    assert manager.tasks["t0"].status == "completed"


@pytest.mark.parametrize("refusal", [LeaseLost.of("t0", "completed"), LeaseLost.of("t0", "queued")])
def test_an_outcome_whose_lease_is_lost_is_dropped(
    manager: FakeManager, outbox: Outbox, refusal: LeaseLost
) -> None:
    """Somebody else has the task, or it is finished."""
    fill(manager, outbox, 1)
    manager.refuse = lambda outcome: refusal
    outbox.deliver(None, 0)
    assert not outbox


def test_an_outcome_refused_for_now_is_sent_again(manager: FakeManager, outbox: Outbox) -> None:
    """Unavailable for one member is no refusal of it."""
    fill(manager, outbox, 1)
    manager.refuse = lambda outcome: Unavailable.of("busy") if len(manager.reports) < 3 else None
    deliver_all(outbox)
    assert len(manager.reports) == 3
    assert manager.tasks["t0"].status == "completed"


def test_a_task_that_nothing_can_end_is_left_to_its_lease(
    manager: FakeManager, outbox: Outbox
) -> None:
    """The failure that stands in for a refused outcome is not replaced in turn."""
    fill(manager, outbox, 1)
    manager.refuse = lambda outcome: Conflict.of("x")
    deliver_all(outbox)
    assert [outcome["status"] for [outcome] in manager.reports] == ["completed", "failed"]


def test_large_results_go_in_several_reports(
    manager: FakeManager, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request stays well below the manager's limit, unless a single outcome is above."""
    monkeypatch.setattr(module, "MAX_BATCH_BYTES", 100)
    for attempt in fill(manager, Outbox(manager.source(), "w1", Link()), 5):
        wire = completed(attempt.task, None).wire
        outbox.add(attempt, Outcome(wire, 200 if attempt.task.id == "t4" else 50))
    deliver_all(outbox)
    assert [len(report) for report in manager.reports] == [2, 2, 1]


def test_a_report_has_a_bounded_number_of_outcomes(manager: FakeManager, outbox: Outbox) -> None:
    """However many have gathered while the manager was away."""
    fill(manager, outbox, 2500)
    deliver_all(outbox)
    assert [len(report) for report in manager.reports] == [1000, 1000, 500]
