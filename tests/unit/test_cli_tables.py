"""How tables look on a terminal, and what is kept from steering it."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from rich.console import Console, RenderableType

from jsonrpc_qm.cli import tables
from jsonrpc_qm.cli.output import json_text
from jsonrpc_qm.task import Status
from tests.unit.cli_fakes import ID, STATS, WORKER, a_task

EVIL = "red \x1b[31m bell \x07 c1 \x9b31m bidi \u202e line\u2028end\r\n"


def painted(table: RenderableType, width: int = 80) -> list[str]:
    """The lines that a terminal of this width shows, without colours."""
    file = io.StringIO()
    Console(file=file, width=width, force_terminal=True, color_system=None).print(table)
    return file.getvalue().splitlines()


def stats_of(**names: dict[str, Any]) -> dict[str, Any]:
    counts = STATS["names"]["hello"]
    return {**STATS, "names": {name: {**counts, **given} for name, given in names.items()}}


@pytest.mark.parametrize("width", [80, 120])
def test_only_the_name_gives_way_in_a_list(width: int) -> None:
    """The id is whole on the narrowest usual terminal, and each task is one line."""
    now = datetime.now(UTC)
    tasks = [
        a_task(name="n" * 100, created_at=now - timedelta(days=3), attempts=1_000_000),
        a_task(status=Status.STARTED, cancel_requested=True, created_at=now),
        a_task(run_at=now + timedelta(hours=3, minutes=5, seconds=30), created_at=now),
    ]
    _, long, asked, ahead = painted(tables.task_rows(tasks), width)
    assert long.startswith(f"{ID}  nnnn")
    assert "n…  " in long
    assert long.rstrip().endswith("1000000/5   3d")
    assert asked.split()[2] == "cancelling"
    assert "due in 3h5m" in ahead


def test_stats_fit_into_80_columns_with_paused_names() -> None:
    """Every count stays whole."""
    name = "a name that is much too long for its column"
    stats = stats_of(**{name: {"completed": 1_234_567}, "b": {"paused": False}})
    header, first, second, total = painted(tables.stats_table(stats))[:4]
    assert header.split()[-1] == "OLDEST"
    assert first.split()[-6:] == ["0", "1234567", "1", "0", "1m", "paused"]
    assert first.startswith("a name")
    assert "paused" not in second
    assert total.split()[:2] == ["total", "4"]


def test_stats_without_names_say_so_by_an_empty_table() -> None:
    """The manager's line is there all the same."""
    lines = painted(tables.stats_table({**STATS, "names": {}}))
    assert lines[0].split()[0] == "NAME"
    assert lines[-1].strip() == "1 worker; manager 0.1.0, up 1h1m, sqlite:///tasks.db"


@pytest.mark.parametrize(
    "table",
    [
        tables.task_rows([a_task(name=EVIL)]),
        tables.claimed_rows([a_task(name=EVIL, parameters=EVIL, token=1)]),
        tables.stats_table(stats_of(**{EVIL: {}})),
        tables.task_detail(
            a_task(
                status=Status.FAILED,
                name=EVIL,
                parameters={"text": EVIL},
                result=EVIL,
                error={"type": EVIL, "message": EVIL, "traceback": EVIL, "data": EVIL},
                worker=EVIL,
                unique_key=EVIL,
                metadata={"key": EVIL},
                progress=EVIL,
            )
        ),
    ],
)
def test_nothing_of_a_task_steers_the_terminal(table: RenderableType) -> None:
    """Control characters, and marks that turn text around, are shown by their numbers."""
    shown = "\n".join(painted(table, width=500))
    assert not set(shown) & set("\x1b\x07\x9b\u202e\u2028\r")
    assert "\\u001b[31m" in shown


def test_json_keeps_every_character_and_steers_nothing() -> None:
    """What is escaped in JSON means the same."""
    text = json_text({"text": EVIL + "ü €"})
    assert "\x9b" not in text
    assert "\\u009b" in text
    assert "ü €" in text


def test_a_task_shows_what_there_is_to_say() -> None:
    """A fresh task has few lines; what is null or as usual is left out."""
    keys = [line.split()[0] for line in painted(tables.task_detail(a_task()))]
    assert keys == ["id", "name", "status", "parameters", "attempts", "run_at", "created_at"]


def test_a_failed_task_shows_its_traceback_last() -> None:
    """Line by line, below the table."""
    error = {"type": "ValueError", "message": "no", "traceback": "Traceback:\n  in f\nValueError"}
    lines = painted(tables.task_detail(a_task(status=Status.FAILED, error=error, lost=2)))
    assert [line.rstrip() for line in lines[-3:]] == ["Traceback:", "  in f", "ValueError"]
    assert any(line.split()[:2] == ["error", "ValueError:"] for line in lines)
    assert any(line.split() == ["lost", "2,", "at", "most", "3"] for line in lines)


def test_long_values_are_cut_on_a_terminal_only() -> None:
    """And say that they are."""
    task = a_task(parameters="x" * 100_000)
    assert "(100002 characters; --json prints all)" in "".join(
        painted(tables.task_detail(task, whole=False), width=500)
    )
    whole = "".join(painted(tables.task_detail(task), width=200_000))
    assert "x" * 100_000 in whole


def test_workers_show_whether_they_drain() -> None:
    """One line each, the names give way."""
    lines = painted(tables.worker_rows([WORKER, replace(WORKER, drain=True)]))
    assert [line.split()[-2:] for line in lines[1:]] == [
        ["working", "hello"],
        ["draining", "hello"],
    ]


def test_workers_that_are_not_heard_of_are_silent() -> None:
    """After a minute, whatever they were asked before."""
    now = datetime.now(UTC)
    just = replace(WORKER, last_seen=now - timedelta(seconds=55))
    gone = replace(WORKER, last_seen=now - timedelta(seconds=61))
    lines = painted(tables.worker_rows([just, gone, replace(gone, drain=True)]))
    assert [line.split()[-2] for line in lines[1:]] == ["working", "silent", "silent"]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "0s"),
        (0.9, "0s"),
        (59.9, "59s"),
        (60, "1m"),
        (3599, "59m"),
        (3600, "1h"),
        (11100, "3h5m"),
        (86399, "23h59m"),
        (86400 * 30, "30d"),
    ],
)
def test_ages_are_short(seconds: float, said: str) -> None:
    """The largest units only; a clock that is behind gives no negative age."""
    assert tables.age(seconds) == said
