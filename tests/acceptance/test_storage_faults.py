"""The storage fails under the manager: nothing is done by halves, and it recovers by itself."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import StartManager
from tests.acceptance.disks import (
    MEBIBYTE,
    fill,
    forbid_files_to_grow,
    let_files_grow,
    small_disk,
)
from tests.acceptance.managers import ManagerProcess, failed_start, sqlite_url
from tests.acceptance.rpc import RawCall, Refused, Rpc, until, works
from tests.acceptance.sqlite_file import SqliteFile

pytestmark = pytest.mark.timeout(60)

UNAVAILABLE = -32006

IMPATIENT = """
from jsonrpc_qm import QueueManager, SqliteStorage

qm = QueueManager(SqliteStorage("tasks.db", timeout=0.3))
"""
"""An app whose storage waits less long for another writer than the default."""


@contextmanager
def unavailable() -> Iterator[None]:
    """The call in this block is answered Unavailable, with a hint when to try again."""
    with pytest.raises(Refused) as refusal:
        yield
    assert refusal.value.code == UNAVAILABLE
    assert refusal.value.data["retry_after"] > 0


def log_of(tasks_db: Path) -> Path:
    """The log that SQLite keeps beside a database in use."""
    return tasks_db.with_name(tasks_db.name + "-wal")


def large(ids: Sequence[str]) -> list[dict[str, Any]]:
    """Tasks of 10 kB each."""
    return [{"name": "mail", "id": id, "parameters": "x" * 10_000} for id in ids]


def queue_until_refused(rpc: Rpc) -> tuple[list[str], list[str]]:
    """Queue until the storage gives up: the ids that were answered, and those that were refused."""
    answered: list[str] = []
    for call in range(100):
        ids = [f"{call}-{n}" for n in range(20)]
        try:
            rpc("queue_many", tasks=large(ids))
        except Refused as refusal:
            if refusal.code == UNAVAILABLE:
                return answered, ids
            raise
        answered += ids
    raise AssertionError("the storage took everything")


def outage(
    manager: ManagerProcess, tasks_db: Path, *, begin: Callable[[], Any], end: Callable[[], Any]
) -> None:
    """The contract of a storage that can't be written for a while."""
    with Rpc(manager.url) as rpc, RawCall(manager.url, "claim", names=["later"], wait=50) as later:
        rpc("queue", name="held", id="held")
        [held] = rpc("claim", names=["held"], wait=0)
        outcome = {"id": "held", "token": held["token"], "result": "x" * 100_000}
        begin()
        answered, refused = queue_until_refused(rpc)
        with unavailable():
            rpc("complete", **outcome)
        assert rpc("get_task", id="held")["status"] == "started"
        queued = rpc("stats")["names"].get("mail", {"queued": 0})["queued"]
        assert queued == len(answered)
        end()
        until(lambda: works(rpc, "complete", **outcome))
        assert len(rpc("queue_many", tasks=large(refused))) == len(refused)
        rpc("queue", name="later", id="later")
        assert [task["id"] for task in later.answer()] == ["later"]
    assert manager.stop() == 0
    assert "Traceback" not in manager.log
    with SqliteFile(tasks_db) as stored:
        stored.check()
        ids = [id for (id,) in stored("SELECT id FROM task")]
        assert sorted(ids) == sorted(["held", "later", *answered, *refused])


def test_a_full_disk_is_unavailable_until_there_is_room(
    start_manager: StartManager, tmp_path: Path
) -> None:
    """Answered calls are stored, refused ones are not, and all goes on when room is made."""
    with small_disk(tmp_path) as disk:
        tasks_db = disk / "tasks.db"
        manager = start_manager("--storage", sqlite_url(tasks_db))
        outage(
            manager,
            tasks_db,
            begin=lambda: fill(disk),
            end=lambda: (disk / "filler").unlink(),
        )


@pytest.mark.skipif(sys.platform != "linux", reason="limits another process, as only Linux can")
def test_a_file_that_may_not_grow_is_unavailable_until_it_may(
    manager: ManagerProcess, tasks_db: Path
) -> None:
    """The same with a quota, which fails in another way than a full disk."""
    outage(
        manager,
        tasks_db,
        begin=lambda: forbid_files_to_grow(manager.pid, tasks_db, log_of(tasks_db)),
        end=lambda: let_files_grow(manager.pid),
    )


def test_a_locked_database_is_unavailable_until_it_is_free(
    start_manager: StartManager, tasks_db: Path, tmp_path: Path
) -> None:
    """Another program that holds the write lock for longer than the timeout."""
    (tmp_path / "app.py").write_text(IMPATIENT)
    manager = start_manager("app:qm")
    with SqliteFile(tasks_db) as other:
        outage(
            manager,
            tasks_db,
            begin=lambda: other("BEGIN IMMEDIATE"),
            end=lambda: other("ROLLBACK"),
        )


def test_a_start_on_a_locked_database_fails_clearly(
    start_manager: StartManager, tasks_db: Path, tmp_path: Path
) -> None:
    """One line says what is the matter, and a later start is none the worse."""
    (tmp_path / "app.py").write_text(IMPATIENT)
    with SqliteFile(tasks_db) as other:
        other("BEGIN EXCLUSIVE")
        assert "locked" in failed_start("app:qm", folder=tmp_path)
    with Rpc(start_manager("app:qm").url) as rpc:
        assert rpc("queue", name="mail")["status"] == "queued"


def test_a_read_only_file_is_refused_at_the_start(
    start_manager: StartManager, tasks_db: Path, tmp_path: Path
) -> None:
    """What is in the file is all there once it can be written again."""
    first = start_manager()
    with Rpc(first.url) as rpc:
        rpc("queue", name="mail", id="a")
    assert first.stop() == 0
    # Root writes to what it may not write, unless that is taken from it.
    weak = ("setpriv", "--bounding-set=-dac_override") if os.geteuid() == 0 else ()
    storage = ("--storage", sqlite_url(tasks_db))
    tasks_db.chmod(0o444)
    assert "read-only" in failed_start(*storage, folder=tmp_path, prefix=weak)
    tasks_db.chmod(0o644)
    with Rpc(start_manager(prefix=weak).url) as rpc:
        assert rpc("get_task", id="a")["status"] == "queued"


def test_a_file_that_is_no_database_is_refused_at_the_start(tasks_db: Path, tmp_path: Path) -> None:
    """It is left as it is."""
    tasks_db.write_text("Dear diary,\n" * 1000)
    storage = ("--storage", sqlite_url(tasks_db))
    assert "not a database" in failed_start(*storage, folder=tmp_path)
    assert tasks_db.read_text() == "Dear diary,\n" * 1000


def test_a_moved_file_is_unavailable_until_it_is_back(
    manager: ManagerProcess, rpc: Rpc, tasks_db: Path, tmp_path: Path
) -> None:
    """The manager does not go on writing to a file that nobody would find."""
    rpc("queue", name="mail", id="a")
    assert rpc("get_task", id="a")["status"] == "queued"
    moved = tasks_db.rename(tmp_path / "moved.db")
    with unavailable():
        rpc("queue", name="mail", id="b")
    assert rpc("get_task", id="a")["status"] == "queued"
    moved.rename(tasks_db)
    assert rpc("queue", name="mail", id="b")["status"] == "queued"
    manager.kill()
    with SqliteFile(tasks_db) as stored:
        assert stored("SELECT id FROM task ORDER BY id") == [("a",), ("b",)]


def replace(file: Path) -> None:
    """Put a copy in its place, as a restored backup is."""
    copy = file.with_name("copy")
    shutil.copy(file, copy)
    copy.replace(file)


@pytest.mark.parametrize("do", [Path.unlink, replace])
@pytest.mark.parametrize("which", [lambda tasks_db: tasks_db, log_of], ids=["database", "log"])
def test_a_lost_file_is_no_silent_loss(
    manager: ManagerProcess,
    rpc: Rpc,
    tasks_db: Path,
    do: Callable[[Path], None],
    which: Callable[[Path], Path],
) -> None:
    """Nothing is answered as stored that a restart would not find; the log says why."""
    rpc("queue", name="mail", id="a")
    do(which(tasks_db))
    with unavailable():
        rpc("queue", name="mail", id="b")
    assert manager.stop() == 0
    assert "not the file that was opened" in manager.log
    assert "Traceback" not in manager.log


def test_a_long_read_holds_up_nothing_and_the_log_shrinks_after_it(
    manager: ManagerProcess, rpc: Rpc, tasks_db: Path
) -> None:
    """A backup or a curious operator makes the log grow, but not for ever."""
    with SqliteFile(tasks_db) as reader:
        reader("BEGIN")
        assert reader("SELECT count(*) FROM task") == [(0,)]
        call = 0
        while log_of(tasks_db).stat().st_size < 40 * MEBIBYTE:
            rpc("queue_many", tasks=large([f"{call}-{n}" for n in range(200)]))
            call += 1
        assert reader("SELECT count(*) FROM task") == [(0,)]
        reader("COMMIT")
        assert reader("SELECT count(*) FROM task") == [(200 * call,)]
        for _ in range(3):
            rpc("queue", name="mail")
        assert log_of(tasks_db).stat().st_size <= 32 * MEBIBYTE
