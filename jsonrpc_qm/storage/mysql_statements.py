"""The statements of storage/statements.py that MySQL and MariaDB need in other words.

Neither has ON CONFLICT, partial indexes, or RETURNING after UPDATE. Indexes that the optimizer must
not pass over, however old its statistics are, are named: a query that locks would lock all that it
walks over.
"""

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

from jsonrpc_qm.storage import statements
from jsonrpc_qm.storage.mysql_schema import PARTS
from jsonrpc_qm.storage.statements import CLAIMED, COLUMNS, FENCE, INSERTED, SAVED

Rows = Sequence[Sequence[Any]]

OWN = INSERTED.index("parameters") + 1
"""How many of the columns of a new task are its own, at the beginning."""

ROW = f"json_array({COLUMNS})"
"""A task in one value: the driver takes a row of many columns apart in Python, which is slow."""

SKIPPING = " FOR UPDATE SKIP LOCKED"

OTHER_WORDS = {
    statements.PAUSE: "INSERT INTO paused (name) VALUES (?) ON DUPLICATE KEY UPDATE name = name",
    statements.HOLDER: f"""
        SELECT {COLUMNS} FROM task FORCE INDEX (task_unique) WHERE name = ? AND held_key = ?""",
    # From the latest moment backwards: the other way leads over all entries that are deleted by now
    # and that the server has not got round to removing.
    statements.BEFORE_CLAIMS: """
        SELECT 'paused', name FROM paused
        UNION ALL SELECT 'drained', worker FROM worker WHERE drain = 1
        UNION ALL (
            SELECT 'due', id FROM task FORCE INDEX (task_due)
            WHERE due_at <= ? ORDER BY due_at DESC LIMIT 1)""",
    statements.due(SKIPPING): f"""
        SELECT {COLUMNS} FROM task FORCE INDEX (task_due)
        WHERE due_at <= ? ORDER BY due_at, seq LIMIT ?{SKIPPING}""",
    statements.OVERDUE: """
        SELECT name, count(*), min(run_at) FROM task FORCE INDEX (task_due)
        WHERE due_at <= ? AND status = 'scheduled' AND run_at <= ? GROUP BY name""",
    statements.OLDEST: """
        SELECT priority, run_at FROM task FORCE INDEX (task_ready)
        WHERE ready_name = ? AND urgency > -cast(? AS signed)
        ORDER BY urgency, run_at LIMIT 1""",
    **{
        statements.list_name(statuses): statements.list_name(
            statuses, " FORCE INDEX (task_listing)"
        )
        for statuses in (1, 2, 6)
    },
}
"""By the statement that they stand for."""

SAW = """
    INSERT INTO worker (worker, names, last_seen, drain) VALUES (?, ?, ?, 0)
    ON DUPLICATE KEY UPDATE
        names = if(VALUES(names) = ?, names, VALUES(names)),
        drain = if(last_seen < ?, 0, drain),
        last_seen = VALUES(last_seen)"""

IS_DRAINING = "SELECT drain FROM worker WHERE worker = ?"


@cache
def candidates(columns: str) -> str:
    """Lock the first due tasks of a name that nobody else has locked."""
    return f"""
        SELECT seq, {columns} FROM task FORCE INDEX (task_ready)
        WHERE ready_name = ? AND (expires_at IS NULL OR attempts > 0 OR expires_at > ?)
        ORDER BY urgency, run_at, seq LIMIT ?{SKIPPING}"""


def take(seqs: Sequence[int]) -> str:
    """Take locked tasks, given by their rows' numbers; in the room that their padding had."""
    return f"UPDATE task SET padding = NULL, {CLAIMED} WHERE seq IN ({_literals(seqs)})"


def remove(seqs: Sequence[int]) -> str:
    """Delete tasks, given by their rows' numbers."""
    return f"DELETE FROM task WHERE seq IN ({_literals(seqs)})"


@cache
def finished(*, by_name: bool) -> str:
    """Lock the tasks that finished first, of one status, that nobody else has locked."""
    return f"""
        SELECT finished_at, seq, name, status FROM task FORCE INDEX (task_finished)
        WHERE ended_status = ? AND finished_at < ? {"AND name = ?" if by_name else ""}
        ORDER BY finished_at, seq LIMIT ?{SKIPPING}"""


def insert(rows: Rows) -> str:
    """Store new tasks."""
    # Those that are queued together have most else in common.
    literals = lru_cache(_literals)
    values = [f"({_literals(row[:OWN])}, {literals(row[OWN:])})" for row in rows]
    return f"INSERT INTO task ({', '.join(INSERTED)}) VALUES {', '.join(values)}"


def load(rows: Rows) -> str:
    """Store whole records."""
    return f"INSERT INTO task ({COLUMNS}) VALUES {_tuples(rows)}"


def count(rows: Rows) -> str:
    """Add to the numbers of tasks that names have in a status."""
    values = ", ".join([f"({_literals(row)}, connection_id() % {PARTS})" for row in rows])
    return f"""
        INSERT INTO tally_part (name, status, tasks, part) VALUES {values}
        ON DUPLICATE KEY UPDATE tasks = tasks + VALUES(tasks)"""


def held(ids: Sequence[str]) -> str:
    """Lock the tasks of some ids that claims hold, in the order of their ids."""
    return f"""
        SELECT json_array(seq, id, token, name, started_at) FROM task FORCE INDEX (task_id)
        WHERE id IN ({_literals(ids)}) AND status = 'started' AND outcome IS NULL
        ORDER BY id FOR UPDATE"""


def complete(rows: Rows, now: int) -> str:
    """Complete locked tasks, given by their rows' numbers, in ascending order, and results.

    interval() finds a number's place by binary search. A join with the rows would be written to a
    table on the disk first, as results have any length.
    """
    seqs = ", ".join([str(seq) for seq, _ in rows])
    results = {result for _, result in rows}
    if len(results) == 1:
        result = _literal(results.pop())
    else:
        result = f"elt(interval(seq, {seqs}), {_literals([result for _, result in rows])})"
    return f"""
        UPDATE task SET status = 'completed', outcome = 'completed', result = {result},
            due_at = NULL, lease_expires_at = NULL, timeout_at = NULL,
            finished_at = {now}, updated_at = {now}
        WHERE seq IN ({seqs})"""


_SAVED = SAVED[: -len(FENCE)]
_VALUES = ", ".join(f"task.{field} = given.column{n}" for n, field in enumerate(_SAVED, 1))
_FENCE = " AND ".join(
    f"task.{field} = given.column{n}" for n, field in enumerate(FENCE, len(_SAVED) + 1)
)


def save(rows: Rows) -> str:
    """Write tasks' new states, each under its fence."""
    return f"UPDATE ({_query(rows)}) AS given STRAIGHT_JOIN task ON {_FENCE} SET {_VALUES}"


def read(ids: Sequence[str], lock: str, columns: str) -> str:
    """Tasks by id, in the order of their ids."""
    return (
        f"SELECT seq, {columns} FROM task FORCE INDEX (task_id) WHERE id IN ({_literals(ids)})"
        f" ORDER BY id{lock}"
    )


def filled(sql: str, params: Sequence[Any]) -> str:
    """The statement with values in place of its marks."""
    if not params:
        return sql
    first, *others = sql.split("?")
    pairs = zip(params, others, strict=True)
    return first + "".join([f"{_literal(value)}{text}" for value, text in pairs])


def _tuples(rows: Rows) -> str:
    """Values as what follows VALUES."""
    return ", ".join([f"({_literals(row)})" for row in rows])


def _query(rows: Rows) -> str:
    """Values as a query with the columns `column1`, `column2`, ..."""
    first = ", ".join(
        f"{_literal(value)} AS column{number}" for number, value in enumerate(rows[0], 1)
    )
    others = [f"SELECT {_literals(row)}" for row in rows[1:]]
    return " UNION ALL ".join([f"SELECT {first}", *others])


def _literals(row: Sequence[Any]) -> str:
    return ", ".join(map(_literal, row))


def _literal(value: str | int | None) -> str:
    """A value in SQL; the driver's own way is several times slower.

    Needs an sql_mode without NO_BACKSLASH_ESCAPES.
    """
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
    return str(value)
