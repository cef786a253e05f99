"""A queue moves from one storage to another, and its schema to another version, by command line."""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from jsonrpc_qm.storage.sqlite import SqliteStorage
from jsonrpc_qm.storage.urls import open_storage
from tests.acceptance.conftest import StartManager
from tests.acceptance.managers import environment, failed_start, sqlite_url
from tests.acceptance.rpc import Rpc
from tests.acceptance.terminals import Terminal
from tests.records import a_record
from tests.servers.postgresql import empty_schema
from tests.storage.verbs import add

PROGRAM = (sys.executable, "-m", "jsonrpc_qm")
TASKS = 2500


def program(*args: str) -> tuple[int, str, str]:
    """The command line in a process of its own: exit code, stdout and stderr."""
    done = subprocess.run(
        [*PROGRAM, *args], env=environment(), capture_output=True, text=True, timeout=50
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(params=["sqlite", "postgresql"])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of another storage, which is empty."""
    return empty_schema() if request.param == "postgresql" else sqlite_url(tmp_path / "to.db")


def fill(rpc: Rpc) -> list[str]:
    """Queue tasks, hold one of them, and finish some; the ids of all."""
    queued = rpc("queue_many", tasks=[{"name": "many", "parameters": n} for n in range(500)])
    for _ in range(TASKS // 500 - 1):
        queued += rpc("queue_many", tasks=[{"name": "more"} for _ in range(500)])
    [done, failed, _] = rpc("claim", names=["many"], worker="w", max_tasks=3, lease=3600)
    rpc("complete", id=done["id"], token=done["token"], result={"sum": 3})
    rpc("fail", id=failed["id"], token=failed["token"], error={"type": "E", "message": "no"})
    rpc("pause", name="more")
    return [task["id"] for task in queued]


def listed_by(rpc: Rpc) -> list[dict[str, Any]]:
    """All tasks, the last stored first."""
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = rpc("list_tasks", limit=500, **({"cursor": cursor} if cursor else {}))
        found += page["tasks"]
        cursor = page["next_cursor"]
        if cursor is None:
            return found


def test_a_queue_moves_and_moves_back(
    start_manager: StartManager, tasks_db: Path, tmp_path: Path, elsewhere: str
) -> None:
    """Tasks are there as they were, in their order; who holds one completes it at the new place."""
    back = sqlite_url(tmp_path / "back.db")
    before = start_manager()
    with Rpc(before.url) as rpc:
        ids = fill(rpc)
        [held] = rpc("claim", names=["many"], worker="holder", lease=3600)
        listed = listed_by(rpc)
    assert before.stop() == 0
    code, printed, said = program("copy", sqlite_url(tasks_db), elsewhere)
    assert (code, said) == (0, "")
    assert re.fullmatch(rf"{TASKS} copied; \S+ has {TASKS}\n", printed)
    assert program("copy", elsewhere, back)[0] == 0
    for url in (elsewhere, back):
        after = start_manager("--storage", url)
        with Rpc(after.url) as rpc:
            assert listed_by(rpc) == listed
            assert rpc("stats")["names"]["more"]["paused"]
            assert [task["id"] for task in reversed(listed)] == ids
            done = rpc("complete", id=held["id"], token=held["token"], result=1)
            assert (done["status"], done["attempts"]) == ("completed", 1)
        assert after.stop() == 0


def test_what_can_not_be_copied_is_one_line(tmp_path: Path) -> None:
    """Nothing is made, mixed or written over, and the exit code says what it was."""
    url, other, missing = (sqlite_url(tmp_path / name) for name in ("a.db", "b.db", "c.db"))
    for place, id in ((url, "here"), (other, "there")):
        with closing(open_storage(place)) as storage:
            add(storage, a_record(id))
    assert program("copy", url, other) == (
        4,
        "",
        f"Error: {other} is not empty, and its task there is not in {url}\n",
    )
    code, _, said = program("copy", missing, other)
    assert (code, said) == (5, f"Error: Unavailable: there is no database {tmp_path}/c.db\n")
    assert not (tmp_path / "c.db").exists()
    assert program("copy", url, url)[0] == 2


def test_a_copy_shows_how_far_it_is(tmp_path: Path) -> None:
    """To who watches, on a terminal."""
    source = tmp_path / "from.db"
    with closing(SqliteStorage(source)) as storage:
        add(storage, *(a_record(f"{number}") for number in range(TASKS)))
    target = sqlite_url(tmp_path / "to.db")
    with closing(Terminal("copy", sqlite_url(source), target)) as terminal:
        assert terminal.read_to_the_end() == 0
    assert f"{TASKS}/{TASKS}" in terminal.shown
    assert f"{TASKS} copied" in terminal.shown


def test_migrate_tells_what_it_did(tmp_path: Path) -> None:
    """A new database gets its tables, once."""
    url = sqlite_url(tmp_path / "tasks.db")
    code, printed, _ = program("migrate", "--storage", url)
    assert code == 0
    assert re.fullmatch(r"(\d+: .+\.\n)+the schema has version \d+\n", printed)
    for options in ([], ["--dry-run"]):
        code, printed, _ = program("migrate", "--storage", url, *options)
        assert code == 0
        assert printed.startswith("nothing to change: the schema has version ")


def test_several_may_migrate_at_once(elsewhere: str) -> None:
    """One makes the tables, the others wait for it and find them made."""
    with ThreadPoolExecutor() as pool:
        ended = [pool.submit(program, "migrate", "--storage", elsewhere) for _ in range(4)]
    results = [future.result() for future in ended]
    assert [(code, said) for code, _, said in results] == [(0, "")] * 4
    assert sum("nothing to change" in printed for _, printed, _ in results) == 3


def test_a_manager_refuses_a_newer_database(tmp_path: Path) -> None:
    """In one line, and so does migrate."""
    url = sqlite_url(tmp_path / "tasks.db")
    with closing(SqliteStorage(tmp_path / "tasks.db")) as storage, storage.transaction():
        storage.run("UPDATE meta SET value = '999'")
    for said in (
        failed_start("--storage", url, folder=tmp_path),
        program("migrate", "--storage", url)[2],
    ):
        assert re.fullmatch(r"Error: .*schema version 999, .* use a newer jsonrpc-qm\n", said)


def test_a_storage_that_can_not_be_reached_is_one_line(tmp_path: Path) -> None:
    """Of migrate and of copy, whatever the storage says by itself."""
    away = "postgresql://jo:secret@127.0.0.1:9/tasks"
    for args in (("migrate", "--storage", away), ("copy", away, sqlite_url(tmp_path / "to.db"))):
        code, printed, said = program(*args)
        assert (code, printed) == (5, "")
        assert said.count("\n") == 1
        assert said.startswith("Error: Unavailable: the database postgresql://127.0.0.1:9/tasks")
