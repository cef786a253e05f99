"""What only MySQL and MariaDB have: a server that may be away, others' locks, texts' order."""

import logging
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from queue import Queue
from threading import Barrier
from typing import Any

import pymysql
import pytest

from jsonrpc_qm.errors import InvalidParams, Unavailable
from jsonrpc_qm.execution import execute
from jsonrpc_qm.manager import QueueManager
from jsonrpc_qm.operations import Operation, Step
from jsonrpc_qm.storage import mysql_connections
from jsonrpc_qm.storage.base import News, Overtaken
from jsonrpc_qm.storage.mysql import MysqlStorage
from jsonrpc_qm.storage.mysql_url import options_of
from jsonrpc_qm.storage.urls import open_storage
from jsonrpc_qm.transitions import Cancel, Complete
from tests.records import NOW, a_record
from tests.servers.cables import Cable
from tests.servers.mysql import MysqlServer, empty_mysql_storage, mysql_server, server_url
from tests.storage.verbs import add, changed, claim, get, started

ODD = "' \" \\ % %s ? \x01 \x7f \u2028 é e\u0301 😀 \n"
"""Characters that have to be written in some other way somewhere between here and the disk."""


@pytest.fixture
def storage() -> Iterator[MysqlStorage]:
    """An empty storage."""
    opened = empty_mysql_storage()
    yield opened
    opened.close()


@pytest.fixture
def server() -> Iterator[MysqlServer]:
    """A server for one test, with the settings that a server has by itself."""
    with mysql_server() as running:
        yield running


def test_texts_come_back_as_they_were(storage: MysqlStorage) -> None:
    """Whatever the characters, in whichever column, on every way in and out."""
    record = a_record("a", name=f"n{ODD}", parameters=f'"{ODD}"', unique_key=ODD, metadata=ODD)
    assert add(storage, record) == [record]
    assert get(storage, "a") == record
    [taken] = claim(storage, f"n{ODD}", worker=f"w{ODD}")
    done = changed(storage, Complete(id="a", token=taken.token, result=f'"{ODD}"'))
    assert get(storage, "a") == done
    assert done.result == f'"{ODD}"'
    assert list(storage.stats(NOW)) == [f"n{ODD}"]


def test_names_that_look_alike_are_different(storage: MysqlStorage) -> None:
    """Case, accents and spaces at the end count, in names and in unique keys."""
    alike = ["mail", "Mail", "máil", "mail ", "mail\t"]
    add(storage, *(a_record(f"t{n}", name=name) for n, name in enumerate(alike)))
    add(storage, *(a_record(f"k{n}", name="k", unique_key=key) for n, key in enumerate(alike)))
    assert set(storage.stats(NOW)) == {*alike, "k"}
    assert storage.stats(NOW)["k"].queued == len(alike)
    for name in alike:
        assert [record.name for record in claim(storage, name, max_tasks=9)] == [name]


def test_large_payloads_share_no_statement(storage: MysqlStorage) -> None:
    """A batch that is longer than the server takes in one statement goes in several."""
    payload = '"' + "'" * 900_000 + '"'
    records = [a_record(f"t{n}", parameters=payload) for n in range(20)]
    assert add(storage, *records) == records
    assert get(storage, "t19") == records[-1]


def test_news_reach_another_manager(storage: MysqlStorage) -> None:
    """What one tells the other hears, soon; nobody hears what he said himself."""
    other = MysqlStorage(server_url())
    heard: Queue[News] = Queue()
    own: Queue[News] = Queue()
    other.subscribe(heard.put)
    storage.subscribe(own.put)
    # Each begins with a look for itself.
    assert heard.get(timeout=10).more
    assert own.get(timeout=10).more
    said_at = time.monotonic()
    storage.announce(News(due={"mail": 2}))
    assert heard.get(timeout=10).due == {"mail": 2}
    assert time.monotonic() - said_at < 1
    other.announce(News(finished=["x" * 64] * 100))
    assert own.get(timeout=10).more
    assert heard.empty()
    other.close()


def test_a_deadlock_is_tried_again(storage: MysqlStorage) -> None:
    """Two transactions that wait for each other: one is undone, and carried out after the other."""
    tokens = {id: started(storage, id).token for id in ("a", "b")}
    together = Barrier(2)

    def end(first: str, second: str) -> bool:
        collided = False
        for _ in range(2):
            try:
                with storage.transaction():
                    storage.transition([Complete(id=first, token=tokens[first])], NOW)
                    if not collided:
                        together.wait(timeout=10)
                    storage.transition([Complete(id=second, token=tokens[second])], NOW)
                break
            except Overtaken:
                collided = True
        return collided

    with ThreadPoolExecutor(2) as threads:
        collisions = list(threads.map(end, "ab", "ba"))
    assert sorted(collisions) == [False, True]
    assert [record and record.status for record in storage.get(["a", "b"])] == ["completed"] * 2


def test_a_deadlock_with_another_program_is_nobodys_business(
    storage: MysqlStorage, caplog: pytest.LogCaptureFixture
) -> None:
    """The server undoes the transaction that has changed less, ours; it ends as if the other one
    had not been."""
    tokens = {id: started(storage, id).token for id in ("a", "b")}
    outcomes = [{"id": id, "token": tokens[id], "status": "completed"} for id in tokens]
    manager = QueueManager(storage)
    with (
        pymysql.connect(**options_of(server_url())) as connection,
        connection.cursor() as other,
        ThreadPoolExecutor(1) as thread,
        caplog.at_level(logging.INFO, "jsonrpc_qm.storage"),
    ):
        other.execute("UPDATE task SET priority = 1 WHERE id = 'b'")
        reporting = thread.submit(manager.report, outcomes)
        until_one_waits(other)
        other.execute("UPDATE task SET priority = 1 WHERE id = 'a'")
        connection.commit()
        assert [outcome.ok for outcome in reporting.result().outcomes] == [True, True]
    assert "Deadlock" in caplog.text
    found = [(record.status, record.priority) for record in storage.get(["a", "b"]) if record]
    assert found == [("completed", 1)] * 2
    assert storage.stats(NOW)["mail"].completed == 2


def until_one_waits(cursor: Any) -> None:
    """Until some transaction waits for a lock."""
    for _ in range(50):
        cursor.execute(
            "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"
        )
        if cursor.fetchall()[0][0]:
            return
        # What is asked more often answers from what it knew.
        time.sleep(0.15)
    raise AssertionError("nobody waits")


def test_a_lock_that_another_program_keeps_is_unavailable(storage: MysqlStorage) -> None:
    """Nothing is done then, and all is when the lock is free."""
    tokens = {id: started(storage, id).token for id in ("a", "b")}
    outcomes = [{"id": id, "token": tokens[id], "status": "completed"} for id in tokens]
    manager = QueueManager(storage)
    storage.run("SET SESSION innodb_lock_wait_timeout = 1")
    with pymysql.connect(**options_of(server_url())) as connection, connection.cursor() as other:
        other.execute("SELECT id FROM task WHERE id = 'b' FOR UPDATE")
        with pytest.raises(Unavailable):
            manager.report(outcomes)
        assert [record and record.status for record in storage.get(["a", "b"])] == ["started"] * 2
        connection.commit()
    assert [outcome.ok for outcome in manager.report(outcomes).outcomes] == [True, True]


def test_an_idle_connection_that_the_server_ends_is_replaced(storage: MysqlStorage) -> None:
    """Nobody hears of it, whether the next call reads or writes."""
    for call in (lambda: add(storage, a_record("a")), lambda: get(storage, "a")):
        storage.run("SET SESSION wait_timeout = 1")
        number = storage.run("SELECT connection_id()").fetchone()[0]
        with pymysql.connect(**options_of(server_url())) as connection:
            cursor = connection.cursor()
            for _ in range(200):
                if not cursor.execute(
                    "SELECT 1 FROM information_schema.processlist WHERE id = %s", (number,)
                ):
                    break
                time.sleep(0.02)
            else:
                raise AssertionError("the server keeps it")
        call()
    assert get(storage, "a") == a_record("a")


def test_a_connection_lost_at_the_commit_says_that_it_may_have_happened(
    storage: MysqlStorage,
) -> None:
    """One that is lost before says that nothing has; and all goes on."""

    def lose(*, before: bool) -> None:
        with storage.transaction():
            storage.pause("mail", True)
            number = storage.run("SELECT connection_id()").fetchone()[0]
            with pymysql.connect(**options_of(server_url())) as connection:
                connection.cursor().execute(f"KILL {number}")
            if before:
                storage.pause("mail", False)

    with pytest.raises(Unavailable) as at_the_commit:
        lose(before=False)
    assert at_the_commit.value.data["answer_lost"] is True
    with pytest.raises(Unavailable) as before:
        lose(before=True)
    assert "answer_lost" not in before.value.data
    add(storage, a_record("a"))


def test_the_locks_of_a_manager_that_vanished_are_freed(
    storage: MysqlStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of a transaction, and without a word; others wait for that, and go on."""
    monkeypatch.setattr(mysql_connections, "LONGEST_IDLE", 1)
    monkeypatch.setitem(mysql_connections.CONNECTION, "read_timeout", 0.5)
    token = started(storage, "a").token
    with Cable(server_url()) as cable, closing(MysqlStorage(cable.url)) as vanishing:

        def vanish() -> None:
            with vanishing.transaction():
                vanishing.add([[a_record("b")]], NOW)
                vanishing.transition([Cancel(id="a")], NOW)
                cable.lose()
                changed(storage, Complete(id="a", token=token))
                raise ConnectionAbortedError

        with pytest.raises(ConnectionAbortedError):
            vanish()
    assert get(storage, "b") is None


def test_operations_survive_a_collision(
    storage: MysqlStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller does not hear of it."""
    collisions = iter([True, True, False])
    stored = storage.add

    def collide(*args: Any) -> object:
        if next(collisions):
            raise Overtaken.of("just so")
        return stored(*args)

    monkeypatch.setattr(storage, "add", collide)
    operation: Operation[object] = Operation((Step("add", [[a_record("a")]]),), lambda added: added)
    assert execute(storage, [operation]) == [[[[a_record("a")]]]]
    assert get(storage, "a") == a_record("a")


def test_managers_may_start_at_once(server: MysqlServer) -> None:
    """One of them makes the schema, the others find it."""
    with ThreadPoolExecutor(4) as threads:
        opened = list(threads.map(MysqlStorage, [server.url] * 4))
    add(opened[0], a_record("a"))
    assert get(opened[3], "a") == a_record("a")
    for storage in opened:
        storage.close()


def test_what_was_answered_outlasts_a_crash(
    server: MysqlServer, caplog: pytest.LogCaptureFixture
) -> None:
    """While the server is away calls are Unavailable; then they work, and all is there."""
    storage = MysqlStorage(server.url)
    assert not caplog.records
    add(storage, a_record("a"))
    server.kill()
    for call in (lambda: add(storage, a_record("b")), lambda: get(storage, "a")):
        with pytest.raises(Unavailable):
            call()
    with pytest.raises(Unavailable):
        MysqlStorage(server.url)
    server.start()
    assert get(storage, "a") == a_record("a")
    assert get(storage, "b") is None
    assert add(storage, a_record("b")) == [a_record("b")]
    storage.close()


def test_a_crash_in_a_transaction_undoes_it(server: MysqlServer) -> None:
    """Half of it is never there, and the next transaction is a new one."""
    storage = MysqlStorage(server.url)

    def add_around_a_crash() -> None:
        with storage.transaction():
            storage.add([[a_record("a")]], NOW)
            server.kill()
            server.start()
            storage.add([[a_record("b")]], NOW)

    with pytest.raises(Unavailable):
        add_around_a_crash()
    assert storage.get(["a", "b"]) == [None, None]
    storage.close()


def test_a_lax_server_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever trusts in answered calls hears that this server may lose them."""
    with (
        caplog.at_level(logging.WARNING),
        mysql_server("--innodb-flush-log-at-trx-commit=2") as lax,
    ):
        MysqlStorage(lax.url).close()
    assert "innodb_flush_log_at_trx_commit is 2" in caplog.text


def test_a_newer_schema_is_refused(storage: MysqlStorage) -> None:
    """The line says what to do."""
    with pymysql.connect(**options_of(server_url()), autocommit=True) as connection:
        cursor = connection.cursor()
        cursor.execute("UPDATE meta SET value = value + 1")
        try:
            with pytest.raises(Unavailable, match="use a newer jsonrpc-qm"):
                MysqlStorage(server_url())
        finally:
            cursor.execute("UPDATE meta SET value = value - 1")


@pytest.mark.parametrize(
    "url",
    [
        "mysql://host",
        "mysql://host/",
        "mysql://host/a/b",
        "mysql://host:x/a",
        "mysql://user:secret@host/a?what=1",
        "mysql://host/a?ssl-mode=some",
        "mysql://host/a?ssl-ca=/no/such/file",
    ],
)
def test_a_bad_url_is_named_without_its_password(url: str) -> None:
    """It is refused before anything is tried."""
    with pytest.raises(InvalidParams, match="mysql://") as refused:
        open_storage(url)
    assert "secret" not in str(refused.value)


def test_credentials_and_certificates_are_in_the_url() -> None:
    """Everything that the driver needs, taken apart."""
    options = options_of("mysql://me:p%40ss%C3%A9@[::1]:3307/tasks?ssl-mode=verify-identity")
    assert options["user"] == "me"
    assert options["password"] == "p@ssé".encode()
    assert (options["host"], options["port"], options["database"]) == ("::1", 3307, "tasks")
    assert options["ssl"].check_hostname
    assert "ssl" not in options_of("mysql://host/tasks")
    assert options_of("mysql://host/tasks?ssl-mode=disabled")["ssl_disabled"]
    assert options_of("mysql://host/tasks?unix-socket=/run/s")["unix_socket"] == "/run/s"


def test_a_storage_tells_its_place_without_credentials() -> None:
    """Neither in its url nor in what it says when it can't be reached."""
    with pytest.raises(Unavailable) as refused:
        MysqlStorage("mysql://me:secret@127.0.0.1:9/tasks")
    assert "mysql://127.0.0.1:9/tasks" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_missing_driver_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says what to install."""
    monkeypatch.delitem(sys.modules, "jsonrpc_qm.storage.mysql")
    monkeypatch.setitem(sys.modules, "pymysql", None)
    with pytest.raises(Unavailable, match=r"jsonrpc-qm\[mysql\]"):
        open_storage("mysql://host/tasks")
