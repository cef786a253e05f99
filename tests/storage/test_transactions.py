"""Contract of `transaction`: all of it or nothing, and nobody sees half of it."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Barrier

import pytest

from jsonrpc_qm.errors import Conflict
from jsonrpc_qm.moments import SECOND
from jsonrpc_qm.storage.base import Claim, Filter, Sighting, Storage
from jsonrpc_qm.transitions import Cancel, Complete, Event, Retry
from tests.records import NOW, a_record
from tests.storage.verbs import (
    ALL,
    add,
    changed,
    claim,
    completed,
    get,
    pause,
    refusal,
    saw,
    started,
)


class Broken(Exception):
    """What goes wrong in the middle of a transaction."""


def break_off(storage: Storage, *steps: Callable[[Storage], object]) -> None:
    """Take some steps in a transaction that fails in the end."""
    with storage.transaction():
        for step in steps:
            step(storage)
        raise Broken


def visible(storage: Storage, now: int) -> object:
    """Everything that reads show."""
    with storage.transaction():
        swept = storage.sweep(now, 0)
    return storage.page(ALL, 1000, None), storage.stats(now), storage.workers(), swept


VERBS: dict[str, Callable[[Storage], object]] = {
    "add": lambda storage: storage.add([[a_record("new", unique_key="k")]], NOW),
    "claim": lambda storage: storage.claim([Claim(names=("mail",), worker="w")], NOW + 99),
    "transition": lambda storage: storage.transition(
        [
            Complete(id="started", token=NOW, queue=(a_record("next"),)),
            Cancel(id="queued"),
            Retry(id="cancelled"),
        ],
        NOW,
    ),
    "sweep": lambda storage: storage.sweep(NOW + 99),
    "delete": lambda storage: storage.delete(["completed", "cancelled"]),
    "purge": lambda storage: storage.purge(Filter(), 10),
    "pause": lambda storage: storage.pause("mail", True),
    "resume": lambda storage: storage.pause("paused", False),
    "saw": lambda storage: storage.saw(
        [Sighting(worker="w", names=("x",)), Sighting(worker="v")], NOW + 1
    ),
    "drain": lambda storage: storage.drain("w", NOW),
    "forget_workers": lambda storage: storage.forget_workers(NOW + 1),
}
"""Each verb that writes, so that it changes something of `filled`."""


@pytest.fixture
def filled(storage: Storage) -> Storage:
    """A storage with something for every verb to change."""
    completed(storage, "completed")
    add(storage, a_record("cancelled"))
    changed(storage, Cancel(id="cancelled"))
    started(storage, "started", lease=10)
    add(storage, a_record("queued"), a_record("scheduled", run_at=NOW + 50))
    pause(storage, "paused")
    saw(storage, "w", "mail")
    return storage


@pytest.mark.parametrize("verb", VERBS)
def test_a_failed_transaction_leaves_nothing_behind(filled: Storage, verb: str) -> None:
    """An exception inside takes back whatever the verb did, and goes on to the caller."""
    before = visible(filled, NOW + 99)
    with pytest.raises(Broken):
        break_off(filled, VERBS[verb])
    assert visible(filled, NOW + 99) == before


@pytest.mark.parametrize("verb", VERBS)
def test_a_transaction_keeps_what_its_verbs_did(filled: Storage, verb: str) -> None:
    """Without an exception the change is there afterwards."""
    before = visible(filled, NOW + 99)
    with filled.transaction():
        VERBS[verb](filled)
    assert visible(filled, NOW + 99) != before


def test_all_verbs_of_a_failed_transaction_are_taken_back(filled: Storage) -> None:
    """Many changes, also of one task, are undone together."""
    before = visible(filled, NOW + 99)
    with pytest.raises(Broken):
        break_off(filled, *VERBS.values())
    assert visible(filled, NOW + 99) == before


def test_the_storage_works_on_after_a_failed_transaction(filled: Storage) -> None:
    """What was taken back can be done again, in the same order."""
    with pytest.raises(Broken):
        break_off(
            filled,
            lambda storage: storage.add([[a_record("a", unique_key="k")]], NOW),
            lambda storage: storage.claim([Claim(names=("mail",), max_tasks=9)], NOW),
        )
    assert add(filled, a_record("b", unique_key="k")) == [a_record("b", unique_key="k")]
    assert [record.id for record in claim(filled, "mail", max_tasks=9)] == ["queued", "b"]


def test_a_refusal_is_no_failure(filled: Storage) -> None:
    """A refused member is a value: the transaction goes on and keeps the others."""
    with filled.transaction():
        groups = [[a_record("a")], [a_record("queued", name="other")]]
        first, second = filled.add(groups, NOW)
    assert first == [a_record("a")]
    assert refusal(second) == (Conflict, {"id": "queued"})
    assert get(filled, "a") == a_record("a")


def test_verbs_see_what_their_transaction_did(storage: Storage) -> None:
    """From queue to completed in one transaction."""
    with storage.transaction():
        storage.add([[a_record("a")]], NOW)
        [[taken]] = storage.claim([Claim(names=("mail",))], NOW)
        [done] = storage.transition([Complete(id="a", token=taken.token)], NOW)
        assert storage.get(["a"]) == [done]
        assert storage.purge(Filter(), 10) == 1
        assert storage.get(["a"]) == [None]
    assert storage.page(ALL, 10, None).records == []


def test_an_empty_transaction_does_nothing(filled: Storage) -> None:
    """No verbs, no change."""
    before = visible(filled, NOW)
    with filled.transaction():
        pass
    assert visible(filled, NOW) == before


def test_another_thread_never_sees_what_is_not_committed(storage: Storage) -> None:
    """A reader gets the state before the transaction, or waits for its end."""
    readings: list[Future[object]] = []

    def read(storage: Storage) -> None:
        readings.append(readers.submit(lambda: (storage.get(["a"]), storage.stats(NOW))))
        # A storage whose readers wait for the writer can't answer before the transaction ends.
        wait(readings, timeout=0.2)

    with ThreadPoolExecutor(1) as readers:
        with pytest.raises(Broken):
            break_off(storage, lambda storage: storage.add([[a_record("a")]], NOW), read)
        assert [reading.result(timeout=10) for reading in readings] == [([None], {})]


def test_another_thread_sees_what_was_committed(storage: Storage) -> None:
    """Once the transaction has ended its tasks are there for everybody."""
    with ThreadPoolExecutor(1) as readers:
        assert readers.submit(storage.get, ["a"]).result(timeout=10) == [None]
        add(storage, a_record("a"))
        assert readers.submit(storage.get, ["a"]).result(timeout=10) == [a_record("a")]


def test_threads_that_claim_share_the_tasks(storage: Storage) -> None:
    """Each task goes to one of them, though they all claim at the same time."""
    add(storage, *(a_record(f"t{place}") for place in range(60)))
    together = Barrier(4)

    def take(worker: int) -> list[str]:
        together.wait(timeout=10)
        taken = [claim(storage, "mail", worker=f"w{worker}", max_tasks=3) for _ in range(5)]
        return [record.id for each in taken for record in each]

    with ThreadPoolExecutor(4) as workers:
        shares = list(workers.map(take, range(4)))
    assert sorted(id for share in shares for id in share) == sorted(f"t{n}" for n in range(60))


def test_of_threads_that_end_a_task_one_counts(storage: Storage) -> None:
    """The fence holds between threads: one outcome is stored, the others are repeats or lost."""
    token = started(storage, "a").token
    together = Barrier(4)

    def end(place: int) -> Event:
        event = Complete(id="a", token=token, result=str(place), queue=(a_record(f"n{place}"),))
        together.wait(timeout=10)
        changed(storage, event)
        return event

    with ThreadPoolExecutor(4) as workers:
        list(workers.map(end, range(4)))
    done = get(storage, "a")
    assert done is not None
    followers = [record for record in storage.get([f"n{n}" for n in range(4)]) if record]
    assert [record.id for record in followers] == [f"n{done.result}"]


def test_the_clock_counts_microseconds_since_1970(storage: Storage) -> None:
    """Moments of the storage are those of the calendar, within a day of the machine's."""
    day = 86_400 * SECOND
    assert abs(storage.now() - time.time_ns() // 1000) < day


def test_changes_stands_still_while_nothing_changes(storage: Storage) -> None:
    """The number tells of other processes; reading it changes nothing."""
    assert storage.changes() == storage.changes()


def test_a_storage_says_where_it_is(storage: Storage) -> None:
    """Its url names the kind, for `stats` and for people."""
    kind, colon, _ = storage.url.partition(":")
    assert colon
    assert kind.replace("+", "").isalpha()


def test_closing_twice_does_nothing_more(storage: Storage) -> None:
    """The second close is no error."""
    add(storage, a_record("a"))
    storage.close()
    storage.close()
