"""Adds results up, in an SQLite file that several worker processes share."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Results = dict[str, dict[str, Any]]
"""The result for each path."""


class Totals:
    """The results of a run, each kept once."""

    def __init__(self, path: Path) -> None:
        """Nothing is opened yet: `create` makes the file, everything else needs it."""
        self.path = path

    def create(self) -> None:
        """Make the file, empty."""
        with self._open() as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute(
                "CREATE TABLE results"
                " (task_id TEXT PRIMARY KEY, path TEXT, sha256 TEXT, bytes INTEGER, lines INTEGER)"
            )

    def add(self, task_id: str, path: str, result: Mapping[str, Any]) -> None:
        """Take the result of a task: once, however often it comes."""
        row = (task_id, path, result["sha256"], result["bytes"], result["lines"])
        with self._open() as database:
            database.execute("INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?)", row)

    def count(self) -> int:
        """How many tasks have been added up."""
        with self._open() as database:
            (count,) = database.execute("SELECT count(*) FROM results").fetchone()
        return int(count)

    def results(self) -> Results:
        """All of them, by path."""
        with self._open() as database:
            rows = database.execute("SELECT path, sha256, bytes, lines FROM results").fetchall()
        return {
            path: {"sha256": sha256, "bytes": size, "lines": lines}
            for path, sha256, size, lines in rows
        }

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        database = sqlite3.connect(self.path, timeout=30, isolation_level=None)
        try:
            # A commit survives the death of the process; that will do for a demonstration.
            database.execute("PRAGMA synchronous = NORMAL")
            yield database
        finally:
            database.close()
