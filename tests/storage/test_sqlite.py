"""What SQLite alone has to do."""

import multiprocessing
import sqlite3
import threading
from pathlib import Path

import pytest

from jsonrpc_qm.errors import InvalidParams, Unavailable
from jsonrpc_qm.manager import QueueManager
from jsonrpc_qm.storage.memory import MemoryStorage
from jsonrpc_qm.storage.schema import SCHEMA_VERSION
from jsonrpc_qm.storage.sqlite import SqliteStorage
from jsonrpc_qm.storage.urls import open_storage


def _queue_in_child(manager: QueueManager) -> None:
    for number in range(20):
        manager.queue("child", number)


# The test runner may have threads of its own, which Python 3.12 and later warn of.
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_uses_connections_of_its_own(tmp_path: Path) -> None:
    """A manager that was used before a fork works on both sides of it, and loses nothing."""
    manager = QueueManager(tmp_path / "tasks.db")
    manager.queue("parent", 0)
    child = multiprocessing.get_context("fork").Process(target=_queue_in_child, args=(manager,))
    child.start()
    for number in range(1, 20):
        manager.queue("parent", number)
    child.join()
    assert child.exitcode == 0
    names = manager.stats()["names"]
    assert names["parent"]["queued"] == names["child"]["queued"] == 20
    checker = sqlite3.connect(tmp_path / "tasks.db")
    assert checker.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    checker.close()
    manager.close()


def test_commits_are_synced_to_the_disk(tmp_path: Path) -> None:
    """The log is in WAL mode and every commit waits for the disk (synchronous=FULL)."""
    storage = SqliteStorage(tmp_path / "tasks.db")
    assert storage.run("PRAGMA journal_mode").fetchone() == ("wal",)
    assert storage.run("PRAGMA synchronous").fetchone() == (2,)
    storage.close()


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    """A file that a later version has written is left alone, with a clear line."""
    storage = SqliteStorage(tmp_path / "tasks.db")
    with storage.transaction():
        storage.run("UPDATE meta SET value = ?", (str(SCHEMA_VERSION + 1),))
    storage.close()
    with pytest.raises(Unavailable, match="use a newer jsonrpc-qm"):
        SqliteStorage(tmp_path / "tasks.db")


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """Something else under that name is not overwritten."""
    (tmp_path / "tasks.db").write_text("these are no tasks\n" * 100)
    with pytest.raises(Unavailable, match=r"tasks\.db"):
        SqliteStorage(tmp_path / "tasks.db")
    assert (tmp_path / "tasks.db").read_text().startswith("these are no tasks")


def test_threads_write_side_by_side(tmp_path: Path) -> None:
    """One storage serves many threads, each on a connection of its own."""
    manager = QueueManager(tmp_path / "tasks.db")
    manager.queue("first")

    def queue() -> None:
        for number in range(25):
            manager.queue("many", number)

    threads = [threading.Thread(target=queue) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert manager.stats()["names"]["many"]["queued"] == 100
    manager.close()


@pytest.mark.parametrize("url", ["", "tasks.db", "nosuch://x", "memory:x", "sqlite://host/x.db"])
def test_a_bad_storage_url_is_named(url: str) -> None:
    """The error names the parameter and says what a URL looks like."""
    with pytest.raises(InvalidParams) as caught:
        open_storage(url)
    assert caught.value.data["param"] == "storage"


def test_storage_urls_open_their_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three slashes mean the current folder, four an absolute path."""
    monkeypatch.chdir(tmp_path)
    assert isinstance(open_storage("memory:"), MemoryStorage)
    for url, path in (
        ("sqlite:///relative.db", tmp_path / "relative.db"),
        (f"sqlite:///{tmp_path}/absolute.db", tmp_path / "absolute.db"),
        ("sqlite:///with%20space.db", tmp_path / "with space.db"),
    ):
        open_storage(url).close()
        assert path.exists()
