"""Operations on a storage in parts: apart where they may be, and with the same outcome."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from jsonrpc_qm.division import Division
from jsonrpc_qm.errors import QueueError, Unavailable
from jsonrpc_qm.ids import new_id
from jsonrpc_qm.manager import QueueManager
from jsonrpc_qm.operations import Operation, Step
from jsonrpc_qm.record import Record
from jsonrpc_qm.storage.base import WORKER_GONE, Claim, Sighting, Storage
from jsonrpc_qm.storage.memory import MemoryStorage
from jsonrpc_qm.storage.redis import RedisStorage
from jsonrpc_qm.transitions import Complete, Event, Extend, Fail, Release
from tests.records import NOW, a_record
from tests.storage import steps
from tests.storage.conftest import empty_redis, redis_server
from tests.storage.steps import IDS
from tests.storage.test_state_machine import comparable, pages
from tests.storage.verbs import add, claim, get
from tests.thoroughness import examples

MAIL, SMS, FAX = "mail", "sms", "phone"
"""Each in another part."""


@pytest.fixture
def storage() -> Iterator[RedisStorage]:
    """A manager's storage on an empty cluster."""
    opened = empty_redis("cluster")
    yield opened
    opened.close()


@pytest.fixture
def other(storage: RedisStorage) -> Iterator[RedisStorage]:
    """Another manager's."""
    opened = RedisStorage(redis_server("cluster").url)
    yield opened
    opened.close()


@pytest.fixture
def sent(storage: RedisStorage, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the scripts that the storage has sent since."""
    server: Any = storage._server
    names: list[str] = []
    script = server.script

    def running(name: str, keys: Any, args: Any) -> Any:
        names.append(name)
        return script(name, keys, args)

    monkeypatch.setattr(server, "script", running)
    return names


def wanting(verb: str, *items: Any) -> Operation[Any]:
    return Operation((Step(verb, items),), lambda answer: answer)


def tasks(*names: str) -> list[Record]:
    return [a_record(new_id(name), name=name) for name in names]


# -- the same outcome -------------------------------------------------------------------------


class AtMoment:
    """A storage at the moment `at`."""

    def __init__(self, storage: RedisStorage) -> None:
        self._storage = storage
        self.at = NOW

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def now(self) -> int:
        return self.at


class InParts:
    """A storage on which each call is divided, as the server does it."""

    def __init__(self, storage: RedisStorage) -> None:
        self._storage = storage
        self.clock = AtMoment(storage)
        self._division = Division(cast(Storage, self.clock))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def transaction(self) -> AbstractContextManager[None]:
        """There is one for each part, later on."""
        return nullcontext()

    def _execute(self, verb: str, items: Sequence[Any], now: int | None = None) -> list[Any]:
        self.clock.at = self.clock.at if now is None else now
        [answers] = self._division.execute([wanting(verb, *items)])
        if isinstance(answers, QueueError):
            raise answers
        return answers[0]

    def add(self, groups: Sequence[Sequence[Record]], now: int) -> list[Any]:
        """Each as a call of its own."""
        return [self._execute("add", [group], now)[0] for group in groups]

    def transition(self, events: Sequence[Event], now: int) -> list[Any]:
        """Together where calls can have them together: if they are about different tasks, and none
        can be in another one's way."""
        apart = all(isinstance(each, Complete | Fail | Release | Extend) for each in events)
        if apart and len({event.id for event in events}) == len(events):
            return self._execute("transition", events, now)
        return [self._execute("transition", [event], now)[0] for event in events]

    def complete(self, outcomes: Sequence[Complete], now: int) -> list[bool]:
        if len({outcome.id for outcome in outcomes}) < len(outcomes):
            return [False] * len(outcomes)
        return [not isinstance(a, QueueError) for a in self._execute("complete", outcomes, now)]

    def claim(self, claims: Sequence[Claim], now: int) -> list[Any]:
        self.sweep(now)
        return [self._execute("claim", [each], now)[0] for each in claims]

    def sweep(self, now: int, limit: int = 500) -> Any:
        return self._execute("sweep", [limit], now)[0]

    def delete(self, ids: Sequence[str]) -> list[Any]:
        return self._execute("delete", ids)

    def pause(self, name: str, paused: bool) -> None:
        self._execute("pause", [(name, paused)])

    def saw(self, sightings: Sequence[Sighting], now: int) -> list[Any]:
        return self._execute("saw", sightings, now)

    def drain(self, worker: str, now: int) -> Any:
        return self._execute("drain", [worker], now)[0]

    def forget_workers(self, before: int) -> None:
        self._execute("forget", [(before,)])

    def purge(self, filter: Any, limit: int) -> int:
        with self._storage.transaction():
            return self._storage.purge(filter, limit)

    def load(self, records: Sequence[Record]) -> list[Any]:
        with self._storage.transaction():
            return self._storage.load(records)


class Divided(RuleBasedStateMachine):
    """Plays calls on the specification, and on a cluster with each call divided."""

    def __init__(self) -> None:
        super().__init__()
        self.specification = MemoryStorage()
        self.storage = InParts(empty_redis("cluster"))
        self.now = NOW

    def teardown(self) -> None:
        self.storage.close()

    @rule(step=steps.any_step)
    def call(self, step: steps.Step) -> None:
        self.storage.clock.at = self.now
        with self.specification.transaction():
            expected = step(self.specification, self.now)
        answer = step(cast(Storage, self.storage), self.now)
        assert comparable(answer) == comparable(expected)

    @rule(passed=st.sampled_from([1, 2, 5, 10, 30, WORKER_GONE + 1]))
    def let_time_pass(self, passed: int) -> None:
        self.now += passed

    @invariant()
    def reads_agree(self) -> None:
        ours, theirs = cast(Storage, self.storage), self.specification
        assert ours.get(IDS) == theirs.get(IDS)
        assert pages(ours, None, None) == pages(theirs, None, None)
        assert ours.stats(self.now) == theirs.stats(self.now)
        assert ours.workers() == theirs.workers()


@pytest.mark.timeout(600)
def test_divided_calls_do_what_undivided_ones_do() -> None:
    """Also with ids of clients', whose home is in another part than their task."""
    run_state_machine_as_test(
        Divided,
        settings=settings(
            max_examples=examples(15),
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


# -- apart ------------------------------------------------------------------------------------


def test_what_concerns_one_part_each_is_one_script_each(
    storage: RedisStorage, sent: list[str]
) -> None:
    """Nothing has to be prepared."""
    division = Division(storage)
    queued = tasks(MAIL, SMS, FAX)
    answers = division.execute([wanting("add", [record]) for record in queued])
    assert answers == [[[[record]]] for record in queued]
    assert sent == ["work"] * 3
    taken = division.execute([wanting("claim", Claim(names=(name,))) for name in (MAIL, SMS, FAX)])
    records = [answer[0][0][0] for answer in taken if not isinstance(answer, QueueError)]
    outcomes = [Complete(id=record.id, token=record.token) for record in records]
    assert division.execute([wanting("complete", *outcomes)]) == [[[True, True, True]]]
    assert sent == ["work"] * 9


@pytest.mark.parametrize("status", ["queued", "failed"])
def test_a_report_takes_what_it_has_made_due(storage: RedisStorage, status: str) -> None:
    """Also when the part that knows an id is not the one that holds its task."""
    manager = QueueManager(storage)
    for id in (str(number) for number in range(16)):
        manager.queue(MAIL, id=id)
        [taken] = manager.claim([MAIL], wait=0)
        outcome: dict[str, Any] = {"id": id, "token": taken.token, "status": status, "delay": 0}
        if status == "failed":
            outcome["error"] = {"type": "E", "message": ""}
        [again] = manager.report([outcome], names=[MAIL]).tasks
        assert again.id == id
        manager.complete(id, again.token)


def test_a_report_of_own_ids_is_one_transaction(storage: RedisStorage, sent: list[str]) -> None:
    """What is given back to its name is taken from there in the same one."""
    manager = QueueManager(storage)
    queued = manager.queue(MAIL)
    [taken] = manager.claim([MAIL], wait=0)
    sent.clear()
    outcome = {"id": taken.id, "token": taken.token, "status": "queued"}
    [again] = manager.report([outcome], names=[MAIL]).tasks
    assert again.id == queued.id
    assert sent == ["commit"]


def test_in_process_it_is_the_same(storage: RedisStorage, sent: list[str]) -> None:
    """A QueueManager that works on the storage by itself leaves decisions to the nodes, too."""
    manager = QueueManager(storage)
    queued = manager.queue(MAIL)
    [taken] = manager.claim([MAIL])
    ended = manager.report([{"id": taken.id, "token": taken.token, "status": "completed"}])
    assert (taken.id, ended.outcomes[0].ok) == (queued.id, True)
    assert sent == ["work"] * 3


def test_what_belongs_together_is_one_transaction(storage: RedisStorage, sent: list[str]) -> None:
    """A group over several parts, and an outcome with a task that follows it in another one."""
    division = Division(storage)
    group = tasks(MAIL, SMS)
    assert division.execute([wanting("add", group)]) == [[[group]]]
    [held] = claim(storage, MAIL, now=storage.now())
    [follower] = tasks(FAX)
    outcome = Complete(id=held.id, token=held.token, queue=(follower,))
    assert division.execute([wanting("transition", outcome)]) == [[[get(storage, held.id)]]]
    assert get(storage, follower.id) == follower
    assert sent.count("prepare") == 2


def test_a_claim_of_several_parts_takes_what_comes_first(storage: RedisStorage) -> None:
    """Of all its names, and no more than it asked for, but nothing of a paused one."""
    now = storage.now()
    add(
        storage,
        a_record("a", name=MAIL, run_at=now - 9),
        a_record("b", name=SMS, run_at=now - 8),
        a_record("c", name=FAX, run_at=now - 7, priority=3),
        a_record("d", name=SMS, run_at=now - 6),
        a_record("e", name=MAIL, run_at=now - 5),
        a_record("f", name="other", run_at=now - 10),
    )
    with storage.transaction():
        storage.pause("other", True)
    wish = Claim(names=(MAIL, SMS, FAX, "other", MAIL), worker="w", max_tasks=3)
    first, second = Division(storage).execute([wanting("claim", wish), wanting("claim", wish)])
    assert not isinstance(first, QueueError)
    assert not isinstance(second, QueueError)
    assert [record.id for record in first[0][0]] == ["c", "a", "b"]
    assert [record.id for record in second[0][0]] == ["d", "e"]
    assert [get(storage, record.id) for record in first[0][0]] == first[0][0]


def test_managers_that_claim_several_parts_are_in_nobodys_way(
    storage: RedisStorage, other: RedisStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another one has taken since the look is left out, and what is behind it taken."""
    add(storage, *tasks(MAIL, SMS, MAIL, SMS))
    works: Any = storage._transactions
    work, stolen = works.work, []

    def rob(commit: Any) -> Any:
        if not stolen:
            stolen.extend(claim(other, MAIL, now=storage.now()))
        return work(commit)

    monkeypatch.setattr(works, "work", rob)
    wish = Claim(names=(MAIL, SMS), max_tasks=4)
    [answer] = Division(storage).execute([wanting("claim", wish)])
    assert not isinstance(answer, QueueError)
    [taken] = answer[0]
    assert len(taken) == 3
    assert stolen[0].id not in {record.id for record in taken}


def test_a_worker_that_is_to_drain_gets_nothing_of_any_part(storage: RedisStorage) -> None:
    """A cluster remembers workers in a part of their own."""
    add(storage, *tasks(MAIL, SMS))
    now = storage.now()
    with storage.transaction():
        storage.saw([Sighting(worker="w", names=(MAIL,))], now)
        assert storage.drain("w", now)
    wishes = [Claim(names=(MAIL,), worker="w"), Claim(names=(MAIL, SMS), worker="w", max_tasks=9)]
    division = Division(storage)
    assert division.execute([wanting("claim", wish) for wish in wishes]) == [[[[]]], [[[]]]]
    [[[taken]]] = division.execute([wanting("claim", Claim(names=(MAIL,), worker="v"))])
    assert len(taken) == 1


# -- a part that is away ----------------------------------------------------------------------


@pytest.fixture
def without_mail(storage: RedisStorage, monkeypatch: pytest.MonkeyPatch) -> list[Record]:
    """Started tasks of all names; the part of MAIL can't be used after that."""
    add(storage, *tasks(MAIL, SMS, FAX))
    held = [claim(storage, name, now=storage.now())[0] for name in (MAIL, SMS, FAX)]
    add(storage, *tasks(MAIL, SMS))
    works: Any = storage._transactions
    work, commit = works.work, works.commit
    away = storage._shards.of(MAIL)

    def refuse(sent: Any) -> Any:
        if sent.shard is away:
            raise Unavailable.of("away")
        return work(sent)

    monkeypatch.setattr(works, "work", refuse)
    monkeypatch.setattr(works, "commit", lambda commits: [refuse(c) for c in commits] or commit([]))
    return held


def test_a_part_that_is_away_concerns_nobody_else(
    storage: RedisStorage, without_mail: list[Record]
) -> None:
    """Calls of one batch are answered each by what its part does."""
    mail, sms, _ = without_mail
    refused, done = Division(storage).execute(
        [
            wanting("complete", Complete(id=mail.id, token=mail.token)),
            wanting("complete", Complete(id=sms.id, token=sms.token)),
        ]
    )
    assert isinstance(refused, Unavailable)
    assert "answer_lost" not in refused.data
    assert done == [[True]]


def test_who_wants_something_of_it_too_is_told_that_some_is_done(
    storage: RedisStorage, without_mail: list[Record]
) -> None:
    """So it is sent again; what was done is done once."""
    outcomes = [Complete(id=record.id, token=record.token) for record in without_mail]
    [answer] = Division(storage).execute([wanting("complete", *outcomes)])
    assert isinstance(answer, Unavailable)
    assert answer.data.get("answer_lost")
    assert [status(storage, record) for record in without_mail] == [
        "started",
        "completed",
        "completed",
    ]


def test_a_claim_gets_what_the_others_have(
    storage: RedisStorage, without_mail: list[Record]
) -> None:
    """And nothing, when that is nothing."""
    wish = Claim(names=(MAIL, SMS), max_tasks=9)
    division = Division(storage)
    [[[taken]]] = division.execute([wanting("claim", wish)])
    assert [record.name for record in taken] == [SMS]
    [nothing] = division.execute([wanting("claim", wish)])
    assert isinstance(nothing, Unavailable)


def status(storage: RedisStorage, record: Record) -> str | None:
    stored = get(storage, record.id)
    return stored and stored.status


def test_an_answer_that_is_lost_in_one_part_is_lost_for_all(
    storage: RedisStorage, without_mail: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the other parts say: it may be done."""
    works: Any = storage._transactions
    work = works.work

    def lose(sent: Any) -> Any:
        work(sent)
        raise Unavailable.in_doubt("lost")

    monkeypatch.setattr(works, "work", lose)
    mail, sms, _ = without_mail
    outcomes = [Complete(id=record.id, token=record.token) for record in (mail, sms)]
    [answer] = Division(storage).execute([wanting("complete", *outcomes)])
    assert isinstance(answer, Unavailable)
    assert answer.data.get("answer_lost")
    assert [status(storage, record) for record in (mail, sms)] == ["started", "completed"]
