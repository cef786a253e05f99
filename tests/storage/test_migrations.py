"""How the schema of a database becomes that of this program."""

import multiprocessing
import sqlite3
from collections.abc import Callable
from contextlib import closing
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest

from jsonrpc_qm.errors import InvalidParams, Unavailable
from jsonrpc_qm.storage import schema
from jsonrpc_qm.storage.migrations import MIGRATIONS, Migration, running
from jsonrpc_qm.storage.migrations.running import migrate
from jsonrpc_qm.storage.sqlite import SqliteStorage
from jsonrpc_qm.storage.upgrade import Upgrade
from tests.records import a_record
from tests.storage.verbs import add, claim, get

FIRST_TABLES = (Path(__file__).parent / "schema-1.sql").read_text()

PROCESSES = 4


def a_note(database: Any) -> None:
    """A change that fails when it is made twice."""
    database.execute_sql("ALTER TABLE task ADD COLUMN note TEXT")
    database.execute_sql("UPDATE task SET note = name")


def breaks(database: Any) -> None:
    """A change that stops half-way."""
    a_note(database)
    raise RuntimeError("half-way")


def with_next(
    monkeypatch: pytest.MonkeyPatch, apply: Callable[[Any], None], *, at_start: bool = True
) -> int:
    """Have one more migration than there are; its version."""
    version = len(MIGRATIONS) + 1
    step = Migration(version, "A note on each task.", apply, at_start)
    for module in (schema, running):
        monkeypatch.setattr(module, "MIGRATIONS", (*MIGRATIONS, step))
    return version


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A database as this program makes it, with a task in it."""
    path = tmp_path / "old.db"
    with closing(SqliteStorage(path)) as storage:
        add(storage, a_record("a"))
    return path


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """An empty database as the first release made it."""
    path = tmp_path / "first.db"
    with closing(sqlite3.connect(path)) as database:
        database.executescript(FIRST_TABLES)
    return path


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        [(version,)] = database.execute("SELECT value FROM meta WHERE key = 'schema_version'")
        return int(version)


def columns_of(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        return [name for _, name, *_ in database.execute("PRAGMA table_info(task)")]


def tables_of(path: Path) -> set[tuple[str, str]]:
    """All tables with their columns and all indexes, as SQL."""
    with closing(sqlite3.connect(path)) as database:
        return set(database.execute("SELECT name, sql FROM sqlite_master"))


def test_versions_are_numbered_from_1_and_each_says_what_it_does() -> None:
    """Without gaps, each with a sentence that an operator can read."""
    assert [step.version for step in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))
    for step in MIGRATIONS:
        assert step.sentence[0].isupper()
        assert step.sentence.endswith(".")


def test_an_older_database_becomes_what_a_new_one_is(first: Path, tmp_path: Path) -> None:
    """The steps of storage/migrations/ lead to the tables of storage/schema.py."""
    migrate(f"sqlite:///{first}")
    SqliteStorage(tmp_path / "new.db").close()
    assert tables_of(first) == tables_of(tmp_path / "new.db")
    assert version_of(first) == version_of(tmp_path / "new.db") == MIGRATIONS[-1].version


def test_a_change_that_takes_a_moment_is_made_when_a_manager_starts(
    old: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Opening the storage makes it, once, and says so; tasks stay."""
    version = with_next(monkeypatch, a_note)
    caplog.set_level("INFO", "jsonrpc_qm.schema")
    for changed in ([version], []):
        with closing(SqliteStorage(old)) as storage:
            assert [step.version for step in storage.upgraded] == changed
            assert get(storage, "a") == a_record("a")
            assert storage.run("SELECT note FROM task").fetchall() == [("mail",)]
    assert version_of(old) == version
    assert caplog.messages == [f"schema version {version}: A note on each task."]


def test_a_long_change_waits_for_the_operator(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A manager does not start before `jsonrpc-qm migrate` was run, and says so."""
    version = with_next(monkeypatch, a_note, at_start=False)
    with pytest.raises(Unavailable, match=rf"version {version} \(A note .*jsonrpc-qm migrate"):
        SqliteStorage(old)
    assert "note" not in columns_of(old)
    newest, changes = migrate(f"sqlite:///{old}")
    assert (newest, [step.version for step in changes]) == (version, [version])
    with closing(SqliteStorage(old)) as storage:
        assert [record.id for record in claim(storage, "mail")] == ["a"]


def test_a_dry_run_changes_nothing(
    old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names the changes, and makes no file."""
    version = with_next(monkeypatch, a_note)
    before = tables_of(old)
    newest, changes = migrate(f"sqlite:///{old}", dry_run=True)
    assert (newest, [step.version for step in changes]) == (version, [version])
    assert (tables_of(old), version_of(old)) == (before, version - 1)
    with pytest.raises(Unavailable, match="there is no database"):
        migrate(f"sqlite:///{tmp_path}/new.db", dry_run=True)
    assert not (tmp_path / "new.db").exists()


def test_a_change_that_breaks_leaves_the_database_as_it_was(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The change and its number are one transaction."""
    with monkeypatch.context() as broken:
        version = with_next(broken, breaks)
        with pytest.raises(RuntimeError, match="half-way"):
            SqliteStorage(old)
    assert version_of(old) == version - 1
    assert "note" not in columns_of(old)
    SqliteStorage(old).close()


@pytest.mark.parametrize("upgrade", Upgrade)
def test_a_newer_database_is_refused(
    old: Path, upgrade: Upgrade, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By all who open it, and it is left alone."""
    with monkeypatch.context() as newer:
        version = with_next(newer, a_note)
        SqliteStorage(old).close()
    with pytest.raises(Unavailable, match=f"version {version}, this program knows up to"):
        SqliteStorage(old, upgrade=upgrade)
    assert version_of(old) == version


def test_memory_has_no_schema() -> None:
    """What can't be migrated is said, not passed over."""
    with pytest.raises(InvalidParams, match="memory: has no schema"):
        migrate("memory:")


def _open(path: Path, together: Barrier) -> None:
    together.wait(20)
    SqliteStorage(path).close()


# The test runner may have threads of its own, which Python 3.12 and later warn of.
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("is_new", [True, False])
def test_several_may_start_at_once(
    old: Path, tmp_path: Path, is_new: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One creates or changes the schema, the others wait and find it done."""
    path = tmp_path / "new.db" if is_new else old
    version = with_next(monkeypatch, a_note)
    fork = multiprocessing.get_context("fork")
    together = fork.Barrier(PROCESSES)
    managers = [fork.Process(target=_open, args=(path, together)) for _ in range(PROCESSES)]
    for manager in managers:
        manager.start()
    for manager in managers:
        manager.join(30)
    assert [manager.exitcode for manager in managers] == [0] * PROCESSES
    assert version_of(path) == version
    assert ("note" in columns_of(path)) is not is_new
