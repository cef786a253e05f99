"""Operations on a storage in parts: apart where they may be, and with the same outcome."""

from collections.abc import Iterator
from typing import Any

import pytest

from jsonrpc_qm.division import Division
from jsonrpc_qm.errors import QueueError, Unavailable
from jsonrpc_qm.ids import new_id
from jsonrpc_qm.manager import QueueManager
from jsonrpc_qm.record import Record
from jsonrpc_qm.storage.base import Claim, Sighting
from jsonrpc_qm.storage.redis import RedisStorage
from jsonrpc_qm.transitions import Complete
from tests.records import NOW, a_record
from tests.storage.conftest import empty_redis, redis_server
from tests.storage.verbs import add, claim, get, wanting

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


def tasks(*names: str) -> list[Record]:
    return [a_record(new_id(name), name=name) for name in names]


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


def test_a_claim_of_one_shard_needs_no_preparing(storage: RedisStorage, sent: list[str]) -> None:
    """Sightings of workers and names without due tasks make no transaction over several shards."""
    add(storage, a_record(new_id(MAIL), name=MAIL))
    with storage.transaction():
        storage.saw([Sighting(worker="w", names=(MAIL, SMS))], NOW)
        [taken] = storage.claim([Claim(names=(MAIL, SMS), worker="w")], NOW)
    assert len(taken) == 1
    assert [row.running for row in storage.workers()] == [1]
    assert "prepare" not in sent


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
