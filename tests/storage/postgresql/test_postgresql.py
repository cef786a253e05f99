"""What only PostgreSQL has: a server that goes away, transactions at the same time, a URL."""

import logging
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count
from typing import Any

import psycopg
import pytest

from jsonrpc_qm.errors import InvalidParams, QueueError, Unavailable
from jsonrpc_qm.execution import execute_apart
from jsonrpc_qm.operations import Operation, Step
from jsonrpc_qm.storage import postgresql_connections, postgresql_watch, statements
from jsonrpc_qm.storage.base import Claim, Filter, Listing, Sighting
from jsonrpc_qm.storage.migrations.running import migrate
from jsonrpc_qm.storage.postgresql import PostgresqlStorage
from jsonrpc_qm.storage.postgresql_statements import AMONG, unnested
from jsonrpc_qm.storage.urls import open_storage
from jsonrpc_qm.transitions import Complete
from tests.records import NOW, a_record
from tests.servers.postgresql import PostgresServer, end_sessions
from tests.storage.verbs import add, adding, get, refusal, started

ZERO = "a\x00b"


def end_connections(url: str) -> None:
    """Have the server end all connections of storages, as a restart does."""
    end_sessions(url, "application_name = 'jsonrpc-qm'")


# -- text that it can't hold --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("param", "verb"),
    [
        ("names[0]", lambda storage: storage.claim([Claim(names=(ZERO,))], NOW)),
        ("names[1]", lambda storage: storage.claim([Claim(names=("a", ZERO))], NOW)),
        ("worker", lambda storage: storage.claim([Claim(names=("a",), worker=ZERO)], NOW)),
        ("worker", lambda storage: storage.saw([Sighting(worker=ZERO)], NOW)),
        ("worker", lambda storage: storage.drain(ZERO, NOW)),
        ("name", lambda storage: storage.pause(ZERO, True)),
        ("name", lambda storage: storage.purge(Filter(name=ZERO), 1)),
    ],
)
def test_zero_characters_are_refused_by_the_name_of_the_parameter(
    storage: PostgresqlStorage, param: str, verb: Callable[[PostgresqlStorage], object]
) -> None:
    """As a refusal of this call, after which the storage goes on."""
    with pytest.raises(InvalidParams) as caught, storage.transaction():
        verb(storage)
    assert caught.value.data["param"] == param
    with pytest.raises(InvalidParams):
        storage.page(Listing(name=ZERO), 1, None)
    add(storage, a_record("a"))


def test_the_task_of_a_list_that_is_refused_is_named(storage: PostgresqlStorage) -> None:
    """By its place: of those that are queued together, and of those that follow another one."""
    group = [a_record("b"), a_record("c", unique_key=ZERO), a_record("d", name=ZERO)]
    token = started(storage, "a").token
    with storage.transaction():
        [many, one] = storage.add([group, group[2:]], NOW)
        [ended] = storage.transition([Complete(id="a", token=token, queue=tuple(group[1:]))], NOW)
    answers = [refusal(answer) for answer in (many, one, ended)]
    assert [(kind, data["param"]) for kind, data in answers] == [
        (InvalidParams, "tasks[1].unique_key"),
        (InvalidParams, "name"),
        (InvalidParams, "queue[0].unique_key"),
    ]
    assert storage.get(["b", "c", "d"]) == [None] * 3


def test_a_refused_operation_takes_none_of_its_neighbours_down(storage: PostgresqlStorage) -> None:
    """Others of its transaction are carried out."""
    pause: Operation[Any] = Operation((Step("pause", [(ZERO, True)]),), lambda _: True)
    refused, added = execute_apart(storage, [pause, adding(a_record("a"))])
    assert isinstance(refused, InvalidParams)
    assert added == [[[a_record("a")]]]


# -- connections --------------------------------------------------------------------------------


def test_a_lost_connection_is_made_anew_for_reads_and_new_transactions(
    storage: PostgresqlStorage, url: str
) -> None:
    """Nothing has been done by then, so nobody hears of it."""
    add(storage, a_record("a"))
    end_connections(url)
    assert get(storage, "a") == a_record("a")
    end_connections(url)
    add(storage, a_record("b"))


def test_a_connection_lost_within_a_transaction_leaves_nothing_behind(
    storage: PostgresqlStorage, url: str
) -> None:
    """It is Unavailable, and the next one begins anew."""

    def lose() -> None:
        with storage.transaction():
            storage.add([[a_record("a")]], NOW)
            end_connections(url)
            storage.add([[a_record("b")]], NOW)

    with pytest.raises(Unavailable) as caught:
        lose()
    assert "answer_lost" not in caught.value.data
    assert storage.get(["a", "b"]) == [None, None]


def test_a_connection_lost_at_the_commit_says_that_it_may_have_happened(
    storage: PostgresqlStorage, url: str
) -> None:
    """A client then repeats only what may be repeated."""

    def lose() -> None:
        with storage.transaction():
            storage.pause("mail", True)
            end_connections(url)

    with pytest.raises(Unavailable) as caught:
        lose()
    assert caught.value.data["answer_lost"] is True
    add(storage, a_record("a"))


def test_a_server_killed_and_started_again_has_what_was_answered() -> None:
    """While it is away calls are Unavailable; then the storage goes on by itself."""
    with closing(PostgresServer()) as server, closing(PostgresqlStorage(server.url)) as storage:
        add(storage, a_record("a"))
        server.kill()
        with pytest.raises(Unavailable):
            add(storage, a_record("b"))
        with pytest.raises(Unavailable):
            storage.get(["a"])
        server.start()
        assert storage.get(["a", "b"]) == [a_record("a"), None]
        add(storage, a_record("c"))
        server.restart()
        add(storage, a_record("d"))


def test_a_server_that_never_answers_is_given_up(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if it is there and keeps the connection."""
    monkeypatch.setattr(postgresql_watch, "LONGEST_STATEMENT", 0.2)
    monkeypatch.setattr(postgresql_watch, "LOOK_EVERY", 0.05)
    with closing(PostgresqlStorage(url)) as storage:
        start = time.monotonic()
        with pytest.raises(Unavailable), storage.transaction():
            storage.run("SELECT pg_sleep(20)")
        assert time.monotonic() - start < 10
        add(storage, a_record("a"))


def test_a_server_that_accepts_and_says_nothing_is_unavailable() -> None:
    """After the connection's timeout."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(Unavailable, match=place):
            open_storage(f"postgresql://jo:secret@{place}/tasks?connect_timeout=2")


def test_close_ends_the_connections_of_all_threads(url: str) -> None:
    """From whichever thread it is called; the news' connections too."""
    storage = PostgresqlStorage(f"{url}&application_name=closing")
    storage.subscribe(lambda news: None)
    with ThreadPoolExecutor(3) as threads:
        meeting = threading.Barrier(3)

        def read() -> None:
            meeting.wait(10)
            storage.get(["a"])

        for reading in [threads.submit(read) for _ in range(3)]:
            reading.result()
        threads.submit(storage.close).result()
        storage.close()
    with psycopg.connect(url, autocommit=True) as operator:
        sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'closing'"
        for _ in range(100):
            row = operator.execute(sql).fetchone()
            if row == (0,):
                break
            time.sleep(0.05)
        assert row == (0,)


def test_a_fork_leaves_the_parents_connections_alone(storage: PostgresqlStorage) -> None:
    """Either side works on."""
    add(storage, a_record("a"))
    pid = os.fork()
    if pid == 0:
        try:
            add(storage, a_record("b"))
            storage.close()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0
    assert storage.get(["a", "b"]) == [a_record("a"), a_record("b")]


# -- how it finds rows ----------------------------------------------------------------------------


def plan_of(storage: PostgresqlStorage, sql: str) -> str:
    """What the server would do in a transaction, whatever the parameters."""
    marks = count(1)
    numbered = re.sub(r"\?", lambda _: f"${next(marks)}", sql)
    nothing = ", ".join(["NULL"] * (next(marks) - 1))
    with storage.transaction():
        storage.run(f"PREPARE planned AS {numbered}")
        lines = storage.run(f"EXPLAIN EXECUTE planned ({nothing})").fetchall()
        storage.run("DEALLOCATE planned")
    return "\n".join(line for (line,) in lines)


def test_an_older_index_of_lists_is_replaced_by_an_operator(
    storage: PostgresqlStorage, url: str
) -> None:
    """It takes time where there are many tasks, so no manager does it when it starts."""
    add(storage, a_record("a"))
    for statement in (
        "DROP INDEX task_listing",
        "CREATE INDEX task_listing ON task (name, status)",
        "UPDATE meta SET value = '2' WHERE key = 'schema_version'",
    ):
        storage.run(statement)
    with pytest.raises(Unavailable, match=r"schema version 3 .*jsonrpc-qm migrate"):
        open_storage(url)
    newest, made = migrate(url)
    assert made[0].version == 3
    assert newest >= 3
    with closing(open_storage(url)) as after:
        assert isinstance(after, PostgresqlStorage)
        assert "Sort" not in plan_of(after, statements.list_name(1))
        assert get(after, "a") == a_record("a")


@pytest.mark.parametrize("tasks", [0, 3000])
def test_rows_are_looked_for_by_their_numbers_and_ids(
    storage: PostgresqlStorage, tasks: int
) -> None:
    """The server keeps plans, also those that it makes when there are no tasks yet."""
    if tasks:
        add(storage, *(a_record(f"t{n}") for n in range(tasks)))
    claim = plan_of(storage, statements.claim(2, storage.skipping, storage.among))
    assert claim.count("Index Scan using task_ready") == 2
    assert claim.count("Incremental Sort") == 2
    assert "Index Cond: (seq = ANY" in claim
    purge = plan_of(storage, statements.purge(2, storage.among, by_name=False))
    assert "Index Cond: (seq = ANY" in purge
    page = plan_of(storage, statements.list_name(6))
    assert page.count("Index Only Scan Backward using task_listing") == 6
    assert "Sort" not in page
    by_id = (
        statements.completed(unnested(statements.COMPLETED)),
        statements.save(unnested(statements.SAVED)),
        statements.read(AMONG, storage.locking),
    )
    for statement in by_id:
        plan = plan_of(storage, statement)
        assert "Index Cond: (id = " in plan
        assert "Seq Scan on task" not in plan


# -- its clock, its settings, its URL -----------------------------------------------------------


@pytest.mark.parametrize("minutes", [-7, 7])
def test_leases_are_judged_by_the_servers_clock(
    url: str, monkeypatch: pytest.MonkeyPatch, minutes: int
) -> None:
    """However wrong the manager's own is."""
    right = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: right() + minutes * 60 * 10**9)
    with closing(PostgresqlStorage(url)) as storage:
        assert abs(storage.now() - right() // 1000) < 1_000_000


@pytest.mark.parametrize(("setting", "said"), [("off", 1), ("on", 0), ("local", 0)])
def test_a_setting_that_may_lose_answered_calls_is_warned_of(
    url: str, caplog: pytest.LogCaptureFixture, setting: str, said: int
) -> None:
    """In one line."""
    with caplog.at_level(logging.WARNING):
        PostgresqlStorage(f"{url}%20-csynchronous_commit%3D{setting}").close()
    assert len(caplog.messages) == said
    assert all("synchronous_commit is off" in message for message in caplog.messages)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://jo:secret@127.0.0.1:1/tasks",
        "postgresql://jo@127.0.0.1:1/tasks?password=secret",
        "postgresql://jo:secret@127.0.0.1:port/tasks",
        "postgresql://jo:secret@[::1/tasks",
        "postgresql://jo:secret@127.0.0.1/tasks?nonsense=secret",
        "postgresql://jo:secret@127.0.0.1/tasks?prepared_statements=secret",
        "postgres+tls://jo:secret@127.0.0.1/tasks",
    ],
)
def test_passwords_are_in_no_message(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever is wrong with the URL or the server."""
    with pytest.raises(QueueError) as caught:
        open_storage(url)
    assert "secret" not in f"{caught.value} {caught.value.data} {caplog.text}"


def test_the_url_is_shown_without_credentials(storage: PostgresqlStorage) -> None:
    """In `stats`, for one."""
    assert storage.url.startswith("postgresql://127.0.0.1:") or "@" not in storage.url
    assert "options" not in storage.url


def test_prepared_statements_can_be_turned_off(url: str) -> None:
    """For a PgBouncer that can't do them; then there are none, however often one is run."""
    with closing(PostgresqlStorage(f"{url}&prepared_statements=off")) as storage:
        for _ in range(20):
            storage.get(["a"])
        assert storage.run("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)


def test_notices_are_not_kept_where_nobody_listens(storage: PostgresqlStorage) -> None:
    """Behind a pooler any connection may get them, and would grow for ever."""
    connection = storage.database.connection()
    storage.run("LISTEN jsonrpc_qm")
    storage.run("NOTIFY jsonrpc_qm, 'for another'")
    connection.remove_notify_handler(postgresql_connections.forget)
    assert list(connection.notifies(timeout=0)) == []


@pytest.mark.parametrize(
    "other", ["DEALLOCATE ALL", "PREPARE _pg3_0 AS SELECT 1"], ids=["missing", "there already"]
)
def test_a_session_with_others_prepared_statements_is_unavailable_with_a_hint(
    url: str, other: str
) -> None:
    """A pooler has given us another's; the hint names the parameter of the URL."""
    with closing(PostgresqlStorage(url)) as storage:
        storage.database.connection().prepare_threshold = 0
        if other.startswith("DEALLOCATE"):
            storage.get(["a"])
        # In a block, the driver does not notice.
        storage.database.connection().execute(f"DO 'BEGIN {other}; END'", prepare=False)
        with pytest.raises(Unavailable, match="put prepared_statements=off into its URL"):
            storage.get(["a"])
        add(storage, a_record("a"))


def test_a_missing_driver_is_one_line_that_names_the_extra() -> None:
    """And the package itself does without."""
    program = """
import sys
sys.modules["psycopg"] = None
import jsonrpc_qm
from jsonrpc_qm.errors import Unavailable
try:
    jsonrpc_qm.open_storage("postgresql://127.0.0.1/tasks")
except Unavailable as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.stderr == ""
    assert run.stdout == (
        "Unavailable: psycopg is not installed; install it with:"
        " pip install 'jsonrpc-qm[postgresql]'\n"
    )
