"""What SqliteStorage does about the files that it works on."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Event, Thread

import pytest

from jsonrpc_qm.errors import Unavailable
from jsonrpc_qm.storage.sqlite import SqliteStorage
from tests.records import NOW, a_record


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[SqliteStorage]:
    with closing(SqliteStorage(tmp_path / "tasks.db")) as opened:
        yield opened


def add(storage: SqliteStorage, id: str) -> None:
    with storage.transaction():
        storage.add([[a_record(id)]], NOW)


def in_another_thread(function: Callable[[], None]) -> None:
    thread = Thread(target=function)
    thread.start()
    thread.join()


def test_threads_find_the_file_wherever_the_process_has_moved_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative path is relative to where the storage was opened."""
    monkeypatch.chdir(tmp_path)
    with closing(SqliteStorage("tasks.db")) as storage:
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir("elsewhere")
        in_another_thread(lambda: add(storage, "a"))
        assert storage.get(["a"]) != [None]
        assert not list(Path().iterdir())


def test_a_moved_file_is_not_made_anew(storage: SqliteStorage) -> None:
    """Writing is refused until the file is back, also from threads that have not written yet."""
    add(storage, "a")
    away = storage.path.rename(storage.path.with_name("away.db"))
    refusals = []

    def write() -> None:
        with pytest.raises(Unavailable) as refusal:
            add(storage, "b")
        refusals.append(refusal.value)

    write()
    in_another_thread(write)
    assert len(refusals) == 2
    assert not storage.path.exists()
    away.rename(storage.path)
    add(storage, "b")
    assert None not in storage.get(["a", "b"])


def test_a_closed_storage_opens_anew(storage: SqliteStorage) -> None:
    """Its log is another file then, and that is no fault."""
    add(storage, "a")
    storage.close()
    add(storage, "b")
    assert None not in storage.get(["a", "b"])


def test_a_process_that_writes_in_a_loop_leaves_others_their_turn(storage: SqliteStorage) -> None:
    """Two storages on a file are like two processes: who waits comes before who comes again."""
    written = 0
    stop = Event()

    def write() -> None:
        nonlocal written
        with closing(SqliteStorage(storage.path)) as other:
            while not stop.is_set():
                add(other, f"other{written}")
                written += 1

    writer = Thread(target=write)
    writer.start()
    try:
        for n in range(50):
            add(storage, f"mine{n}")
    finally:
        stop.set()
        writer.join()
    assert written < 10 * 50
