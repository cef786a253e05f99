"""top on the command line."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from rich.console import Console

from jsonrpc_qm.answers import NameRates, Rates, TaskPage, WorkerInfo
from jsonrpc_qm.cli.overview import Overview
from jsonrpc_qm.errors import Unavailable
from jsonrpc_qm.task import Status
from tests.unit.cli_fakes import STATS, WHEN, WORKER, FakeManager, a_task, run

COUNTS = STATS["names"]["hello"]


def overview(names: dict[str, Any], **members: Any) -> Overview:
    """What a manager with these names said."""
    stats = {**STATS, "names": {name: {**COUNTS, **counts} for name, counts in names.items()}}
    given = {
        "workers": [WORKER],
        "running": [],
        "rates": Rates(interval=10, until=WHEN, names={}),
        **members,
    }
    return Overview(stats=stats, **given)


def painted(seen: Overview, width: int = 80, height: int | None = None) -> list[str]:
    """Its lines on a terminal of that size."""
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(seen.table(height, width))
    return [line.rstrip() for line in capture.get().splitlines()]


def names_in(lines: list[str]) -> list[str]:
    """The first words under NAME."""
    begin = next(n for n, line in enumerate(lines) if line.startswith("NAME")) + 1
    return [line.split()[0] for line in lines[begin : lines.index("", begin)]]


def test_top_prints_once_in_a_pipe() -> None:
    """A row a name and a worker, with rates of the last half minute."""
    steps = NameRates(queued=[90, 3, 6, 9], finished=[0, 30, 60, 90])
    manager = FakeManager(rates=Rates(interval=10, until=WHEN, names={"hello": steps}))
    lines = run("top", manager=manager).stdout.splitlines()
    assert lines[0] == "up 1h1m, sqlite:///tasks.db"
    assert lines[1].split()[:2] == ["queued", "0.6/s"]
    assert lines[2].split()[:2] == ["finished", "6.0/s"]
    row = next(line for line in lines if line.startswith("hello"))
    assert row.split() == ["hello", "2", "1", "0", "10", "1", "1m", "0.6", "6.0", "paused"]
    assert lines[-1].split()[0] == "host-1"


def test_top_json_is_what_the_manager_answered() -> None:
    """One document with all four answers."""
    answer = json.loads(run("top", "--json").stdout)
    assert answer["stats"] == STATS
    assert [worker["worker"] for worker in answer["workers"]] == ["host-1"]
    assert [task["name"] for task in answer["running"]] == ["hello"]
    assert answer["rates"]["names"]["hello"]["queued"] == [4]


def test_top_asks_for_tasks_that_run() -> None:
    """Not for all there are."""
    manager = FakeManager(list_tasks=TaskPage(tasks=[], next_cursor=None))
    run("top", "--once", manager=manager)
    assert ("list_tasks", (), {"status": "started", "limit": 100}) in manager.calls


def test_top_of_a_manager_that_is_not_there_ends_at_once() -> None:
    """The first look must succeed."""
    result = run("top", manager=FakeManager(stats=Unavailable("no manager")))
    assert (result.exit_code, result.stderr) == (5, "Error: Unavailable: no manager\n")


def test_names_are_sorted_by_what_waits() -> None:
    """The most queued first, then the oldest, then the scheduled ones."""
    seen = overview(
        {
            "idle": {"queued": 0, "scheduled": 0, "oldest_queued_age": None},
            "later": {"queued": 0, "scheduled": 9, "oldest_queued_age": None},
            "few": {"queued": 1, "oldest_queued_age": 5.0},
            "old": {"queued": 1, "oldest_queued_age": 50.0},
            "many": {"queued": 7},
        }
    )
    assert names_in(painted(seen)) == ["many", "old", "few", "later", "idle"]


def test_all_fits_into_80_columns() -> None:
    """Long names are cut, large counts are shortened."""
    large = {"queued": 1_234_567, "completed": 98_765_432, "failed": 123_456}
    lines = painted(overview({"a" * 200: large}, workers=[WORKER] * 2))
    assert max(map(len, lines)) <= 80
    row = next(line for line in lines if line.startswith("aaa"))
    assert row.split()[1:] == ["1.23M", "1", "0", "98.8M", "123k", "1m", "0.0", "0.0", "paused"]


@pytest.mark.parametrize("width", [40, 50, 60, 70, 79])
def test_on_a_narrow_terminal_names_stay_readable(width: int) -> None:
    """What matters least gives way; what waits is shown on every terminal."""
    workers = [replace(WORKER, worker="host-with-a-name-1")]
    seen = overview({"reports-of-the-month": {}, "reports-of-the-year": {}}, workers=workers)
    lines = painted(seen, width)
    assert max(map(len, lines)) <= width
    header = next(line for line in lines if line.startswith("NAME"))
    assert "QUEUED" in header
    assert ("DONE" in header, "SCHED" in header) == (width > 65, width > 60)
    assert sum(line.startswith("reports-of-") for line in lines) == 2
    assert sum(line.startswith("host-with-a") for line in lines) == 1


def test_no_room_is_kept_for_long_names_that_are_not_there() -> None:
    """Short ones leave it to the columns."""
    lines = painted(overview({"add": {"paused": False}}), 60)
    header = next(line for line in lines if line.startswith("NAME"))
    assert header.split() == [
        *("NAME", "QUEUED", "SCHED", "STARTED", "DONE", "FAILED", "OLDEST", "IN/S", "OUT/S")
    ]


@pytest.mark.parametrize("height", [12, 24, 50])
def test_all_fits_into_the_terminal(height: int) -> None:
    """What there is no room for is counted."""
    names = {f"name-{n}": {} for n in range(100)}
    workers = [WORKER] * 30
    lines = painted(overview(names, workers=workers), height=height)
    assert len(lines) == height
    shown = names_in(lines)
    assert f"and {100 - len(shown) + 1} more names" in lines


def test_workers_have_what_they_run() -> None:
    """The longest first, and how many there are besides."""
    now = overview({}).workers[0].last_seen
    running = [
        a_task(name=name, status=Status.STARTED, worker="host-1", started_at=now - ago)
        for name, ago in (("young", timedelta(0)), ("old", timedelta(days=3)))
    ]
    worker = WorkerInfo(worker="host-1", names=["old"], last_seen=WHEN, running=5, drain=True)
    row = painted(overview({}, workers=[worker], running=running))[-1]
    assert "draining, old" in row
    assert row.endswith("3 more")


def test_silent_workers_are_last_and_said_to_be() -> None:
    """Where there is no room for all, those that live are shown."""
    gone = replace(WORKER, worker="gone", last_seen=datetime.now(UTC) - timedelta(seconds=61))
    lines = painted(overview({}, workers=[gone, WORKER]))
    assert [line.split()[0] for line in lines[-2:]] == ["host-1", "gone"]
    assert [line.endswith("silent") for line in lines[-2:]] == [False, True]


def test_nothing_steers_the_terminal() -> None:
    """A name with an escape sequence is shown by its numbers."""
    lines = painted(overview({"\x1b[2J": {}}))
    assert any("\\u001b[2J" in line for line in lines)
