"""Several processes on one SQLite file may do what docs/storages/sqlite.md says."""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from jsonrpc_qm.storage.urls import _OPENERS
from tests.acceptance.managers import ManagerProcess, sqlite_url
from tests.acceptance.rpc import RawCall, Rpc, until_heard_of
from tests.acceptance.sqlite_file import SqliteFile
from tests.docs.markdown import ROOT, read, table_rows

TASKS = 100
"""By each producer."""

AT_ONCE = 1.0
"""Seconds that a machine under load may take for what usually takes 0.1."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The file that both have."""
    return tmp_path / "tasks.db"


@pytest.fixture
def managers(file: Path, tmp_path: Path) -> Iterator[list[ManagerProcess]]:
    """Two of them."""
    with ExitStack() as ended:
        yield [
            ended.enter_context(
                closing(ManagerProcess("--storage", sqlite_url(file), folder=tmp_path))
            )
            for _ in range(2)
        ]


@pytest.fixture
def callers(managers: list[ManagerProcess]) -> Iterator[list[Rpc]]:
    """One for each."""
    with ExitStack() as ended:
        yield [ended.enter_context(Rpc(manager.url)) for manager in managers]


def test_each_notices_what_the_other_has_stored(
    managers: list[ManagerProcess], callers: list[Rpc]
) -> None:
    """A claim that waits at one wakes for a task that is queued at the other, and so does whoever
    waits for its end."""
    first, second = callers
    with RawCall(managers[1].url, "claim", names=["a"], worker="w", wait=30) as claim:
        until_heard_of(second, "w")
        start = time.monotonic()
        queued = first("queue", name="a")
        [task] = claim.answer()
        assert time.monotonic() - start < AT_ONCE
    assert task["id"] == queued["id"]
    with RawCall(managers[1].url, "get_task", id=task["id"], wait=30) as reader:
        time.sleep(0.2)
        start = time.monotonic()
        first("complete", id=task["id"], token=task["token"])
        assert reader.answer()["status"] == "completed"
        assert time.monotonic() - start < AT_ONCE


def test_a_task_has_one_worker(callers: list[Rpc], file: Path) -> None:
    """While both queue, claim and complete, each task is done once, and the file stays whole."""

    def produce(rpc: Rpc) -> list[str]:
        return [rpc("queue", name="a", parameters=n)["id"] for n in range(TASKS)]

    def work(rpc: Rpc) -> list[str]:
        done = []
        while claimed := rpc("claim", names=["a"], max_tasks=5, wait=1):
            for task in claimed:
                rpc("complete", id=task["id"], token=task["token"])
                done.append(task["id"])
        return done

    with ThreadPoolExecutor(8) as threads:
        producers = [threads.submit(produce, rpc) for rpc in 2 * callers]
        workers = [threads.submit(work, rpc) for rpc in 2 * callers]
        queued = [id for producer in producers for id in producer.result()]
        done = Counter(id for worker in workers for id in worker.result())
    assert done == Counter(queued)
    with SqliteFile(file) as stored:
        stored.check()
        assert stored("SELECT max(attempts), max(lost) FROM task") == [(1, 0)]


def test_either_may_be_killed(managers: list[ManagerProcess], callers: list[Rpc]) -> None:
    """What was claimed at the one that is gone is completed at the other."""
    first, second = callers
    first("queue", name="a", id="a")
    [task] = second("claim", names=["a"])
    managers[1].kill()
    assert first("complete", id="a", token=task["token"])["status"] == "completed"


def test_settings_name_every_kind_of_storage() -> None:
    """In the row of --storage."""
    operating = read(ROOT / "docs" / "operating.md")
    rows = {row[0]: row[-1] for row in table_rows(operating.under("Settings"))}
    for scheme in _OPENERS:
        assert f"`{scheme}:" in rows["`--storage`"], scheme
