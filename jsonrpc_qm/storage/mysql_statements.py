"""The statements of storage/statements.py that MySQL and MariaDB need in other words.

Neither has ON CONFLICT, partial indexes, or RETURNING after UPDATE. Indexes that the optimizer must
not pass over, however old its statistics are, are named: a query that locks would lock all that it
walks over.
"""

from collections.abc import Sequence
from functools import cache

from jsonrpc_qm.storage import statements
from jsonrpc_qm.storage.statements import CLAIMED, COLUMNS, FENCE, FOREVER, INSERTED, SAVED

SKIPPING = " FOR UPDATE SKIP LOCKED"

OTHER_WORDS = {
    statements.PAUSE: "INSERT INTO paused (name) VALUES (?) ON DUPLICATE KEY UPDATE name = name",
    statements.HOLDER: f"""
        SELECT {COLUMNS} FROM task FORCE INDEX (task_unique) WHERE name = ? AND held_key = ?""",
    statements.due(SKIPPING): f"""
        SELECT {COLUMNS} FROM task FORCE INDEX (task_due)
        WHERE due_at <= ? ORDER BY due_at, seq LIMIT ?{SKIPPING}""",
    statements.OVERDUE: """
        SELECT name, count(*), min(run_at) FROM task FORCE INDEX (task_due)
        WHERE due_at <= ? AND status = 'scheduled' AND run_at <= ? GROUP BY name""",
    statements.OLDEST: f"""
        SELECT priority, run_at FROM task FORCE INDEX (task_ready)
        WHERE status = 'queued' AND name = ? AND urgency > -cast(? AS signed)
        ORDER BY urgency, run_at LIMIT 1""",
    statements.LIST_BRANCH: """
        SELECT seq FROM task FORCE INDEX (task_listing)
        WHERE name = ? AND status = ? AND seq < ? ORDER BY seq DESC LIMIT ?""",
}
"""By the statement that they stand for."""

INSERT = f"INSERT INTO task ({', '.join(INSERTED)}) VALUES "

COUNT = "INSERT INTO tally (name, status, tasks) VALUES "
COUNT_END = " ON DUPLICATE KEY UPDATE tasks = tasks + VALUES(tasks)"

CANDIDATES = f"""
    SELECT seq, {COLUMNS} FROM task FORCE INDEX (task_ready)
    WHERE status = 'queued' AND name = ?
        AND (expires_at IS NULL OR attempts > 0 OR expires_at > ?)
    ORDER BY urgency, run_at, seq LIMIT ?{SKIPPING}"""
"""Lock the first due tasks of a name that nobody else has locked."""

SAW = """
    INSERT INTO worker (worker, names, last_seen, drain) VALUES (?, ?, ?, 0)
    ON DUPLICATE KEY UPDATE
        names = if(VALUES(names) = ?, names, VALUES(names)),
        drain = if(last_seen < ?, 0, drain),
        last_seen = VALUES(last_seen)"""

IS_DRAINING = "SELECT drain FROM worker WHERE worker = ?"


@cache
def take(seqs: int) -> str:
    """Take locked tasks, given by their rows' numbers."""
    return f"UPDATE task SET {CLAIMED} WHERE seq IN ({_marks(seqs)})"


@cache
def remove(seqs: int) -> str:
    """Delete tasks, given by their rows' numbers."""
    return f"DELETE FROM task WHERE seq IN ({_marks(seqs)})"


@cache
def finished(*, by_name: bool) -> str:
    """Lock the tasks that finished first, of one status, that nobody else has locked."""
    return f"""
        SELECT finished_at, seq, name, status FROM task FORCE INDEX (task_finished)
        WHERE status = ? AND finished_at < ? {"AND name = ?" if by_name else ""}
        ORDER BY finished_at, seq LIMIT ?{SKIPPING}"""


def complete(rows: str) -> str:
    """Complete locked tasks."""
    return f"""
        UPDATE ({rows}) AS done STRAIGHT_JOIN task ON task.id = done.column1
        SET status = 'completed', outcome = 'completed', result = done.column2, due_at = NULL,
            lease_expires_at = NULL, timeout_at = NULL, finished_at = ?, updated_at = ?"""


_SAVED = SAVED[: -len(FENCE)]
_VALUES = ", ".join(f"task.{field} = given.column{n}" for n, field in enumerate(_SAVED, 1))
_FENCE = " AND ".join(
    f"task.{field} = given.column{n}" for n, field in enumerate(FENCE, len(_SAVED) + 1)
)


def save(rows: str) -> str:
    """Write tasks' new states, each under its fence."""
    return f"UPDATE ({rows}) AS given STRAIGHT_JOIN task ON {_FENCE} SET {_VALUES}"


def read(ids: int, lock: str) -> str:
    """Tasks by id, in the order of their ids."""
    return (
        f"SELECT {COLUMNS} FROM task FORCE INDEX (task_id) WHERE id IN ({_marks(ids)})"
        f" ORDER BY id{lock}"
    )


@cache
def tuples(columns: int, rows: int) -> str:
    """What follows VALUES."""
    return ", ".join([f"({_marks(columns)})"] * rows)


@cache
def query(columns: int, rows: int) -> str:
    """Given rows as a query."""
    first = ", ".join(f"? AS column{number}" for number in range(1, columns + 1))
    return " UNION ALL ".join([f"SELECT {first}", *[f"SELECT {_marks(columns)}"] * (rows - 1)])


def _marks(values: int) -> str:
    return ", ".join("?" * values)
