"""Contract of `watch`: what each transaction has done to tasks is told, counted."""

from collections import Counter
from collections.abc import Callable

import pytest

from jsonrpc_qm.moments import SECOND
from jsonrpc_qm.storage.base import Claim, Filter, Storage
from jsonrpc_qm.storage.moves import Moves
from jsonrpc_qm.transitions import Cancel, Complete, Extend, Fail, Release, Retry
from tests.records import NOW, a_record
from tests.storage.verbs import add, changed, claim, happen, started, sweep

Told = Callable[[], Counter[tuple[str, str, str]]]


@pytest.fixture
def seen(storage: Storage) -> list[Moves]:
    """What was told."""
    moves: list[Moves] = []
    storage.watch(moves.append)
    return moves


@pytest.fixture
def told(seen: list[Moves]) -> Told:
    """The moves of tasks since the last call."""

    def take() -> Counter[tuple[str, str, str]]:
        tasks = sum((moves.tasks for moves in seen), Counter[tuple[str, str, str]]())
        seen.clear()
        return tasks

    return take


def test_new_tasks_are_new_once(storage: Storage, told: Told) -> None:
    """Also scheduled ones; what is there already, or is refused, is no move."""
    add(storage, a_record("a"), a_record("b", run_at=NOW + SECOND))
    assert told() == {("mail", "new", "queued"): 1, ("mail", "new", "scheduled"): 1}
    with storage.transaction():
        storage.add([[a_record("a"), a_record("c")], [a_record("d"), a_record("a", name="x")]], NOW)
    assert told() == {("mail", "new", "queued"): 1}


def test_a_claim_tells_what_it_took(storage: Storage, seen: list[Moves], told: Told) -> None:
    """The records are those that it answered."""
    add(storage, a_record("a"), a_record("b"), a_record("c", name="other"))
    seen.clear()
    with storage.transaction():
        taken = storage.claim([Claim(names=("mail", "nobody"), max_tasks=2)], NOW + 5)
    assert [record for moves in seen for record in moves.claimed] == taken[0]
    assert told() == {("mail", "queued", "started"): 2}


def test_attempts_tell_how_long_they_took(storage: Storage, seen: list[Moves], told: Told) -> None:
    """Completed the quick way or the other, and failed ones; not those that were given back."""
    names = ("quick", "quick-too", "slow", "failed", "again", "released")
    taken = {name: started(storage, name, name=name) for name in names}
    seen.clear()
    quick = [Complete(id=n, token=taken[n].token) for n in ("quick", "quick-too")]
    with storage.transaction():
        assert storage.complete(quick, NOW + 3) == [True, True]
    happen(
        storage,
        Complete(id="slow", token=taken["slow"].token),
        Fail(id="failed", token=taken["failed"].token, error="{}", retry=False),
        Fail(id="again", token=taken["again"].token, error="{}", delay=SECOND),
        Release(id="released", token=taken["released"].token),
        now=NOW + 4,
    )
    ran = sum((moves.ran for moves in seen), Counter[tuple[str, int]]())
    assert ran == {
        ("quick", 3): 1,
        ("quick-too", 3): 1,
        ("slow", 4): 1,
        ("failed", 4): 1,
        ("again", 4): 1,
    }
    assert told() == {
        ("quick", "started", "completed"): 1,
        ("quick-too", "started", "completed"): 1,
        ("slow", "started", "completed"): 1,
        ("failed", "started", "failed"): 1,
        ("again", "started", "scheduled"): 1,
        ("released", "started", "queued"): 1,
    }


def test_an_outcome_that_is_sent_again_is_no_move(storage: Storage, told: Told) -> None:
    """Nor is one that is refused, nor a heartbeat."""
    taken = started(storage, "a")
    changed(storage, Extend(id="a", token=taken.token))
    outcome = Complete(id="a", token=taken.token)
    changed(storage, outcome)
    told()
    happen(storage, outcome, Complete(id="a", token=taken.token + 1), Cancel(id="a"))
    assert told() == {}


def test_what_a_claim_finds_lost_is_told(storage: Storage, seen: list[Moves], told: Told) -> None:
    """It is in no answer, but it has happened; so is what a sweep finds."""
    started(storage, "a", lease=SECOND)
    add(storage, a_record("b", run_at=NOW + SECOND))
    seen.clear()
    assert claim(storage, "nothing", now=NOW + SECOND) == []
    assert [moves.lost for moves in seen] == [{"mail": 1}]
    assert told() == {("mail", "started", "queued"): 1, ("mail", "scheduled", "queued"): 1}
    claim(storage, "mail", now=NOW + SECOND, lease=SECOND, max_tasks=2)
    seen.clear()
    sweep(storage, now=NOW + 2 * SECOND)
    assert [moves.lost for moves in seen] == [{"mail": 2}]
    assert seen[0].ran == {}
    assert told() == {("mail", "started", "queued"): 2}


def test_what_is_deleted_is_gone(storage: Storage, told: Told) -> None:
    """By `delete` and by `purge`; a retry comes back from where it was."""
    for id in ("a", "b", "c"):
        add(storage, a_record(id))
        changed(storage, Cancel(id=id))
    told()
    changed(storage, Retry(id="c"))
    with storage.transaction():
        storage.delete(["a", "c", "nobody"])
        storage.purge(Filter(), 10)
    assert told() == {("mail", "cancelled", "queued"): 1, ("mail", "cancelled", "gone"): 2}


def test_tasks_that_follow_are_new(storage: Storage, told: Told) -> None:
    """Unless they are refused, together with the outcome that they were to follow."""
    first, second = started(storage, "a"), started(storage, "b")
    add(storage, a_record("taken", name="other"))
    told()
    happen(
        storage,
        Complete(id="a", token=first.token, queue=(a_record("c"),)),
        Complete(id="b", token=second.token, queue=(a_record("d"), a_record("taken"))),
    )
    assert told() == {("mail", "new", "queued"): 1, ("mail", "started", "completed"): 1}


def test_what_is_rolled_back_is_not_told(storage: Storage, seen: list[Moves]) -> None:
    """Nothing has happened."""

    def break_off() -> None:
        with storage.transaction():
            storage.add([[a_record("a")]], NOW)
            raise LookupError

    with pytest.raises(LookupError):
        break_off()
    assert seen == []
