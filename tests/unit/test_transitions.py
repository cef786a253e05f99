"""The events: all of task.TRANSITIONS, nothing else, and records that make sense after each."""

from collections.abc import Callable
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from jsonrpc_qm.errors import InvalidState, LeaseLost, QueueError
from jsonrpc_qm.jsontext import to_python
from jsonrpc_qm.moments import SECOND, seconds
from jsonrpc_qm.record import SCHEDULED, UNFINISHED, Record, public_status
from jsonrpc_qm.retry import Backoff, backoff_seconds, spread_of
from jsonrpc_qm.task import FINISHED, TRANSITIONS, Status
from jsonrpc_qm.transitions import (
    Cancel,
    Complete,
    Elapse,
    Event,
    Extend,
    Fail,
    Release,
    Retry,
    claimed,
    waiting_due_at,
)
from tests.records import NOW, a_record

HOUR = 3600 * SECOND
DAY = 24 * HOUR
ERROR = '{"type":"E","message":"no"}'


def take(record: Record, now: int = NOW, lease: int = DAY) -> Record:
    """The record as a worker holds it."""
    return claimed(record, now, worker="w", lease=lease)


def lose(record: Record) -> Record:
    """The record after a claim whose lease ran out."""
    taken = take(record, lease=1)
    return Elapse(id=record.id).apply(taken, NOW + 1)


def fail(record: Record, *, retry: bool = True) -> Record:
    event = Fail(id=record.id, token=record.token, error=ERROR, retry=retry, delay=0)
    return event.apply(record, NOW)


def complete(record: Record) -> Record:
    return Complete(id=record.id, token=record.token).apply(record, NOW)


def release(record: Record) -> Record:
    return Release(id=record.id, token=record.token).apply(record, NOW)


def cancel(record: Record) -> Record:
    return Cancel(id=record.id).apply(record, NOW)


# -- the table --------------------------------------------------------------------------------

WAYS: dict[Status, list[Callable[[Record], Record]]] = {
    Status.QUEUED: [
        lambda record: record,
        lose,
        lambda record: release(take(record)),
        lambda record: Retry(id=record.id).apply(cancel(record), NOW),
    ],
    Status.STARTED: [
        take,
        lambda record: take(lose(record), NOW + 1),
        lambda record: cancel(take(record)),
    ],
    Status.COMPLETED: [lambda record: complete(take(record))],
    Status.FAILED: [lambda record: fail(take(record), retry=False)],
    Status.CANCELLED: [
        cancel,
        lambda record: cancel(lose(record)),
        lambda record: release(cancel(take(record))),
        lambda record: fail(cancel(take(record))),
    ],
}
"""Ways that lead a new task into each state."""

LATER = NOW + 2 * DAY

EVENTS: dict[str, tuple[dict[str, int], int, Callable[[Record], Event]]] = {
    "complete": ({}, NOW, lambda record: Complete(id="a", token=record.token)),
    "fail": ({}, NOW, lambda record: Fail(id="a", token=record.token, error=ERROR)),
    "release": ({}, NOW, lambda record: Release(id="a", token=record.token)),
    "cancel": ({}, NOW, lambda record: Cancel(id="a")),
    "retry": ({}, NOW, lambda record: Retry(id="a")),
    "expire": ({"expires_at": NOW + HOUR}, NOW + HOUR, lambda record: Elapse(id="a")),
    "time out": ({"timeout": HOUR}, NOW + HOUR + 1, lambda record: Elapse(id="a")),
    "lose": ({}, LATER, lambda record: Elapse(id="a")),
}
"""What a task needs for the event to be possible, when it happens, and the event."""

REFUSALS: dict[str, type[QueueError]] = {
    "complete": LeaseLost,
    "fail": LeaseLost,
    "release": LeaseLost,
    "cancel": InvalidState,
    "retry": InvalidState,
}
"""How what is not in the table is refused; time just does nothing."""

LIMITS: list[dict[str, int]] = [{}, {"max_attempts": 1}, {"max_lost": 0}]


def records_in(status: Status, **needs: int) -> list[Record]:
    """Tasks in a state, by all ways that lead there, under different limits."""
    found = []
    for way, limits in product(WAYS[status], LIMITS):
        try:
            record = way(a_record("a", **needs, **limits))
        except QueueError:
            continue
        if public_status(record.status) == status:
            found.append(record)
    return found


@pytest.mark.parametrize(("status", "name"), product(Status, EVENTS))
def test_events_lead_where_the_table_says_and_nowhere_else(status: Status, name: str) -> None:
    """All pairs of a state and an event: those of TRANSITIONS happen, the others are refused."""
    needs, moment, event_of = EVENTS[name]
    reached: set[str] = set()
    refusals: set[type] = set()
    for record in records_in(status, **needs):
        try:
            after = event_of(record).apply(record, moment)
        except QueueError as refusal:
            refusals.add(type(refusal))
        else:
            # What is sent again, and time that changes nothing, gives the same record back.
            if after is not record:
                reached.add(public_status(after.status))
    assert reached == TRANSITIONS.get((status, name), frozenset())
    assert refusals <= {REFUSALS.get(name)}


@pytest.mark.parametrize("status", Status)
def test_the_walk_has_been_in_every_state(status: Status) -> None:
    """The test above tries each state, under each set of limits where it can be reached."""
    assert len(records_in(status)) >= 2
    assert {public_status(record.status) for record in records_in(status)} == {status}


def test_only_queued_tasks_are_claimed() -> None:
    """A claim is no event that a record could refuse: storages look for queued tasks only."""
    claims = {pair: reached for pair, reached in TRANSITIONS.items() if pair[1] == "claim"}
    assert claims == {(Status.QUEUED, "claim"): frozenset({Status.STARTED})}
    assert take(a_record("a")).status == "started"


def test_the_table_and_the_walk_know_the_same_events() -> None:
    """An event that is added to the table is added here."""
    assert {name for _, name in TRANSITIONS} == {*EVENTS, "claim"}


# -- random walks -----------------------------------------------------------------------------

new_tasks = st.builds(
    lambda delay, expires_in, **fields: a_record(
        "a",
        run_at=NOW + delay,
        expires_at=None if expires_in is None else NOW + expires_in,
        **fields,
    ),
    delay=st.sampled_from([-5, 0, 7]),
    expires_in=st.sampled_from([None, 9, 50]),
    max_attempts=st.integers(1, 3),
    max_lost=st.integers(0, 2),
    lease=st.sampled_from([4, 15]),
    timeout=st.sampled_from([None, 3, 20]),
    backoff=st.sampled_from([None, '{"base":0}', '{"base":0.000004}']),
)
Move = tuple[str, Callable[[Record], Event | None]]
moves: st.SearchStrategy[Move] = st.one_of(
    st.just(("claim", lambda record: None)),
    st.just(("complete", lambda record: Complete(id="a", token=record.token, result="1"))),
    st.builds(
        lambda retry, delay: (
            "fail",
            lambda record: Fail(id="a", token=record.token, error=ERROR, retry=retry, delay=delay),
        ),
        st.booleans(),
        st.sampled_from([None, 0, 6]),
    ),
    st.builds(
        lambda delay: (
            "release",
            lambda record: Release(id="a", token=record.token, delay=delay),
        ),
        st.sampled_from([None, 6]),
    ),
    st.just(("extend", lambda record: Extend(id="a", token=record.token))),
    st.just(("cancel", lambda record: Cancel(id="a"))),
    st.just(("retry", lambda record: Retry(id="a"))),
    st.just(("elapse", lambda record: Elapse(id="a"))),
)


def moved(record: Record, move: Move, now: int) -> Record:
    """The record after a move; the same one when it is refused."""
    name, event_of = move
    if name == "claim":
        return take(record, now, lease=record.lease) if record.status == "queued" else record
    # A worker's token comes from a claim: one that nobody claimed has none.
    event = event_of(record)
    if record.token == 0 and name in ("complete", "fail", "release", "extend"):
        return record
    assert event is not None
    try:
        return event.apply(record, now)
    except QueueError:
        return record


def check(record: Record) -> None:
    """What holds of every record."""
    started = record.status == "started"
    finished = record.status in FINISHED
    assert (record.lease_expires_at is not None) == started
    assert record.timeout_at is None or started
    assert not (record.cancel_requested and record.status in UNFINISHED and not started)
    assert 0 <= record.failures <= min(record.attempts, record.max_attempts)
    assert 0 <= record.lost <= record.max_lost + 1
    assert record.result is None or record.status == "completed"
    if started:
        ends = [moment for moment in (record.lease_expires_at, record.timeout_at) if moment]
        assert record.due_at == min(ends)
    elif finished:
        assert record.due_at is None
        assert record.finished_at == record.updated_at
    else:
        assert record.due_at == waiting_due_at(record)
        assert record.finished_at is None or record.attempts + record.lost > 0 or record.outcome


@given(new_tasks, st.lists(st.tuples(moves, st.sampled_from([0, 1, 3, 8])), max_size=25))
def test_a_record_makes_sense_whatever_happens(
    record: Record, played: list[tuple[Move, int]]
) -> None:
    """Each move is one of the table or changes no state, and leaves a record without contradiction."""
    now = NOW
    targets = {
        (status, to) for (status, _), reached in TRANSITIONS.items() for to in (*reached, status)
    }
    check(record)
    for move, passed in played:
        now += passed
        after = moved(record, move, now)
        check(after)
        assert after.token >= record.token
        assert (public_status(record.status), public_status(after.status)) in targets
        if record.status in FINISHED and after.status != record.status:
            assert move[0] == "retry"
        record = after


@given(new_tasks, st.lists(st.tuples(moves, st.sampled_from([0, 1, 3, 8])), max_size=12))
def test_one_look_at_the_clock_is_enough(record: Record, played: list[tuple[Move, int]]) -> None:
    """After Elapse nothing more is due at that moment, so a sweep never meets a task twice."""
    now = NOW
    for move, passed in played:
        now += passed
        record = moved(record, move, now)
    after = Elapse(id="a").apply(record, now + 8)
    assert after.due_at is None or after.due_at > now + 8
    assert Elapse(id="a").apply(after, now + 8) is after


# -- each event -------------------------------------------------------------------------------


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
def test_time_that_ends_an_attempt_says_why(fields: dict[str, int], lease: int, error: str) -> None:
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
    for event in (
        Complete(id="a", token=failed.token),
        Fail(id="a", token=failed.token, error=ERROR),
        Release(id="a", token=failed.token),
    ):
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
