"""`python -m benchmarks` measures real processes and says what it found."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import KEYS, STORAGES_KEYS
from tests.docs.shell import need

ROOT = Path(__file__).parents[2]


def run(*options: str) -> "subprocess.CompletedProcess[str]":
    """A run of the program."""
    command = [sys.executable, "-m", "benchmarks", "--quick", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)


def benchmarks(*options: str) -> "subprocess.CompletedProcess[str]":
    """One that measures; 1 says that a target was missed, on whatever machine this is."""
    ended = run(*options)
    assert ended.returncode in (0, 1), ended.stderr
    # A traceback ends with 1, too.
    assert ended.stdout, ended.stderr
    return ended


def test_a_measurement_is_printed_as_json_and_written(tmp_path: Path) -> None:
    """Each row says what it is, its figure, its target, and whether that was reached."""
    path = tmp_path / "figures.json"
    ended = benchmarks("--only", "to-worker", "--only", "help", "--json", "--output", str(path))
    printed: dict[str, Any] = json.loads(ended.stdout)
    assert json.loads(path.read_text()) == printed
    assert [row["key"] for row in printed["rows"]] == ["to-worker", "help"]
    for row in printed["rows"]:
        assert row["figure"] > 0
        assert row["reached"] == (row["figure"] <= row["target"])
    assert ended.returncode == (0 if all(row["reached"] for row in printed["rows"]) else 1)


@pytest.mark.timeout(260)
def test_a_storage_is_measured_beside_sqlite() -> None:
    """On a server that is started for it: rates and latencies with SQLite's as their base, rates of
    several managers with one's, and the room that tasks take."""
    need("redis-server")
    keys = ["report", "to-worker", "managers", "size"]
    ended = benchmarks("--storages", "--on", "redis", *(f"--only={key}" for key in keys), "--json")
    rows: list[dict[str, Any]] = json.loads(ended.stdout)["rows"]
    report, to_worker, *managers = [row for row in rows if row["storage"] == "redis"][:-2]
    assert (report["key"], report["target"], report["base_unit"]) == (
        "report",
        0.8,
        "tasks/s on SQLite",
    )
    assert report["reached"] == (report["ratio"] >= 0.8)
    assert (to_worker["key"], to_worker["target"], to_worker["base"] > 0) == ("to-worker", 4, True)
    assert [row["what"].split(":")[1] for row in managers] == [" 2 managers"] * 3
    assert all(row["base"] > 0 and row["reached"] is None for row in managers)
    sizes = {(row["storage"], row["what"].split()[-1]): row["figure"] for row in rows[-3:]}
    assert set(sizes) == {("redis", "memory"), ("redis", "disk"), ("sqlite", "disk")}
    assert all(100 < size < 10_000 for size in sizes.values())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--on", "redis"], "--on goes with --storages"),
        (["--storages", "--storage", "memory:"], "leave --storage away"),
        (["--storages", "--only", "idle"], "with --storages there is no --only idle"),
        (["--only", "size"], "without --storages there is no --only size"),
        (["--storage", "sqlite:///one.db"], "needs {name}"),
    ],
)
def test_what_does_not_go_together_is_refused(options: list[str], said: str) -> None:
    """Before anything is measured."""
    ended = run(*options)
    assert ended.returncode == 2
    assert said in ended.stderr


def test_the_document_says_what_each_row_measures() -> None:
    """docs/benchmarks.md has a line for everything that --only takes, in the same order."""
    text = (ROOT / "docs" / "benchmarks.md").read_text()
    plain, storages = ("## How it is measured", "## The storages side by side")
    for heading, keys in ((plain, KEYS), (storages, STORAGES_KEYS)):
        section = text.partition(f"\n{heading}\n")[2].partition("\n## ")[0]
        rows = [line.split("`")[1] for line in section.splitlines() if line.startswith("| `")]
        assert [row for row in rows if row != "--only"] == list(keys), heading
