"""What each event makes of a record, case by case."""

from typing import Any

import pytest
from msgspec.structs import replace

from jsonrpc_qm.errors import LeaseLost
from jsonrpc_qm.jsontext import to_python
from jsonrpc_qm.moments import seconds
from jsonrpc_qm.record import SCHEDULED
from jsonrpc_qm.retry import Backoff, backoff_seconds, spread_of
from jsonrpc_qm.transitions import Complete, Elapse, Event, Extend, Fail, Release, Retry, claimed
from tests.records import (
    ERROR,
    HOUR,
    NOW,
    a_record,
    cancel,
    complete,
    fail,
    lose,
    release,
    take,
)


def test_a_claim_starts_an_attempt() -> None:
    """Attempts, token, worker, lease and timeout are those of this claim."""
    taken = claimed(a_record("a", timeout=5, lease=60), NOW + 1, worker="w", lease=None)
    assert (taken.status, taken.attempts, taken.worker) == ("started", 1, "w")
    assert (taken.token, taken.started_at, taken.updated_at) == (NOW + 1, NOW + 1, NOW + 1)
    assert (taken.lease_expires_at, taken.timeout_at, taken.due_at) == (NOW + 61, NOW + 6, NOW + 6)
    assert (taken.finished_at, taken.outcome, taken.progress) == (None, None, None)


def test_a_claim_may_bring_its_own_lease() -> None:
    """It holds for heartbeats of this claim too; the task's own comes back with the next."""
    taken = claimed(a_record("a", lease=60), NOW, worker=None, lease=7)
    extended = Extend(id="a", token=taken.token).apply(taken, NOW + 5)
    assert (taken.lease_expires_at, extended.lease_expires_at) == (NOW + 7, NOW + 12)
    again = claimed(release(extended), NOW + 6, worker=None, lease=None)
    assert again.lease_expires_at == NOW + 66


def test_a_token_is_larger_than_the_one_before_whatever_the_clock_says() -> None:
    """It is the moment of the claim, or one more than the last."""
    first = take(a_record("a"))
    assert take(release(first), NOW).token == first.token + 1
    assert take(release(first), NOW - HOUR).token == first.token + 1
    assert take(release(first), NOW + HOUR).token == NOW + HOUR


def test_a_task_that_nobody_has_claimed_has_no_token() -> None:
    """The 0 that its record keeps opens nothing."""
    events: list[Event] = [
        Complete(id="a", token=0),
        Fail(id="a", token=0, error=ERROR),
        Release(id="a", token=0),
        Extend(id="a", token=0),
    ]
    for event in events:
        with pytest.raises(LeaseLost) as refused:
            event.apply(a_record("a"), NOW)
        assert refused.value.data == {"id": "a", "status": "queued"}


def test_a_heartbeat_begins_the_lease_anew_and_never_outlasts_the_timeout() -> None:
    """The lease counts from now; the timeout counts from the claim."""
    taken = take(a_record("a", timeout=20), lease=10)
    extended = Extend(id="a", token=taken.token).apply(taken, NOW + 9)
    assert (extended.lease_expires_at, extended.due_at) == (NOW + 19, NOW + 19)
    further = Extend(id="a", token=taken.token, lease=100).apply(extended, NOW + 15)
    assert (further.lease_expires_at, further.due_at) == (NOW + 115, NOW + 20)


def test_a_heartbeat_reports_progress_or_leaves_it() -> None:
    """Without a progress the last one stays; null is a progress."""
    taken = take(a_record("a"))
    half = Extend(id="a", token=taken.token, progress='"half"', has_progress=True)
    plain = Extend(id="a", token=taken.token)
    nothing = Extend(id="a", token=taken.token, progress=None, has_progress=True)
    reported = half.apply(taken, NOW)
    assert reported.progress == '"half"'
    assert plain.apply(reported, NOW).progress == '"half"'
    assert nothing.apply(reported, NOW).progress is None


def test_a_heartbeat_of_a_lost_lease_is_refused() -> None:
    """The task waits for the next claim; only an outcome could still be taken."""
    lost = lose(a_record("a"))
    with pytest.raises(LeaseLost) as refused:
        Extend(id="a", token=lost.token).apply(lost, NOW + 2)
    assert refused.value.data == {"id": "a", "status": "queued"}


def test_a_release_leaves_no_trace_of_the_attempt() -> None:
    """It does not count, and the task keeps its place in the queue, or its delay."""
    task = a_record("a", run_at=NOW - 9)
    back = release(take(task))
    assert (back.status, back.attempts, back.run_at) == ("queued", 0, NOW - 9)
    later = Release(id="a", token=NOW, delay=5).apply(take(task), NOW + 1)
    assert (later.status, later.run_at, later.due_at) == (SCHEDULED, NOW + 6, NOW + 6)


def test_a_failed_attempt_waits_for_the_tasks_backoff() -> None:
    """The wait is that of retry.py, for this task and this failure."""
    policy = Backoff(base=10.0, factor=3.0, jitter=0.5)
    task = a_record("a", backoff='{"base":10,"factor":3,"jitter":0.5}')
    event = Fail(id="a", token=NOW, error=ERROR)
    first = event.apply(take(task), NOW)
    assert first.run_at == NOW + seconds(backoff_seconds(policy, 1, spread_of("a", 1)))
    assert (first.status, first.failures, first.error) == (SCHEDULED, 1, ERROR)
    second = replace(event, token=NOW + HOUR).apply(take(first, NOW + HOUR), NOW + HOUR)
    assert second.run_at == NOW + HOUR + seconds(backoff_seconds(policy, 2, spread_of("a", 2)))


def test_a_failed_attempt_may_say_when_it_goes_on() -> None:
    """`delay` takes the backoff's place; 0 is at once."""
    for delay, status in ((0, "queued"), (5, SCHEDULED)):
        failed = Fail(id="a", token=NOW, error=ERROR, delay=delay).apply(take(a_record("a")), NOW)
        assert (failed.status, failed.run_at) == (status, NOW + delay)


def test_the_last_attempt_that_may_fail_is_final() -> None:
    """max_attempts counts failures: lost and released claims are none."""
    record = take(release(take(lose(a_record("a", max_attempts=2)), NOW + 1)), NOW + 2)
    once = fail(record)
    assert (once.status, once.failures) == ("queued", 1)
    twice = fail(take(once, NOW + 3))
    assert (twice.status, twice.failures, twice.error) == ("failed", 2, ERROR)


@pytest.mark.parametrize(
    ("fields", "lease", "error"),
    [
        ({"max_lost": 0}, 5, "LeaseExpired"),
        ({"timeout": 5, "max_attempts": 1}, 9, "Timeout"),
        # At the same moment the timeout counts: the attempt failed.
        ({"timeout": 5, "max_attempts": 1, "max_lost": 0}, 5, "Timeout"),
    ],
)
def test_time_that_ends_an_attempt_says_why(fields: dict[str, Any], lease: int, error: str) -> None:
    """The error has a type of the protocol and a message for people."""
    failed = Elapse(id="a").apply(take(a_record("a", **fields), lease=lease), NOW + 5)
    assert failed.status == "failed"
    assert to_python(failed.error)["type"] == error
    assert to_python(failed.error)["message"]


def test_what_expires_says_so() -> None:
    """A task that nobody started in time is failed with the type Expired."""
    task = a_record("a", expires_at=NOW + 5, run_at=NOW + 3)
    assert Elapse(id="a").apply(task, NOW + 2) is task
    ripe = Elapse(id="a").apply(task, NOW + 3)
    assert (ripe.status, ripe.due_at) == ("queued", NOW + 5)
    failed = Elapse(id="a").apply(ripe, NOW + 5)
    assert (failed.status, to_python(failed.error)["type"]) == ("failed", "Expired")
    assert Elapse(id="a").apply(task, NOW + 9).status == "failed"


def test_a_lost_lease_keeps_the_last_error() -> None:
    """A lost lease is no failure: it says nothing about the work."""
    failed = fail(take(a_record("a")))
    lost = Elapse(id="a").apply(take(failed, NOW + 1, lease=1), NOW + 2)
    assert (lost.status, lost.lost, lost.failures, lost.error) == ("queued", 1, 1, ERROR)


def test_a_cancelled_attempt_that_is_completed_is_completed() -> None:
    """The work was done (protocol.md, the state machine)."""
    done = complete(cancel(take(a_record("a"))))
    assert (done.status, done.cancel_requested) == ("completed", 1)


def test_a_retry_starts_over() -> None:
    """Counts back to 0, due now, and `expires_in` no longer holds."""
    failed = fail(lose(a_record("a", expires_at=NOW + 9, priority=4)), retry=False)
    again = Retry(id="a").apply(failed, NOW + HOUR)
    assert (again.status, again.run_at, again.due_at) == ("queued", NOW + HOUR, None)
    assert (again.attempts, again.failures, again.lost) == (0, 0, 0)
    assert (again.finished_at, again.expires_at, again.priority) == (None, None, 4)
    assert again.error == ERROR


def test_a_retry_fences_whoever_had_the_task_before() -> None:
    """The old token counts for nothing, not even as a repeat."""
    failed = fail(take(a_record("a")), retry=False)
    again = Retry(id="a").apply(failed, NOW)
    events: list[Event] = [
        Complete(id="a", token=failed.token),
        Fail(id="a", token=failed.token, error=ERROR),
        Release(id="a", token=failed.token),
    ]
    for event in events:
        with pytest.raises(LeaseLost):
            event.apply(again, NOW)


def test_an_outcome_after_another_one_is_refused() -> None:
    """Only the same outcome again is a repeat; a different one comes too late."""
    released = release(take(a_record("a")))
    with pytest.raises(LeaseLost) as refused:
        complete(released)
    assert refused.value.data == {"id": "a", "status": "queued"}
    assert release(released) is released


def test_a_late_outcome_is_taken_as_if_it_had_come_in_time() -> None:
    """The lease is gone, the result is not."""
    done = complete(lose(a_record("a")))
    assert (done.status, done.attempts, done.lost) == ("completed", 1, 1)
    back = release(lose(a_record("a")))
    assert (back.status, back.attempts, back.lost) == ("queued", 0, 1)


def test_after_a_timeout_no_late_outcome_is_taken() -> None:
    """The attempt has ended: it failed."""
    timed_out = Elapse(id="a").apply(take(a_record("a", timeout=5)), NOW + 5)
    assert (timed_out.status, timed_out.failures, timed_out.lost) == (SCHEDULED, 1, 0)
    with pytest.raises(LeaseLost):
        complete(timed_out)
    with pytest.raises(LeaseLost):
        fail(timed_out)
