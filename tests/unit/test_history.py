"""What a record tells of what has happened to its task."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from jsonrpc_qm.errors import QueueError
from jsonrpc_qm.history import LONGEST_REASON, MOST_KEPT, Transition, transitions_of, why
from jsonrpc_qm.jsontext import from_python
from jsonrpc_qm.record import Record, public_status
from jsonrpc_qm.transitions import Cancel, Complete, Elapse, Extend, Fail, Release, Retry
from tests.records import (
    DAY,
    ERROR,
    NOW,
    a_record,
    cancel,
    complete,
    fail,
    lose,
    release,
    take,
)

QUEUED = Transition(NOW, None, "queued")
STARTED = Transition(NOW, "queued", "started", "w")


def test_a_task_that_waits_was_queued() -> None:
    """Also when it was scheduled: the outside knows no such state."""
    assert transitions_of(a_record()) == [QUEUED]
    assert transitions_of(a_record(run_at=NOW + 1)) == [QUEUED]


def test_a_task_that_runs_once_keeps_nothing() -> None:
    """Its record tells all of it: the way that nearly all tasks go costs nothing."""
    taken = take(a_record())
    done = replace(complete(taken), finished_at=NOW + 3)
    assert (taken.history, done.history) == (None, None)
    assert transitions_of(taken) == [QUEUED, STARTED]
    assert transitions_of(done) == [
        QUEUED,
        STARTED,
        Transition(NOW + 3, "started", "completed", "w"),
    ]


def test_each_attempt_tells_how_it_ended() -> None:
    """The reason is the error in a line, or what else took the task from its worker."""
    record = fail(take(release(take(lose(a_record())))))
    assert [(t.to, t.worker, t.reason) for t in transitions_of(record)[1:]] == [
        ("started", "w", None),
        ("queued", "w", "lease expired"),
        ("started", "w", None),
        ("queued", "w", "released"),
        ("started", "w", None),
        ("queued", "w", "E: no"),
    ]


def test_a_final_failure_tells_its_error() -> None:
    """And what an operator makes of it afterwards."""
    failed = fail(take(a_record()), retry=False)
    assert transitions_of(failed)[-1] == Transition(NOW, "started", "failed", "w", "E: no")
    retried = Retry(id="a").apply(failed, NOW + 5)
    assert transitions_of(retried)[-2:] == [
        Transition(NOW, "started", "failed", "w", "E: no"),
        Transition(NOW + 5, "failed", "queued", None, "retried"),
    ]


def test_who_cancels_what_runs_is_in_it() -> None:
    """The request, and what came of it."""
    asked = Cancel(id="a").apply(take(a_record()), NOW + 1)
    assert transitions_of(asked)[-1] == Transition(
        NOW + 1, "started", "started", "w", "cancel requested"
    )
    assert transitions_of(release(asked))[-1] == Transition(NOW, "started", "cancelled", "w")
    assert transitions_of(cancel(a_record())) == [QUEUED, Transition(NOW, "queued", "cancelled")]


def test_a_completion_tells_what_it_queued() -> None:
    """By the ids of the tasks that follow."""
    taken = take(a_record())
    followers = (a_record("b"), a_record("c"))
    done = Complete(id="a", token=taken.token, queue=followers).apply(taken, NOW + 1)
    assert transitions_of(done)[-1].tasks == ("b", "c")
    assert [t.to for t in transitions_of(done)] == ["queued", "started", "completed"]


def test_a_task_that_is_tried_for_ever_forgets_what_was_first() -> None:
    """What it keeps has a bound, in number and in length."""
    record = a_record(max_attempts=1_000_000)
    error = from_python({"type": "E", "message": "x" * 10_000}, "error")
    assert error is not None
    for turn in range(MOST_KEPT):
        taken = take(record, NOW + turn)
        event = Fail(id="a", token=taken.token, error=error, delay=0)
        record = event.apply(taken, NOW + turn)
    found = transitions_of(record)
    assert len(found) == MOST_KEPT + 1
    assert found[0] == QUEUED
    assert found[-1].at == NOW + MOST_KEPT - 1
    assert found[-1].reason == f"E: {'x' * (LONGEST_REASON - 4)}…"


def test_only_what_is_cut_says_so() -> None:
    """A reason that just fits is whole."""
    longest = "x" * (LONGEST_REASON - 3)
    error = from_python({"type": "E", "message": longest}, "error")
    assert why(error) == f"E: {longest}"


STEPS = ("take", "complete", "fail", "give up", "release", "extend", "cancel", "retry", "wait")


def step(record: Record, what: str, now: int) -> Record:
    """What one step makes of a record; the same where it is refused."""
    id, token = record.id, record.token
    events = {
        "complete": Complete(id=id, token=token),
        "fail": Fail(id=id, token=token, error=ERROR, delay=0),
        "give up": Fail(id=id, token=token, error=ERROR, retry=False),
        "release": Release(id=id, token=token),
        "extend": Extend(id=id, token=token),
        "cancel": Cancel(id=id),
        "retry": Retry(id=id),
        "wait": Elapse(id=id),
    }
    if what == "take":
        return take(record, now, lease=3) if record.status == "queued" else record
    try:
        return events[what].apply(record, now)
    except QueueError:
        return record


@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 5)), max_size=25))
def test_transitions_lead_without_a_gap_to_where_the_task_is(steps: list[tuple[str, int]]) -> None:
    """Each begins where the one before ended, and none before it."""
    record, now = a_record(expires_at=NOW + DAY), NOW
    for what, later in steps:
        now += later
        record = step(record, what, now)
        found = transitions_of(record)
        assert found[-1].to == public_status(record.status)
        for before, after in pairwise(found):
            assert (after.before, after.at >= before.at) == (before.to, True)
