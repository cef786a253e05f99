"""PostgreSQL: transactions at the same time, which the callers do not hear of."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest

from jsonrpc_qm import execution
from jsonrpc_qm.errors import Conflict, QueueError, Unavailable
from jsonrpc_qm.execution import execute, execute_apart
from jsonrpc_qm.operations import Operation, Step
from jsonrpc_qm.storage import postgresql
from jsonrpc_qm.storage.base import Claim
from jsonrpc_qm.storage.postgresql import PostgresqlStorage
from jsonrpc_qm.transitions import Cancel, Retry
from tests.records import NOW, a_record
from tests.storage.verbs import add, adding, changed, get


def test_tasks_with_one_unique_key_queued_at_the_same_time_are_one(
    storage: PostgresqlStorage,
) -> None:
    """Whoever comes second is answered with the first; no error gets out."""
    with ThreadPoolExecutor(4) as threads:
        for turn in range(10):
            operations = [
                adding(a_record(f"{turn}-{n}", unique_key=str(turn)), a_record(f"{turn}-{n}-more"))
                for n in range(4)
            ]
            firsts = {
                answers[0][0][0][0].id
                for answers in threads.map(lambda each: execute(storage, [each]), operations)
            }
            assert len(firsts) == 1
    assert storage.stats(NOW)["mail"].queued == 10 * (1 + 4)


def test_transactions_in_a_circle_are_run_again(storage: PostgresqlStorage) -> None:
    """A deadlock is not the callers' business."""
    add(storage, *[a_record(f"t{n}") for n in range(2)])
    meeting = threading.Barrier(2)

    def pauses(names: list[str]) -> Any:
        operation: Operation[Any] = Operation(
            (Step("pause", [(name, True) for name in names]),), lambda _: True
        )
        meeting.wait(10)
        return execute_apart(storage, [operation])

    with ThreadPoolExecutor(2) as threads:
        for turn in range(2):
            names = [f"{turn}-{n}" for n in range(50)]
            answers = list(threads.map(pauses, [names, names[::-1]]))
            assert not any(isinstance(answer[0], QueueError) for answer in answers)


SERIALIZABLE = "default_transaction_isolation=serializable"


def test_the_databases_default_isolation_is_not_ours(url: str) -> None:
    """Transactions are as strict as their statements need, whatever the database's default."""
    with closing(PostgresqlStorage(f"{url}%20-c{SERIALIZABLE.replace('=', '%3D')}")) as storage:
        assert storage.run("SHOW default_transaction_isolation").fetchone() == ("serializable",)
        with storage.transaction():
            assert storage.run("SHOW transaction_isolation").fetchone() == ("read committed",)


def until_one_waits(storage: PostgresqlStorage) -> None:
    """Until some transaction waits for a lock."""
    for _ in range(200):
        if storage.run("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()[0]:
            return
        time.sleep(0.02)
    raise AssertionError("nobody waits")


def test_a_serialization_failure_is_run_again(
    storage: PostgresqlStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that PostgreSQL itself has found: the caller does not hear of it."""
    strict = postgresql.BEGIN.replace("READ COMMITTED", "SERIALIZABLE")
    assert strict != postgresql.BEGIN
    monkeypatch.setattr(postgresql, "BEGIN", strict)
    failures = []
    roll_back = storage.roll_back
    monkeypatch.setattr(storage, "roll_back", lambda: failures.append(roll_back()))
    add(storage, a_record("a"))
    cancel: Operation[Any] = Operation((Step("transition", [Cancel(id="a")]),), lambda done: done)
    with ThreadPoolExecutor(1) as thread, storage.transaction():
        storage.transition([Cancel(id="a")], NOW)
        cancelling = thread.submit(execute_apart, storage, [cancel])
        until_one_waits(storage)
    [answer] = cancelling.result()
    assert failures
    assert not isinstance(answer, QueueError)
    assert answer == [[get(storage, "a")]]
    assert storage.stats(NOW)["mail"].cancelled == 1


def test_serialization_failures_without_end_are_unavailable(
    storage: PostgresqlStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some tries, and nothing of it is there; then the storage goes on."""
    monkeypatch.setattr(execution, "AGAIN_WITHIN", 0.0)
    storage.run(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'not now' USING ERRCODE = '40001'; END $$"
    )
    storage.run(
        "CREATE TRIGGER fail BEFORE INSERT ON task FOR EACH ROW WHEN (NEW.id = 'b')"
        " EXECUTE FUNCTION fail()"
    )
    both = adding(a_record("a"), a_record("b"))
    [answer] = execute_apart(storage, [both])
    assert isinstance(answer, Unavailable)
    assert "answer_lost" not in answer.data
    assert storage.get(["a", "b"]) == [None, None]
    storage.run("DROP TRIGGER fail ON task")
    [answer] = execute_apart(storage, [both])
    assert not isinstance(answer, QueueError)
    assert storage.stats(NOW)["mail"].queued == 2


def test_a_retry_that_loses_its_unique_key_meanwhile_is_a_conflict(
    storage: PostgresqlStorage,
) -> None:
    """The database's own check of the key is the last word."""
    add(storage, a_record("a", unique_key="k"))
    changed(storage, Cancel(id="a"))
    operation: Operation[Any] = Operation(
        (Step("transition", [Retry(id="a")]),), lambda answers: answers[0]
    )
    with ThreadPoolExecutor(1) as thread, storage.transaction():
        storage.add([[a_record("b", unique_key="k")]], NOW)
        retrying = thread.submit(execute_apart, storage, [operation])
        until_one_waits(storage)
    [answer] = retrying.result()
    assert not isinstance(answer, QueueError)
    assert isinstance(answer[0][0], Conflict)
    assert answer[0][0].data == {"id": "b"}


def test_claims_at_the_same_time_take_each_task_once(storage: PostgresqlStorage) -> None:
    """And each takes no more than it asked for."""
    add(storage, *[a_record(f"t{n}") for n in range(400)])

    def claim(_: int) -> list[str]:
        with storage.transaction():
            [taken] = storage.claim([Claim(names=("mail", "other"), max_tasks=7)], NOW)
        assert len(taken) <= 7
        return [record.id for record in taken]

    with ThreadPoolExecutor(4) as threads:
        taken = [id for ids in threads.map(claim, range(60)) for id in ids]
    assert len(taken) == len(set(taken)) == 400
    assert storage.stats(NOW)["mail"].started == 400
