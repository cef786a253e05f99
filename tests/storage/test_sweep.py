"""Contract of `sweep`: what time alone changes, what is ready then, and when to come again."""

import pytest
from msgspec.structs import replace

from jsonrpc_qm.moments import SECOND
from jsonrpc_qm.storage.base import SWEEP_LIMIT, Claim, Storage, Swept
from jsonrpc_qm.transitions import Cancel, Elapse, Extend, Fail, Release, Retry
from tests.records import NOW, a_record
from tests.storage.verbs import add, changed, claim, completed, get, happen, pause, started, sweep


def test_a_sweep_of_nothing_finds_nothing(storage: Storage) -> None:
    """An empty storage has nothing due, nothing ready, and no moment to wait for."""
    assert sweep(storage) == Swept(records=[], ready={}, next_due=None)


def test_a_ripe_task_becomes_queued(storage: Storage) -> None:
    """At its `run_at` a scheduled task counts as ready; before, only as what to wait for."""
    scheduled = a_record("a", run_at=NOW + 10)
    add(storage, scheduled)
    assert sweep(storage, NOW + 9) == Swept(records=[], ready={}, next_due=NOW + 10)
    ripe = replace(scheduled, status="queued", due_at=None)
    assert sweep(storage, NOW + 10) == Swept(records=[ripe], ready={"mail": 1}, next_due=None)
    assert get(storage, "a") == ripe


def test_a_lost_task_is_due_again_at_once(storage: Storage) -> None:
    """A lease that has run out gives its task back."""
    taken = started(storage, "a", lease=10)
    lost = Elapse(id="a").apply(taken, NOW + 10)
    assert (lost.status, lost.lost) == ("queued", 1)
    assert sweep(storage, NOW + 9) == Swept(records=[], ready={}, next_due=NOW + 10)
    assert sweep(storage, NOW + 10) == Swept(records=[lost], ready={"mail": 1}, next_due=None)
    assert get(storage, "a") == lost


def test_a_task_lost_too_often_fails(storage: Storage) -> None:
    """More lost leases than `max_lost` allows end it."""
    taken = started(storage, "a", lease=10, max_lost=0)
    [failed] = sweep(storage, NOW + 10).records
    assert failed == Elapse(id="a").apply(taken, NOW + 10)
    assert failed.status == "failed"
    assert get(storage, "a") == failed


def test_a_lost_task_that_was_to_be_cancelled_is_cancelled(storage: Storage) -> None:
    """Its worker is gone, so the request is granted."""
    started(storage, "a", lease=10)
    changed(storage, Cancel(id="a"))
    [cancelled] = sweep(storage, NOW + 10).records
    assert cancelled.status == "cancelled"
    assert get(storage, "a") == cancelled


def test_an_expired_task_fails(storage: Storage) -> None:
    """Not started before `expires_in` had passed: failed, and no longer ready."""
    waiting = a_record("a", expires_at=NOW + 10)
    add(storage, waiting)
    assert sweep(storage, NOW + 9) == Swept(records=[], ready={"mail": 1}, next_due=NOW + 10)
    failed = Elapse(id="a").apply(waiting, NOW + 10)
    assert sweep(storage, NOW + 10) == Swept(records=[failed], ready={}, next_due=None)
    assert get(storage, "a") == failed


def test_an_attempt_that_takes_too_long_fails(storage: Storage) -> None:
    """`timeout` ends an attempt although heartbeats keep its lease."""
    taken = started(storage, "a", lease=10, timeout=15, backoff='{"base":1,"jitter":0}')
    kept = changed(storage, Extend(id="a", token=taken.token), now=NOW + 9)
    assert sweep(storage, NOW + 14) == Swept(records=[], ready={}, next_due=NOW + 15)
    [failed] = sweep(storage, NOW + 15).records
    assert failed == Elapse(id="a").apply(kept, NOW + 15)
    assert (failed.status, failed.run_at) == ("scheduled", NOW + 15 + SECOND)
    assert get(storage, "a") == failed


def test_a_heartbeat_puts_the_loss_off(storage: Storage) -> None:
    """What was extended is not lost at the old moment."""
    taken = started(storage, "a", lease=10)
    changed(storage, Extend(id="a", token=taken.token), now=NOW + 9)
    assert sweep(storage, NOW + 10) == Swept(records=[], ready={}, next_due=NOW + 19)


def test_a_sweep_moves_those_first_that_are_due_longest(storage: Storage) -> None:
    """Records come in the order of their moments, those of one moment as they were stored."""
    add(
        storage,
        a_record("c", run_at=NOW + 3),
        a_record("b", run_at=NOW + 2, priority=9),
        a_record("z", run_at=NOW + 1),
        a_record("a", expires_at=NOW + 2),
        a_record("later", run_at=NOW + 4),
    )
    swept = sweep(storage, NOW + 3)
    assert [record.id for record in swept.records] == ["z", "b", "a", "c"]
    assert swept.next_due == NOW + 4


def test_a_sweep_moves_no_more_than_its_limit(storage: Storage) -> None:
    """The rest waits for the next sweep, and `next_due` says that it is due already."""
    add(storage, *(a_record(f"t{place}", run_at=NOW + 1 + place) for place in range(5)))
    first = sweep(storage, NOW + 5, limit=3)
    assert [record.id for record in first.records] == ["t0", "t1", "t2"]
    assert (first.ready, first.next_due) == ({"mail": 3}, NOW + 4)
    second = sweep(storage, NOW + 5, limit=3)
    assert [record.id for record in second.records] == ["t3", "t4"]
    assert (second.ready, second.next_due) == ({"mail": 5}, None)


def test_a_sweep_with_the_limit_nought_only_looks(storage: Storage) -> None:
    """Nothing is moved, but what is ready and due is told."""
    add(storage, a_record("a"), a_record("b", run_at=NOW + 1))
    assert sweep(storage, NOW + 1, limit=0) == Swept(
        records=[], ready={"mail": 1}, next_due=NOW + 1
    )
    assert get(storage, "b") == a_record("b", run_at=NOW + 1)


def test_a_sweep_moves_many_at_once(storage: Storage) -> None:
    """The default limit is moved whole."""
    add(storage, *(a_record(f"t{place}", run_at=NOW + 1) for place in range(SWEEP_LIMIT + 1)))
    swept = sweep(storage, NOW + 1)
    assert len(swept.records) == SWEEP_LIMIT
    assert swept.ready == {"mail": SWEEP_LIMIT}


def test_ready_counts_by_name_and_leaves_out_paused_names(storage: Storage) -> None:
    """Only what a claim could take is ready; names without such tasks are left out."""
    add(storage, a_record("a"), a_record("b"), a_record("c", name="paused"))
    add(storage, a_record("d", name="scheduled", run_at=NOW + 99))
    completed(storage, "e", name="completed")
    started(storage, "f", name="started")
    pause(storage, "paused")
    assert sweep(storage).ready == {"mail": 2}
    pause(storage, "paused", False)
    assert sweep(storage).ready == {"mail": 2, "paused": 1}


def test_ready_knows_what_its_transaction_did_before(storage: Storage) -> None:
    """A sweep counts with what was added and taken in the same transaction."""
    add(storage, a_record("a"))
    with storage.transaction():
        storage.add([[a_record("b"), a_record("c", name="other")]], NOW)
        assert storage.sweep(NOW).ready == {"mail": 2, "other": 1}
        storage.claim([Claim(names=("mail", "other"), max_tasks=2)], NOW)
        assert storage.sweep(NOW).ready == {"other": 1}
    assert sweep(storage).ready == {"other": 1}


def test_released_failed_and_retried_tasks_are_ready_again(storage: Storage) -> None:
    """Whatever puts a task back makes it ready, or scheduled until its moment."""
    tokens = {id: started(storage, id).token for id in ("a", "b", "c", "d")}
    happen(
        storage,
        Release(id="a", token=tokens["a"]),
        Release(id="b", token=tokens["b"], delay=50),
        Fail(id="c", token=tokens["c"], error="{}", delay=0),
        Fail(id="d", token=tokens["d"], error="{}", retry=False),
    )
    assert sweep(storage) == Swept(records=[], ready={"mail": 2}, next_due=NOW + 50)
    happen(storage, Retry(id="d"))
    assert sweep(storage).ready == {"mail": 3}


@pytest.mark.parametrize("ending", ["completed", "cancelled"])
def test_finished_tasks_are_never_due(storage: Storage, ending: str) -> None:
    """What was to happen to a task does not happen once it has finished."""
    if ending == "completed":
        done = completed(storage, "a", lease=10, timeout=20, expires_at=NOW + 30)
    else:
        add(storage, a_record("a", run_at=NOW + 10, expires_at=NOW + 30))
        done = changed(storage, Cancel(id="a"))
    assert sweep(storage, NOW + 99) == Swept(records=[], ready={}, next_due=None)
    assert get(storage, "a") == done


def test_a_claim_changes_what_is_due_next(storage: Storage) -> None:
    """After a claim its lease is the next moment."""
    add(storage, a_record("a", lease=10, expires_at=NOW + 99), a_record("b", run_at=NOW + 50))
    claim(storage, "mail")
    assert sweep(storage).next_due == NOW + 10
