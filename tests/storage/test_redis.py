"""What Redis alone has to do."""

import logging
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from queue import SimpleQueue
from typing import Any

import pytest
import redis

from jsonrpc_qm.errors import Conflict, InvalidParams, Unavailable
from jsonrpc_qm.ids import new_id
from jsonrpc_qm.manager import QueueManager
from jsonrpc_qm.storage import redis_server
from jsonrpc_qm.storage.base import News, Overtaken
from jsonrpc_qm.storage.redis import RedisStorage
from jsonrpc_qm.storage.redis_commit import Commits
from jsonrpc_qm.storage.redis_server import RedisServer, warnings_of
from jsonrpc_qm.storage.redis_transactions import Transactions
from jsonrpc_qm.storage.urls import open_storage
from jsonrpc_qm.transitions import Cancel
from tests.records import NOW, a_record
from tests.servers.cables import Cable
from tests.servers.redis import RedisProcess
from tests.storage.verbs import add, changed, get


@pytest.fixture
def server() -> Iterator[RedisProcess]:
    """A server that a test may kill."""
    with closing(RedisProcess()) as process:
        yield process


@pytest.fixture
def storage(server: RedisProcess) -> Iterator[RedisStorage]:
    """A manager's storage on it."""
    opened = RedisStorage(server.url)
    yield opened
    opened.close()


@pytest.fixture
def other(server: RedisProcess) -> Iterator[RedisStorage]:
    """Another manager's."""
    opened = RedisStorage(server.url)
    yield opened
    opened.close()


def test_a_commit_whose_answer_was_lost_is_in_doubt_whatever_it_meets_when_it_is_sent_again(
    storage: RedisStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that has become a replica refuses it, but may have carried it out before."""
    answer_of = redis.Redis.parse_response
    faults = [redis.ConnectionError("lost"), redis.exceptions.ReadOnlyError("a replica")]

    def lose(client: redis.Redis, connection: Any, command: str, **options: Any) -> Any:
        answer = answer_of(client, connection, command, **options)
        if command.startswith("EVAL") and faults:
            raise faults.pop(0)
        return answer

    monkeypatch.setattr(redis.Redis, "parse_response", lose)
    with pytest.raises(Unavailable) as caught:
        add(storage, a_record("a"))
    assert caught.value.data.get("answer_lost")
    assert not faults
    faults.append(redis.exceptions.ReadOnlyError("a replica"))
    with pytest.raises(Unavailable) as caught:
        add(storage, a_record("b"))
    assert "answer_lost" not in caught.value.data


def test_a_killed_server_keeps_what_was_answered(
    server: RedisProcess, storage: RedisStorage
) -> None:
    """While it is away calls are Unavailable; when it is back the same storage works on."""
    add(storage, a_record("before"))
    server.kill()
    with pytest.raises(Unavailable):
        add(storage, a_record("meanwhile"))
    server.start()
    assert get(storage, "before") == a_record("before")
    assert get(storage, "meanwhile") is None
    assert add(storage, a_record("after")) == [a_record("after")]


def test_a_server_killed_under_load_keeps_whole_transactions(
    server: RedisProcess, storage: RedisStorage
) -> None:
    """Of what was answered all is there, of what was not answered all or nothing."""
    answered: SimpleQueue[int] = SimpleQueue()

    def add_until_it_is_gone() -> int:
        for number in range(100_000):
            try:
                add(storage, *(a_record(f"{number}-{place}") for place in range(3)))
            except Unavailable:
                return number
            answered.put(number)
        raise AssertionError("nobody has killed the server")

    with ThreadPoolExecutor(1) as threads:
        adding = threads.submit(add_until_it_is_gone)
        for _ in range(50):
            answered.get(timeout=10)
        server.kill()
        broken_off = adding.result(timeout=30)
    server.start()
    for number in range(broken_off):
        ids = [f"{number}-{place}" for place in range(3)]
        assert [record.id for record in storage.get(ids) if record is not None] == ids
    last = storage.get([f"{broken_off}-{place}" for place in range(3)])
    assert len({record is None for record in last}) == 1


def test_what_another_manager_changed_is_not_written_over(
    storage: RedisStorage, other: RedisStorage
) -> None:
    """A transaction that read a task before another changed it writes nothing at all."""
    add(storage, a_record("a"))

    def cancel_at_the_same_time() -> None:
        with storage.transaction():
            storage.add([[a_record("b")]], NOW)
            storage.transition([Cancel(id="a")], NOW)
            changed(other, Cancel(id="a"), now=NOW + 1)

    with pytest.raises(Overtaken):
        cancel_at_the_same_time()
    assert get(storage, "b") is None
    cancelled = get(storage, "a")
    assert cancelled is not None
    assert cancelled.finished_at == NOW + 1


def test_a_unique_key_counts_between_managers(storage: RedisStorage, other: RedisStorage) -> None:
    """Two that store a task with the same key at the same time: one does."""

    def add_at_the_same_time() -> None:
        with storage.transaction():
            storage.add([[a_record("a", unique_key="k")]], NOW)
            add(other, a_record("b", unique_key="k"))

    with pytest.raises(Overtaken):
        add_at_the_same_time()
    assert add(storage, a_record("a", unique_key="k")) == [a_record("b", unique_key="k")]


def test_managers_share_the_tasks(storage: RedisStorage, other: RedisStorage) -> None:
    """Claims at the same time through several managers: each task goes to one of them."""
    managers = [QueueManager(storage), QueueManager(other)]
    managers[0].queue_many([{"name": "mail"} for _ in range(60)])

    def take(manager: QueueManager) -> list[str]:
        taken: list[str] = []
        while found := manager.claim(["mail"], max_tasks=3, wait=0):
            taken.extend(task.id for task in found)
        return taken

    with ThreadPoolExecutor(2) as threads:
        shares = list(threads.map(take, managers))
    ids = [id for share in shares for id in share]
    assert len(ids) == len(set(ids)) == 60


def test_a_commit_that_is_sent_again_is_done_once(server: RedisProcess) -> None:
    """Its answer may have been lost: the second try finds it done."""
    connected = RedisServer(server.url)
    shards = connected.open()
    [keys] = shards.all
    transactions, commits = Transactions(connected, shards), Commits(shards)
    commits.step("count", keys.names, [b"mail", b"1"])
    transactions.commit(commits.that_matter())
    transactions.commit(commits.that_matter())
    assert connected.run([("HGET", keys.names, "mail")]) == [b"1"]
    connected.close()


def test_a_commit_without_an_answer_says_that_it_may_have_happened(
    server: RedisProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is refused, or not sent at all, says that nothing has happened."""
    monkeypatch.setattr(redis_server, "TIMEOUT", 0.2)
    with Cable(server.database()) as cable, closing(RedisStorage(cable.url)) as storage:

        def pause(then: Callable[[], object]) -> None:
            with storage.transaction():
                storage.pause("mail", True)
                then()

        def doubt(call: Callable[[], object]) -> bool:
            with pytest.raises(Unavailable) as caught:
                call()
            return "answer_lost" in caught.value.data

        assert doubt(lambda: pause(cable.freeze))
        # It can't even read now.
        assert not doubt(lambda: pause(lambda: None))
        cable.thaw()
        with server.connected() as client:
            client.config_set("maxmemory", 1)
            assert not doubt(lambda: add(storage, a_record("a")))
            client.config_set("maxmemory", 0)
        add(storage, a_record("a"))


def test_news_reaches_other_managers_only(storage: RedisStorage, other: RedisStorage) -> None:
    """What one announces the others hear; whoever begins to listen is told to look for itself."""
    heard: SimpleQueue[News] = SimpleQueue()
    echo: SimpleQueue[News] = SimpleQueue()
    other.subscribe(heard.put)
    storage.subscribe(echo.put)
    assert heard.get(timeout=10).more
    assert echo.get(timeout=10).more
    storage.announce(News(due={"mail": 2}, finished=["a"]))
    told = heard.get(timeout=10)
    assert (told.due, told.finished, told.more) == ({"mail": 2}, ["a"], False)
    other.announce(News(due={"sms": 1}))
    assert echo.get(timeout=10).due == {"sms": 1}


def test_queues_with_different_prefixes_are_apart(server: RedisProcess) -> None:
    """One database may hold several queues."""
    first, second = (RedisStorage(f"{server.url}?prefix={prefix}") for prefix in ("one", "two"))
    add(first, a_record("a"))
    assert get(second, "a") is None
    assert get(first, "a") == a_record("a")
    first.close()
    second.close()


@pytest.mark.parametrize(
    ("version", "advice"), [(99, "use a newer jsonrpc-qm"), (1, "copy it to another storage")]
)
def test_tasks_of_another_version_are_left_alone(
    server: RedisProcess, version: int, advice: str
) -> None:
    """Another program refuses to start, in a clear line."""
    RedisStorage(server.url).close()
    with redis.Redis(port=server.port) as client:
        client.set("{jsonrpc-qm}:schema_version", version)
    with pytest.raises(Unavailable, match=f"schema version {version}.*{advice}"):
        RedisStorage(server.url)


@pytest.mark.parametrize("kind", ["redis", "rediss", "redis+cluster"])
def test_credentials_are_told_to_nobody(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """Neither an error nor a log has them when no server answers."""
    with caplog.at_level(logging.DEBUG), pytest.raises(Unavailable) as refused:
        open_storage(f"{kind}://user:secret@127.0.0.1:1")
    assert "127.0.0.1:1" in str(refused.value)
    assert "secret" not in str(refused.value) + caplog.text


@pytest.mark.parametrize("url", ["redis://127.0.0.1:x/0", "redis://127.0.0.1/?prefix=%7B"])
def test_a_url_that_makes_no_sense_is_refused(url: str) -> None:
    """The error names the parameter."""
    with pytest.raises(InvalidParams) as refused:
        open_storage(url)
    assert refused.value.data["param"] == "storage"


def test_a_missing_driver_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what to install."""
    monkeypatch.setitem(sys.modules, "redis", None)
    for module in [name for name in sys.modules if name.startswith("jsonrpc_qm.storage.redis")]:
        monkeypatch.delitem(sys.modules, module)
    with pytest.raises(Unavailable, match=r"jsonrpc-qm\[redis\]"):
        open_storage("redis://127.0.0.1")


SAFE = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}


@pytest.mark.parametrize(
    ("different", "said"),
    [
        ({}, None),
        ({"appendonly": "no"}, "appendonly is no"),
        ({"appendfsync": "everysec"}, "appendfsync is everysec"),
        ({"maxmemory": "100mb", "maxmemory-policy": "allkeys-lru"}, "allkeys-lru"),
    ],
)
def test_settings_that_may_lose_tasks_are_warned_of(
    different: dict[str, str], said: str | None
) -> None:
    """The warning names the setting; there is none for those that lose nothing."""
    warnings = warnings_of({**SAFE, **different})
    assert len(warnings) == (said is not None)
    assert all(str(said) in warning for warning in warnings)


# -- what is not read -------------------------------------------------------------------------


def test_a_young_id_that_is_sent_again_gives_the_stored_task(storage: RedisStorage) -> None:
    """Nobody looks for it at first; the commit finds it, and the transaction then runs again."""
    manager = QueueManager(storage)
    id = new_id("mail")
    first = manager.queue("mail", {"to": 1}, id=id)
    assert manager.queue("mail", {"to": 1}, id=id) == first
    with pytest.raises(Conflict):
        manager.queue("mail", {"to": 2}, id=id)
    both = [{"name": "mail"}, {"name": "mail", "id": id, "parameters": {"to": 1}}]
    assert manager.queue_many(both)[1] == first
    assert manager.stats()["names"]["mail"]["queued"] == 2


def test_a_task_that_another_manager_changed_is_completed_as_it_is(
    storage: RedisStorage, other: RedisStorage
) -> None:
    """This manager remembers how it handed it out, and finds that it is no longer so."""
    manager, others = QueueManager(storage), QueueManager(other)
    manager.queue("mail")
    [task] = manager.claim(["mail"], wait=0)
    assert task.token is not None
    others.heartbeat([{"id": task.id, "token": task.token, "progress": "half"}])
    [outcome] = manager.report(
        [{"id": task.id, "token": task.token, "status": "completed"}]
    ).outcomes
    assert outcome.ok
    stored = manager.get_task(task.id)
    assert (stored.status, stored.progress) == ("completed", "half")


def test_an_outcome_is_refused_by_what_is_stored(
    storage: RedisStorage, other: RedisStorage
) -> None:
    """What this manager remembers of a task that another has had finished counts for nothing."""
    manager, others = QueueManager(storage), QueueManager(other)
    manager.queue("mail")
    [task] = manager.claim(["mail"], wait=0)
    assert task.token is not None
    others.fail(task.id, task.token, {"type": "E", "message": ""}, retry=False)
    [outcome] = manager.report(
        [{"id": task.id, "token": task.token, "status": "completed"}]
    ).outcomes
    assert not outcome.ok
    assert manager.get_task(task.id).status == "failed"
