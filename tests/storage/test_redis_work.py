"""What the server of a Redis decides itself: what is stored, completed and claimed."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from jsonrpc_qm.ids import new_id
from jsonrpc_qm.record import Record
from jsonrpc_qm.storage.base import Claim
from jsonrpc_qm.storage.redis import RedisStorage
from jsonrpc_qm.storage.redis_turns import Turn
from jsonrpc_qm.storage.redis_work import Work
from jsonrpc_qm.transitions import Cancel, Complete, Extend, Fail, claimed
from tests.records import NOW, a_record
from tests.storage.conftest import empty_redis, redis_server
from tests.storage.verbs import add, changed, claim, get, happen, started

MAIL = Claim(names=("mail",), worker="w", max_tasks=5, lease=70)


@pytest.fixture
def storage() -> Iterator[RedisStorage]:
    """A manager's storage on an empty server."""
    opened = empty_redis("single")
    yield opened
    opened.close()


@pytest.fixture
def other(storage: RedisStorage) -> Iterator[RedisStorage]:
    """Another manager's."""
    opened = RedisStorage(redis_server("single").url)
    yield opened
    opened.close()


@pytest.fixture
def asked(storage: RedisStorage, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the storage has sent to the server since: scripts by their names, and `read`."""
    server: Any = storage._server
    sent: list[str] = []
    run, script = server.run, server.script

    def reading(commands: Any, **options: Any) -> Any:
        sent.append("read")
        return run(commands, **options)

    def running(name: str, keys: Any, args: Any) -> Any:
        sent.append(name)
        return script(name, keys, args)

    monkeypatch.setattr(server, "run", reading)
    monkeypatch.setattr(server, "script", running)
    return sent


def work_of(storage: RedisStorage) -> Work:
    return Work(storage._shards.common)


def send(storage: RedisStorage, work: Work) -> bool:
    """Have some work done, also once more as if the answer had been lost; whether it was."""
    answer = storage._transactions.work(work.commit())
    if answer is not None:
        work.take(answer)
    return answer is not None


def report(storage: RedisStorage, *done: Record, now: int = NOW) -> list[Record]:
    """Complete tasks and claim others in one transaction."""
    outcomes = [Complete(id=each.id, token=each.token, result='"ok"') for each in done]
    with storage.transaction():
        assert all(storage.complete(outcomes, now))
        [taken] = storage.claim([MAIL], now)
    return taken


# -- what it does -----------------------------------------------------------------------------


def test_a_report_is_one_script(storage: RedisStorage, asked: list[str]) -> None:
    """It completes tasks and claims others without a look before."""
    add(storage, *(a_record(f"t{place}") for place in range(8)))
    first = report(storage)
    asked.clear()
    second = report(storage, *first, now=NOW + 9)
    assert asked == ["work"]
    assert [record.id for record in first + second] == [f"t{place}" for place in range(8)]


def test_tasks_are_as_their_events_make_them(storage: RedisStorage) -> None:
    """The server keeps what has happened; who reads it sees the same as of any other storage."""
    fields: list[dict[str, Any]] = [
        {},
        {"timeout": 30, "priority": 7},
        {"timeout": 900},
        {"unique_key": "k", "expires_at": NOW + 500, "due_at": NOW + 500},
    ]
    waiting = [a_record(f"t{place}", **each) for place, each in enumerate(fields)]
    add(storage, *waiting)
    [done] = report(storage)[:1]
    assert done == claimed(waiting[1], NOW, worker="w", lease=70)
    assert get(storage, "t3") == claimed(waiting[3], NOW, worker="w", lease=70)
    report(storage, done, now=NOW + 9)
    outcome = Complete(id=done.id, token=done.token, result='"ok"')
    assert get(storage, done.id) == outcome.apply(done, NOW + 9)


def test_a_follower_and_a_key_see_what_was_completed(storage: RedisStorage) -> None:
    """A unique key is free again, and the worker holds nothing any more."""
    add(storage, a_record("a", unique_key="k"))
    taken = report(storage)
    report(storage, *taken, now=NOW + 1)
    assert add(storage, a_record("b", unique_key="k"))[0].id == "b"
    assert storage._server.run([("HGETALL", storage._shards.common.running)]) == [{}]


def test_new_tasks_are_stored_by_it_too(storage: RedisStorage, asked: list[str]) -> None:
    """All of a transaction still: a claim takes what was just stored."""
    records = [a_record(new_id("mail")) for _ in range(3)]
    with storage.transaction():
        storage.add([records], NOW)
        [taken] = storage.claim([MAIL], NOW)
    assert [record.id for record in taken] == [record.id for record in records]
    assert asked == ["work"]


def test_several_names_are_claimed_in_one_order(storage: RedisStorage, asked: list[str]) -> None:
    """By priority, moment and place, whichever names they have, but for a paused one."""
    add(
        storage,
        a_record("a", name="mail", run_at=NOW - 1),
        a_record("b", name="sms", priority=-3),
        a_record("c", name="fax", priority=9),
        a_record("d", name="sms"),
        a_record("e", name="mail"),
        a_record("f", name="fax"),
        a_record("g", name="sms", priority=9),
        a_record("h", name="sms", run_at=-5),
    )
    with storage.transaction():
        storage.pause("fax", True)
    asked.clear()
    names = ("sms", "fax", "mail", "none", "sms")
    with storage.transaction():
        first, second = storage.claim(
            [
                Claim(names=names, worker="w", max_tasks=4),
                Claim(names=names, worker="w", max_tasks=4),
            ],
            NOW,
        )
    assert asked == ["work"]
    assert [record.id for record in first] == ["g", "h", "a", "d"]
    assert [record.id for record in second] == ["e", "b"]
    assert [get(storage, record.id) for record in first] == first
    [running] = storage._server.run([("HGETALL", storage._shards.common.running)])
    assert running == {b"w": b"6"}


def test_a_manager_completes_what_another_one_handed_out(
    storage: RedisStorage, other: RedisStorage, asked: list[str]
) -> None:
    """It looks who holds the tasks, and no more; behind a proxy that is the usual way."""
    add(storage, *(a_record(f"t{place}", unique_key=f"k{place}") for place in range(7)))
    first = claim(other, "mail", worker="w", max_tasks=2)
    asked.clear()
    second = report(storage, *first)
    assert asked == ["read", "work"]
    assert [record.id for record in second] == ["t2", "t3", "t4", "t5", "t6"]
    for record in first:
        outcome = Complete(id=record.id, token=record.token, result='"ok"')
        assert get(storage, record.id) == outcome.apply(record, NOW)
    [running] = storage._server.run([("HGETALL", storage._shards.common.running)])
    assert running == {b"w": b"5"}
    assert add(storage, a_record("again", unique_key="k0"))[0].id == "again"


def test_an_outcome_of_nobodys_is_refused_though_others_count(
    storage: RedisStorage, other: RedisStorage
) -> None:
    """A task that is gone, and one with another token."""
    add(storage, a_record("a"), a_record("b"))
    held, lost = claim(other, "mail", max_tasks=2)
    outcomes = [
        Complete(id=held.id, token=held.token),
        Complete(id=lost.id, token=lost.token + 1),
        Complete(id="none", token=NOW),
    ]
    with storage.transaction():
        assert storage.complete(outcomes, NOW + 1) == [True, False, False]
    assert get(storage, "b") == lost


def test_a_broken_transaction_has_not_done_its_work(storage: RedisStorage) -> None:
    """It is sent at the end only."""

    def break_off() -> None:
        with storage.transaction():
            storage.claim([MAIL], NOW)
            raise KeyError

    add(storage, a_record("a"))
    with pytest.raises(KeyError):
        break_off()
    assert get(storage, "a") == a_record("a")


def test_answers_are_there_when_something_else_is_asked(storage: RedisStorage) -> None:
    """What was left to the server is then decided here."""
    add(storage, a_record("a"))
    with storage.transaction():
        [taken] = storage.claim([MAIL], NOW)
        assert storage.get(["a"]) == taken
        assert len(taken) == 1
    assert get(storage, "a") == taken[0]


# -- sent twice -------------------------------------------------------------------------------


def test_a_claim_whose_answer_was_lost_gives_the_same_tasks_again(storage: RedisStorage) -> None:
    """It takes no others."""
    add(storage, *(a_record(f"t{place}") for place in range(9)))
    work = work_of(storage)
    [lost, nothing] = work.claim([MAIL, Claim(names=("sms",))], NOW)
    assert send(storage, work)
    again = list(lost)
    lost.clear()
    assert send(storage, work)
    assert lost == again
    assert len(lost) == 5
    assert nothing == []
    assert len(claim(storage, "mail", max_tasks=9)) == 4


def test_of_those_the_ones_that_were_lost_since_are_left_out(
    storage: RedisStorage, other: RedisStorage
) -> None:
    """Another manager has extended one, and has had another one given to somebody else."""
    add(storage, a_record("a"), a_record("b"), a_record("c"))
    work = work_of(storage)
    [taken] = work.claim([MAIL], NOW)
    assert send(storage, work)
    taken.clear()
    changed(other, Extend(id="a", token=NOW, lease=5), now=NOW + 1)
    changed(other, Fail(id="b", token=NOW, error='{"type":"E","message":""}', delay=0), now=NOW + 2)
    claim(other, "mail", now=NOW + 3)
    assert send(storage, work)
    assert taken == [get(storage, "a"), get(storage, "c")]


def test_an_outcome_that_comes_again_is_done_once(
    storage: RedisStorage, other: RedisStorage
) -> None:
    """Also by a manager that does not know of it yet, or when the task is gone by then."""
    record = started(storage)
    outcome = Complete(id="a", token=record.token)
    happen(other, outcome, now=NOW + 1)
    late = work_of(storage)
    late.complete([outcome], [record], NOW + 2)
    assert not send(storage, late)
    assert get(storage, "a") == outcome.apply(record, NOW + 1)
    with other.transaction():
        assert other.delete(["a"]) == [True]
    assert not send(storage, late)


def test_outcomes_and_claims_of_one_transaction_are_done_once(storage: RedisStorage) -> None:
    """The second try completes nothing anew, and gets what the first one took."""
    add(storage, *(a_record(f"t{place}") for place in range(6)))
    first = claim(storage, "mail", max_tasks=2)
    work = work_of(storage)
    outcomes = [Complete(id=record.id, token=record.token) for record in first]
    work.complete(outcomes, first, NOW + 1)
    [taken] = work.claim([Claim(names=("mail",), max_tasks=2)], NOW + 1)
    assert send(storage, work)
    assert send(storage, work)
    assert [record.id for record in taken] == ["t2", "t3", "t2", "t3"]
    stats = storage.stats(NOW + 1)["mail"]
    assert (stats.queued, stats.started, stats.completed) == (2, 2, 2)


# -- not that simple --------------------------------------------------------------------------


def test_nothing_is_done_when_one_completion_is_refused(
    storage: RedisStorage, other: RedisStorage
) -> None:
    """Neither the others nor a claim: the transaction is then done like any other."""
    add(storage, *(a_record(f"t{place}") for place in range(4)))
    first = claim(storage, "mail", max_tasks=2)
    changed(other, Fail(id="t1", token=NOW, error='{"type":"E","message":""}', delay=99), now=NOW)
    work = work_of(storage)
    outcomes = [Complete(id=record.id, token=record.token) for record in first]
    work.complete(outcomes, first, NOW + 1)
    work.claim([MAIL], NOW + 1)
    assert not send(storage, work)
    assert get(storage, "t0") == first[0]
    assert get(storage, "t2") == a_record("t2")


def test_what_another_manager_changed_is_completed_as_it_is(
    storage: RedisStorage, other: RedisStorage, asked: list[str]
) -> None:
    """Its token still counts, so nothing has to be read."""
    add(storage, a_record("a"))
    [record] = claim(storage, "mail", worker="w")
    changed(other, Extend(id="a", token=NOW, has_progress=True, progress="1"), now=NOW + 1)
    changed(other, Cancel(id="a"), now=NOW + 2)
    before = get(other, "a")
    assert before is not None
    asked.clear()
    report(storage, record, now=NOW + 3)
    assert asked == ["work"]
    outcome = Complete(id="a", token=NOW, result='"ok"')
    assert get(storage, "a") == outcome.apply(before, NOW + 3)


def test_a_claim_sweeps_first(storage: RedisStorage, asked: list[str]) -> None:
    """With something due the server leaves it to the manager."""
    add(storage, a_record("a", lease=5))
    claim(storage, "mail", worker="gone")
    asked.clear()
    [again] = claim(storage, "mail", now=NOW + 6)
    assert (again.id, again.lost, again.token) == ("a", 1, NOW + 6)
    assert asked[0] == "work"
    assert asked[-1] == "commit"


def test_managers_that_claim_at_once_are_in_nobodys_way(
    storage: RedisStorage, other: RedisStorage
) -> None:
    """A transaction that began before another manager took tasks takes the next ones."""
    add(storage, *(a_record(f"t{place}") for place in range(3)))
    with storage.transaction():
        [taken] = storage.claim([Claim(names=("mail",))], NOW)
        assert [record.id for record in claim(other, "mail", max_tasks=2)] == ["t0", "t1"]
    assert [record.id for record in taken] == ["t2"]


def test_what_has_to_be_alone_does_not_wait_for_itself(storage: RedisStorage) -> None:
    """A transaction that began with a verb that came to nothing."""
    add(storage, a_record("a"))
    with storage.transaction():
        assert storage.saw([], NOW) == []
        [taken] = storage.claim([MAIL], NOW)
    assert [record.id for record in taken] == ["a"]


# -- turns ------------------------------------------------------------------------------------


def test_who_has_to_be_alone_waits_for_the_others_and_they_for_it() -> None:
    """And it goes first."""
    turn, happened = Turn(), []
    is_in = threading.Event()

    def alone() -> None:
        is_in.set()
        with turn.alone():
            happened.append("alone")

    def together() -> None:
        with turn.together():
            happened.append("together")

    with turn.together(), turn.together():
        first = threading.Thread(target=alone)
        first.start()
        assert is_in.wait(10)
        while not turn._waiting:
            pass
        second = threading.Thread(target=together)
        second.start()
        assert happened == []
    first.join(10)
    second.join(10)
    assert happened == ["alone", "together"]
