"""`python -m benchmarks` measures real processes and says what it found."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.__main__ import KEYS

ROOT = Path(__file__).parents[2]


def benchmarks(*options: str) -> "subprocess.CompletedProcess[str]":
    """A run of the program; 1 says that a target was missed, on whatever machine this is."""
    command = [sys.executable, "-m", "benchmarks", "--quick", *options]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=50)
    assert ended.returncode in (0, 1), ended.stderr
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


def test_the_document_says_what_each_row_measures() -> None:
    """docs/benchmarks.md has a line for everything that --only takes, in the same order."""
    _, _, table = (ROOT / "docs" / "benchmarks.md").read_text().partition("| `--only` |")
    rows = [line.split("`")[1] for line in table.splitlines() if line.startswith("| `")]
    assert rows == list(KEYS)
