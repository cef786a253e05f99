"""How SQLite finds what the statements ask for: by an index, however many tasks there are."""

from pathlib import Path

import pytest

from jsonrpc_qm.storage import statements
from jsonrpc_qm.storage.sqlite import SqliteStorage

NAMED = (
    "HOLDER NEXT_DUE COUNT TALLY READY NAMES_IN NAMES_WAITING LIST_ALL OVERDUE OLDEST"
    " RUNNING DELETE LAST_SEQ STORED_FROM BEFORE_CLAIMS"
)

STATEMENTS = {
    **{name: getattr(statements, name) for name in NAMED.split()},
    "claim": statements.claim(3, "", SqliteStorage.among),
    "due": statements.due(""),
    "held": statements.held("VALUES (?, ?), (?, ?)"),
    "complete": statements.complete("VALUES (?, ?, ?), (?, ?, ?)"),
    "save": statements.save(f"VALUES ({', '.join('?' * len(statements.SAVED))})"),
    "read": statements.read("IN (?, ?, ?)"),
    "list of a name": statements.list_name(6),
    "by seq": statements.by_seq(2),
    "matching": statements.matching(2, "created_at >= ?"),
    "purge": statements.purge(2, SqliteStorage.among, by_name=False),
    "purge by name": statements.purge(2, SqliteStorage.among, by_name=True),
}


@pytest.mark.parametrize("sql", STATEMENTS.values(), ids=STATEMENTS)
def test_no_statement_walks_over_all_tasks(tmp_path: Path, sql: str) -> None:
    """What is asked of a million tasks costs no more than what is asked of few."""
    storage = SqliteStorage(tmp_path / "tasks.db")
    plan = storage.run(f"EXPLAIN QUERY PLAN {sql}", (1,) * sql.count("?")).fetchall()
    storage.close()
    assert [step for *_, step in plan if step.startswith("SCAN task")] == []
