"""The events: all of task.TRANSITIONS, nothing else, and records that make sense after each."""

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jsonrpc_qm.errors import InvalidState, LeaseLost, QueueError
from jsonrpc_qm.record import UNFINISHED, Record, public_status
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
    waiting_due_at,
)
from tests.records import (
    DAY,
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

EVENTS: dict[str, tuple[dict[str, Any], int, Callable[[Record], Event]]] = {
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

LIMITS: list[dict[str, Any]] = [{}, {"max_attempts": 1}, {"max_lost": 0}]


def records_in(status: Status, **needs: Any) -> list[Record]:
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


@pytest.mark.parametrize(("status", "name"), list(product(Status, EVENTS)))
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
    event = event_of(record)
    assert event is not None
    try:
        return event.apply(record, now)
    except QueueError:
        return record


TIME = ("expire", "time out", "lose")
"""The table's names for what Elapse does."""


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


@given(new_tasks, st.lists(st.tuples(moves, st.sampled_from([0, 1, 3, 8])), max_size=25))
def test_a_record_makes_sense_whatever_happens(
    record: Record, played: list[tuple[Move, int]]
) -> None:
    """Each move is one of the table or changes no state, and leaves no contradiction."""
    now = NOW
    check(record)
    for move, passed in played:
        now += passed
        after = moved(record, move, now)
        check(after)
        assert after.token >= record.token
        status, reached = Status(public_status(record.status)), public_status(after.status)
        names = TIME if move[0] == "elapse" else (move[0],)
        assert reached == status or any(
            reached in TRANSITIONS.get((status, name), ()) for name in names
        )
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
