"""The manager's file, read past the manager."""

import sqlite3
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

Rows = list[tuple[Any, ...]]


class SqliteFile:
    """Runs statements on a database file, and holds locks when told to."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, timeout=10, isolation_level=None)

    def __call__(self, sql: str, params: Sequence[Any] = ()) -> Rows:
        return self._connection.execute(sql, params).fetchall()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def check(self) -> None:
        """The file is whole, and its tally is what a count of the tasks gives."""
        assert self("PRAGMA integrity_check") == [("ok",)]
        counted = Counter(self("SELECT name, status FROM task"))
        tally = self("SELECT name, status, tasks FROM tally WHERE tasks != 0")
        assert {(name, status): tasks for name, status, tasks in tally} == counted
