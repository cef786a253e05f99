"""Contract of `complete`: the quick way for outcomes that nearly always come, or none at all."""

import pytest

from jsonrpc_qm.moments import SECOND
from jsonrpc_qm.storage.base import Storage
from jsonrpc_qm.transitions import Cancel, Complete, Extend
from tests.records import NOW, a_record
from tests.storage.verbs import add, changed, claim, completed, get, happen, started, sweep


def complete(storage: Storage, *outcomes: Complete, now: int = NOW) -> list[bool]:
    """Complete the quick way what can be."""
    with storage.transaction():
        return storage.complete(outcomes, now)


@pytest.mark.parametrize("result", ['{"big":123456789012345678901234567890}', None])
def test_what_is_done_is_what_transition_makes_of_it(storage: Storage, result: str | None) -> None:
    """The stored record is the one that the outcome's `apply` gives."""
    taken = started(storage, "a", timeout=90 * SECOND)
    outcome = Complete(id="a", token=taken.token, result=result)
    assert complete(storage, outcome, now=NOW + 5) == [True]
    assert get(storage, "a") == outcome.apply(taken, NOW + 5)


def test_progress_and_a_requested_cancel_do_not_hold_it_back(storage: Storage) -> None:
    """A task that was changed while it ran is completed all the same, and keeps what it had."""
    taken = started(storage, "a")
    changed(storage, Extend(id="a", token=taken.token, progress='"half"', has_progress=True))
    running = changed(storage, Cancel(id="a"))
    outcome = Complete(id="a", token=taken.token)
    assert complete(storage, outcome) == [True]
    assert get(storage, "a") == outcome.apply(running, NOW)


def test_what_needs_a_second_look_is_left_as_it_is(storage: Storage) -> None:
    """A stale token, a task that is queued, finished or not there, and one with tasks to follow."""
    stale = started(storage, "stale")
    finished = completed(storage, "finished")
    add(storage, a_record("queued"))
    leading = started(storage, "leading", name="leading")
    lost = started(storage, "lost", name="lost", lease=SECOND)
    sweep(storage, now=NOW + SECOND)
    outcomes = [
        Complete(id="stale", token=stale.token - 1),
        Complete(id="finished", token=finished.token),
        Complete(id="queued", token=1),
        Complete(id="nobody", token=1),
        Complete(id="leading", token=leading.token, queue=(a_record("next"),)),
        Complete(id="lost", token=lost.token),
    ]
    before = [get(storage, outcome.id) for outcome in outcomes if outcome.id != "nobody"]
    for outcome in outcomes:
        assert complete(storage, outcome, now=NOW + SECOND) == [False]
    assert [get(storage, o.id) for o in outcomes if o.id != "nobody"] == before


def test_several_outcomes_of_a_task_are_left_to_transition(storage: Storage) -> None:
    """An outcome sent twice at the same time happens once, and counts once."""
    taken = started(storage, "a")
    outcome = Complete(id="a", token=taken.token)
    assert complete(storage, *[outcome] * 12) == [False] * 12
    happen(storage, *[outcome] * 12)
    assert storage.stats(NOW)["mail"].completed == 1
    assert storage.stats(NOW)["mail"].started == 0


def test_among_hundreds_those_that_are_done_are_stored_and_counted(storage: Storage) -> None:
    """What is answered with True is completed, all else is untouched."""
    add(storage, *(a_record(f"t{number}") for number in range(250)))
    taken = claim(storage, "mail", max_tasks=250)
    outcomes = [
        Complete(id=record.id, token=record.token - (number == 120), result=str(number))
        for number, record in enumerate(taken)
    ]
    done = complete(storage, *outcomes, now=NOW + 7)
    assert done[120] is False
    assert done[0]
    assert done[249]
    for record, outcome, quick in zip(taken, outcomes, done, strict=True):
        expected = outcome.apply(record, NOW + 7) if quick else record
        assert get(storage, record.id) == expected
    counted = storage.stats(NOW + 7)["mail"]
    assert (counted.completed, counted.started) == (sum(done), 250 - sum(done))
