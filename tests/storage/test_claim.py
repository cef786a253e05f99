"""Contract of `claim`: who gets which tasks, and what a claim makes of them."""

import pytest

from jsonrpc_qm.moments import SECOND
from jsonrpc_qm.record import Record
from jsonrpc_qm.storage.base import SWEEP_LIMIT, Claim, Storage
from jsonrpc_qm.transitions import Cancel, Complete, Elapse, Extend, Fail, Release, claimed
from tests.records import NOW, a_record
from tests.storage.verbs import (
    add,
    changed,
    claim,
    completed,
    get,
    happen,
    pause,
    saw,
    started,
    sweep,
)


def ids(records: list[Record]) -> list[str]:
    """Which tasks they are."""
    return [record.id for record in records]


@pytest.mark.parametrize("lease", [None, SECOND])
@pytest.mark.parametrize("worker", [None, "w1"])
@pytest.mark.parametrize("timeout", [None, 5 * SECOND, 500 * SECOND])
def test_a_claim_makes_of_a_task_what_transitions_says(
    storage: Storage, lease: int | None, worker: str | None, timeout: int | None
) -> None:
    """The record that a claim answers and stores is the one that `claimed` gives."""
    queued = a_record("a", timeout=timeout, lease=30 * SECOND)
    add(storage, queued)
    later = NOW + 3 * SECOND
    expected = claimed(queued, later, worker=worker, lease=lease)
    assert claim(storage, "mail", now=later, worker=worker, lease=lease) == [expected]
    assert get(storage, "a") == expected


def test_a_second_claim_forgets_the_first_attempt(storage: Storage) -> None:
    """A task that failed before is claimed as `claimed` says: outcome and progress anew."""
    first = started(storage, "a", backoff='{"base":0}')
    changed(storage, Extend(id="a", token=first.token, progress="1", has_progress=True))
    failed = changed(storage, Fail(id="a", token=first.token, error='{"type":"E","message":""}'))
    assert (failed.status, failed.progress) == ("queued", "1")
    expected = claimed(failed, NOW + 1, worker="w2", lease=None)
    assert claim(storage, "mail", now=NOW + 1, worker="w2") == [expected]
    assert get(storage, "a") == expected


def test_the_highest_priority_goes_first_then_the_oldest_run_at_then_the_first_stored(
    storage: Storage,
) -> None:
    """The order of a claim goes across all its names."""
    add(
        storage,
        a_record("late", run_at=NOW - 1),
        a_record("early", name="other", run_at=NOW - 9),
        a_record("stored first", name="other", run_at=NOW - 5),
        a_record("stored next", run_at=NOW - 5),
        a_record("low", priority=-1, run_at=NOW - 99),
        a_record("high", name="third", priority=1),
    )
    taken = claim(storage, "mail", "other", "third", max_tasks=10)
    assert ids(taken) == ["high", "early", "stored first", "stored next", "late", "low"]


def test_tasks_taken_one_by_one_come_in_the_same_order(storage: Storage) -> None:
    """Taking many at once or one after the other makes no difference to the order."""
    add(
        storage,
        a_record("b", priority=1, run_at=NOW - 1),
        a_record("e", name="other", run_at=NOW - 4),
        a_record("d", name="other", run_at=NOW - 5),
        a_record("c", priority=1, run_at=NOW - 1),
        a_record("a", name="other", priority=1, run_at=NOW - 2),
    )
    taken = [claim(storage, "mail", "other") for _ in range(6)]
    assert [ids(each) for each in taken] == [["a"], ["b"], ["c"], ["d"], ["e"], []]


def test_a_claim_takes_no_more_than_max_tasks(storage: Storage) -> None:
    """`max_tasks` bounds the claim as a whole, not each name."""
    add(storage, *(a_record(f"t{place}", name=f"n{place % 3}") for place in range(9)))
    assert len(claim(storage, "n0", "n1", "n2", max_tasks=4)) == 4
    assert len(claim(storage, "n0", "n1", "n2", max_tasks=1000)) == 5


def test_a_claim_takes_a_thousand(storage: Storage) -> None:
    """The largest `max_tasks` of the protocol is taken in one call."""
    group = [a_record(f"t{place}") for place in range(1_005)]
    add(storage, *group)
    assert ids(claim(storage, "mail", max_tasks=1000)) == ids(group[:1000])


def test_a_claim_takes_from_the_names_it_asks_for(storage: Storage) -> None:
    """Tasks of other names stay."""
    add(storage, a_record("a"), a_record("b", name="other"))
    assert ids(claim(storage, "other", "third", max_tasks=9)) == ["b"]


def test_a_name_asked_for_twice_counts_once(storage: Storage) -> None:
    """Repeating a name neither repeats tasks nor changes the order."""
    add(storage, a_record("a"), a_record("b", name="other"), a_record("c"))
    assert ids(claim(storage, "mail", "other", "mail", max_tasks=9)) == ["a", "b", "c"]


def test_a_claim_may_ask_for_five_hundred_names(storage: Storage) -> None:
    """The longest list of names of the protocol is one claim."""
    add(storage, a_record("first", name="n0"), a_record("last", name="n499"))
    names = [f"n{place}" for place in range(500)]
    assert ids(claim(storage, *names, max_tasks=9)) == ["first", "last"]


def test_a_claim_that_finds_nothing_is_empty(storage: Storage) -> None:
    """No tasks, no names with tasks: an empty list."""
    assert claim(storage, "mail") == []
    assert claim(storage) == []


@pytest.mark.parametrize("state", ["started", "completed", "failed", "cancelled", "scheduled"])
def test_only_queued_tasks_are_taken(storage: Storage, state: str) -> None:
    """A task that is held, finished or not yet due is left alone."""
    if state == "scheduled":
        add(storage, a_record("a", run_at=NOW + 1))
    elif state == "cancelled":
        add(storage, a_record("a"))
        changed(storage, Cancel(id="a"))
    elif state == "failed":
        token = started(storage, "a").token
        changed(storage, Fail(id="a", token=token, error="{}", retry=False))
    elif state == "completed":
        completed(storage, "a")
    else:
        started(storage, "a")
    before = get(storage, "a")
    assert before is not None
    assert before.status == state
    assert claim(storage, "mail", max_tasks=9) == []
    assert get(storage, "a") == before


def test_claims_of_one_call_are_served_in_turn(storage: Storage) -> None:
    """Each task goes to one claim only; an earlier claim chooses before a later one."""
    add(storage, *(a_record(f"t{place}") for place in range(3)))
    claims = [
        Claim(names=("mail",), worker="w1", max_tasks=2),
        Claim(names=("other",), worker="w2"),
        Claim(names=("mail",), worker="w3", max_tasks=2),
        Claim(names=("mail",), worker="w4"),
    ]
    with storage.transaction():
        first, second, third, fourth = storage.claim(claims, NOW)
    assert (ids(first), second, ids(third), fourth) == (["t0", "t1"], [], ["t2"], [])
    assert [record.worker for record in (*first, *third)] == ["w1", "w1", "w3"]


def test_a_task_is_taken_in_the_transaction_that_stores_it(storage: Storage) -> None:
    """A waiting claim can be served by the commit that stores its task."""
    with storage.transaction():
        storage.add([[a_record("a")]], NOW)
        [taken] = storage.claim([Claim(names=("mail",))], NOW)
    assert ids(taken) == ["a"]
    assert get(storage, "a") == taken[0]


def test_a_paused_name_is_passed_over(storage: Storage) -> None:
    """A claim of paused and other names gets the others' tasks."""
    add(storage, a_record("a", priority=9), a_record("b", name="other"))
    pause(storage, "mail")
    assert claim(storage, "mail") == []
    assert ids(claim(storage, "mail", "other", max_tasks=9)) == ["b"]


def test_a_resumed_name_is_claimed_from_again(storage: Storage) -> None:
    """Pausing or resuming twice changes nothing more."""
    add(storage, a_record("a"))
    for paused in (True, True, False, False):
        pause(storage, "mail", paused)
    assert ids(claim(storage, "mail")) == ["a"]


def test_a_claim_ripens_what_is_due(storage: Storage) -> None:
    """A task is claimable from its `run_at` on, though no sweep has come by."""
    add(storage, a_record("a", run_at=NOW + 10))
    assert claim(storage, "mail", now=NOW + 9) == []
    assert ids(claim(storage, "mail", now=NOW + 10)) == ["a"]


def test_a_claim_takes_what_another_worker_lost(storage: Storage) -> None:
    """A lease that has run out by now is lost, though no sweep has come by."""
    first = started(storage, "a", lease=10)
    assert claim(storage, "mail", now=NOW + 9) == []
    [second] = claim(storage, "mail", now=NOW + 10)
    assert (second.attempts, second.lost) == (2, 1)
    assert second.token > first.token


def test_an_expired_task_is_never_taken(storage: Storage) -> None:
    """Not started before `expires_in` had passed: failed, also when a claim comes first."""
    add(storage, a_record("a", expires_at=NOW + 10))
    assert claim(storage, "mail", now=NOW + 10) == []
    expired = get(storage, "a")
    assert expired is not None
    assert expired.status == "failed"


def test_an_expired_task_is_not_taken_when_more_are_due_than_one_sweep_moves(
    storage: Storage,
) -> None:
    """What the claim's sweep did not come to is not given away either."""
    expired = [a_record(f"t{place}", expires_at=NOW + 10) for place in range(SWEEP_LIMIT + 5)]
    add(storage, *expired, a_record("fresh"))
    taken = claim(storage, "mail", now=NOW + 10, max_tasks=1000)
    assert ids(taken) == ["fresh"]


def test_a_task_that_was_started_once_does_not_expire(storage: Storage) -> None:
    """`expires_in` is about the first start only."""
    add(storage, a_record("a", expires_at=NOW + 10, lease=5))
    assert ids(claim(storage, "mail", now=NOW + 9)) == ["a"]
    assert ids(claim(storage, "mail", now=NOW + 20)) == ["a"]


def test_a_released_task_expires_like_one_that_was_never_started(storage: Storage) -> None:
    """A released claim does not count, so `expires_in` holds again."""
    taken = started(storage, "a", expires_at=NOW + 10)
    changed(storage, Release(id="a", token=taken.token))
    assert claim(storage, "mail", now=NOW + 10) == []


def test_tokens_grow_though_the_clock_stands_still(storage: Storage) -> None:
    """Each claim of a task has a larger token than all before it."""
    tokens = [started(storage, "a").token]
    for _ in range(3):
        happen(storage, Release(id="a", token=tokens[-1]))
        tokens += [record.token for record in claim(storage, "mail", now=NOW)]
    assert len(tokens) == 4
    assert tokens == sorted(set(tokens))


def test_tokens_grow_though_the_clock_goes_back(storage: Storage) -> None:
    """The fence holds when the clock is set back."""
    first = started(storage, "a")
    changed(storage, Release(id="a", token=first.token))
    [second] = claim(storage, "mail", now=NOW - 99 * SECOND)
    assert second.token > first.token


def test_a_task_stored_again_after_its_deletion_has_a_larger_token(storage: Storage) -> None:
    """The token of a deleted task does not open a new one with its id."""
    first = completed(storage, "a")
    with storage.transaction():
        storage.delete(["a"])
    second = started(storage, "a", now=NOW + 1)
    assert second.token > first.token


def test_a_draining_worker_gets_nothing(storage: Storage) -> None:
    """Who is asked to drain takes no more; others do."""
    add(storage, a_record("a"), a_record("b"))
    saw(storage, "w1", "mail")
    with storage.transaction():
        assert storage.drain("w1", NOW)
    assert claim(storage, "mail", worker="w1") == []
    assert ids(claim(storage, "mail", worker="w2")) == ["a"]
    assert ids(claim(storage, "mail")) == ["b"]


def test_a_claim_sweeps_though_nobody_can_take_anything(storage: Storage) -> None:
    """The sweep of a claim goes over all names, and is done for an empty claim too."""
    lost = started(storage, "a", lease=10)
    assert claim(storage, "other", now=NOW + 10) == []
    swept = get(storage, "a")
    assert swept is not None
    assert swept == Elapse(id="a").apply(lost, NOW + 10)
    assert (swept.status, swept.lost) == ("queued", 1)
    assert sweep(storage, NOW + 10).records == []


def test_a_completed_claim_is_not_taken_again(storage: Storage) -> None:
    """What was completed in time stays so when its lease would have run out."""
    taken = started(storage, "a", lease=10)
    changed(storage, Complete(id="a", token=taken.token), now=NOW + 9)
    assert claim(storage, "mail", now=NOW + 20) == []
