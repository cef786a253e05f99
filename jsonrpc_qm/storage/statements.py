"""The statements of storage/sql.py, each with what it is for.

Conditions that an index of schema.py depends on are written out in the words of that index, so that
the planner sees that it applies.
"""

from collections.abc import Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any

from jsonrpc_qm.record import FIELDS, Record
from jsonrpc_qm.storage.base import Claim

COLUMNS = ", ".join(FIELDS)

INSERT_WIDTH = FIELDS.index("due_at") + 1
"""A new task fills the columns up to here; the others have their defaults."""


INSERTED = FIELDS[:INSERT_WIDTH]
"""The columns of a new task."""


@lru_cache
def insert(rows: str) -> str:
    """Store new tasks, passing over those whose id or unique key is taken."""
    return f"INSERT INTO task ({', '.join(INSERTED)}) {rows} ON CONFLICT DO NOTHING"


@lru_cache
def load(rows: str) -> str:
    """Store tasks with all their columns, passing over those whose id or unique key is taken."""
    return f"INSERT INTO task ({COLUMNS}) {rows} ON CONFLICT DO NOTHING"


_CANDIDATES = """
    SELECT * FROM (SELECT seq, priority, run_at FROM task
        WHERE status = 'queued' AND name = ?
            AND (expires_at IS NULL OR attempts > 0 OR expires_at > ?)
        ORDER BY priority DESC, run_at, seq LIMIT ?{lock}) AS named"""


CLAIMED = """
            status = 'started',
            token = CASE WHEN token >= ? THEN token + 1 ELSE ? END,
            outcome = NULL,
            attempts = attempts + 1,
            worker = ?,
            claim_lease = coalesce(?, lease),
            lease_expires_at = ? + coalesce(?, lease),
            timeout_at = ? + timeout,
            due_at = ? + CASE
                WHEN timeout < coalesce(?, lease) THEN timeout ELSE coalesce(?, lease) END,
            started_at = ?,
            finished_at = NULL,
            progress = NULL,
            updated_at = ?"""
"""What `claim` writes: transitions.claimed."""


@lru_cache
def claim(names: int, lock: str, among: str) -> str:
    """Take the next due tasks of some names: transitions.claimed, as one conditional write.

    Each name gives its first candidates by the index, then the best of them all are taken. `among`
    is that a row is one of some: see SqlStorage. IS TRUE keeps indexes of a status from being used.
    """
    candidates = " UNION ALL ".join([_CANDIDATES.format(lock=lock)] * names)
    taken = among.format(f"""
            SELECT seq FROM ({candidates}) AS due ORDER BY priority DESC, run_at, seq LIMIT ?""")
    return f"""
        UPDATE task SET {CLAIMED}
        WHERE (status = 'queued') IS TRUE AND {taken}
        RETURNING seq, {COLUMNS}"""


def claimed_params(claim: Claim, now: int) -> list[Any]:
    """The parameters of CLAIMED."""
    lease = claim.lease
    return [now, now, claim.worker, lease, now, lease, now, now, lease, lease, now, now]


def claim_params(claim: Claim, names: Sequence[str], now: int) -> list[Any]:
    """The parameters of `claim`."""
    candidates = [value for name in names for value in (name, now, claim.max_tasks)]
    return [*claimed_params(claim, now), *candidates, claim.max_tasks]


_PRIORITY = FIELDS.index("priority") + 1
_RUN_AT = FIELDS.index("run_at") + 1


def claim_order(row: Sequence[Any]) -> tuple[int, int, int]:
    """The order in which tasks are taken, for rows that `claim` returned."""
    return (-row[_PRIORITY], row[_RUN_AT], row[0])


COMPLETED = ("id", "token", "result")
"""The columns of the rows that `complete` takes."""


@lru_cache
def held(rows: str) -> str:
    """How many tasks of each name and start are held by claims, given by id and token."""
    return f"""
        SELECT name, started_at, count(*) FROM ({rows}) AS claims
        JOIN task ON id = claims.column1 AND token = claims.column2
        WHERE status = 'started' AND outcome IS NULL GROUP BY name, started_at"""


@lru_cache
def complete(rows: str) -> str:
    """Complete started tasks by id, token and result: transitions.Complete, as one conditional
    write.

    IS TRUE keeps indexes of a status from being used: all are looked for by their ids.
    """
    return f"""
        UPDATE task SET
            status = 'completed',
            outcome = 'completed',
            result = done.column3,
            due_at = NULL,
            lease_expires_at = NULL,
            timeout_at = NULL,
            finished_at = ?,
            updated_at = ?
        FROM ({rows}) AS done
        WHERE id = done.column1 AND token = done.column2
            AND (status = 'started') IS TRUE AND outcome IS NULL"""


@lru_cache
def completed(rows: str) -> str:
    """`complete`, and which tasks met the condition."""
    return f"{complete(rows)} RETURNING id, name, started_at"


_SAVED = (
    "status",
    "run_at",
    "expires_at",
    "updated_at",
    "due_at",
    "result",
    "error",
    "attempts",
    "failures",
    "lost",
    "progress",
    "outcome",
    "lease_expires_at",
    "timeout_at",
    "cancel_requested",
    "finished_at",
    "history",
)
_saved_values = attrgetter(*_SAVED)

FENCE = ("id", "status", "token", "cancel_requested")
"""What must be as it was when a task was read, for its new state to be written."""


@lru_cache
def save(rows: str) -> str:
    """Write tasks' new states, each under its fence."""
    values = ", ".join(f"{field} = now.column{n}" for n, field in enumerate(_SAVED, 1))
    fence = " AND ".join(
        f"task.{field} = now.column{n}" for n, field in enumerate(FENCE, len(_SAVED) + 1)
    )
    return f"UPDATE task SET {values} FROM ({rows}) AS now WHERE {fence}"


SAVED = (*_SAVED, *FENCE)
"""The columns of the rows that `save` takes."""


def save_params(before: Record, after: Record) -> tuple[Any, ...]:
    """A row for `save`."""
    fence = (before.id, before.status, before.token, before.cancel_requested)
    return (*_saved_values(after), *fence)


@lru_cache
def read(among: str, lock: str = "") -> str:
    """Tasks whose id is among some.

    In the order of their ids, so that two who lock some do not wait in a circle.
    """
    return f"SELECT {COLUMNS} FROM task WHERE id {among} ORDER BY id{lock}"


@lru_cache
def by_seq(rows: int) -> str:
    """Tasks by their rows' numbers, those stored last first."""
    return f"SELECT {COLUMNS} FROM task WHERE seq IN ({marks(rows)}) ORDER BY seq DESC"


@lru_cache
def matching(rows: int, *conditions: str) -> str:
    """Those of some rows that meet conditions, those stored last first."""
    where = " AND ".join([f"seq IN ({marks(rows)})", *conditions])
    return f"SELECT seq FROM task WHERE {where} ORDER BY seq DESC"


def marks(values: int) -> str:
    """Marks for so many parameters."""
    return ", ".join("?" * values)


LAST_SEQ = "SELECT coalesce(max(seq), 0) FROM task"
"""The number of the row stored last."""

STORED_FROM = "SELECT seq, created_at FROM task WHERE seq >= ? ORDER BY seq LIMIT 1"
"""When the first row from a position on was stored."""

DUMP = f"SELECT seq, {COLUMNS} FROM task WHERE seq > ? ORDER BY seq LIMIT ?"
"""Tasks in the order in which they were stored, after a position."""

HOLDER = f"""
    SELECT {COLUMNS} FROM task WHERE name = ? AND unique_key = ?
        AND unique_key IS NOT NULL AND status IN ('queued', 'scheduled', 'started')"""
"""The unfinished task that has a unique key."""


BEFORE_CLAIMS = """
    SELECT 'paused', name FROM paused
    UNION ALL SELECT 'drained', worker FROM worker WHERE drain = 1
    UNION ALL SELECT 'due', id FROM (
        SELECT id FROM task WHERE due_at <= ? ORDER BY due_at LIMIT 1) AS first_due"""
"""The names that are paused, the workers that are asked to finish, and a task that time has changed
if there is one."""


@lru_cache
def due(lock: str) -> str:
    """The tasks that time has changed, those due longest first."""
    return f"SELECT {COLUMNS} FROM task WHERE due_at <= ? ORDER BY due_at, seq LIMIT ?{lock}"


NEXT_DUE = "SELECT min(due_at) FROM task WHERE due_at IS NOT NULL"
"""When time alone changes a task next."""

COUNT = """
    INSERT INTO tally (name, status, tasks) VALUES (?, ?, ?)
    ON CONFLICT (name, status) DO UPDATE SET tasks = tally.tasks + excluded.tasks"""
"""Add to the number of tasks that a name has in a status."""

TALLY = "SELECT name, status, tasks FROM tally WHERE tasks > 0"
"""How many tasks each name has in each status."""

READY = """
    SELECT name, tasks FROM tally
    WHERE status = 'queued' AND tasks > 0 AND name NOT IN (SELECT name FROM paused)"""
"""How many tasks of each name a claim could take."""

NAMES_IN = "SELECT name FROM tally WHERE status = ? AND tasks > 0"
"""The names that have tasks in a status."""

NAMES_WAITING = """
    SELECT DISTINCT name FROM tally WHERE status IN ('queued', 'scheduled') AND tasks > 0"""
"""The names that have tasks which wait, due or not."""

LIST_ALL = "SELECT seq FROM task WHERE seq < ? ORDER BY seq DESC LIMIT ?"
"""The rows stored last, before a position."""


@lru_cache
def list_name(statuses: int, index: str = "") -> str:
    """The rows of one name stored last, between two positions, of each of some statuses.

    As one statement, which sees one moment: tasks move between the statuses. `index` follows the
    table's name.
    """
    return " UNION ALL ".join([_OF_STATUS.format(index)] * statuses)


_OF_STATUS = """
    SELECT * FROM (SELECT seq FROM task{}
        WHERE name = ? AND status = ? AND seq < ? AND seq > ? ORDER BY seq DESC LIMIT ?)
    AS of_status"""


OVERDUE = """
    SELECT name, count(*), min(run_at) FROM task
    WHERE due_at IS NOT NULL AND due_at <= ? AND status = 'scheduled' AND run_at <= ?
    GROUP BY name"""
"""Tasks that are ripe and that no sweep or claim has come by yet."""

OLDEST = """
    SELECT priority, run_at FROM task WHERE status = 'queued' AND name = ? AND priority < ?
    ORDER BY priority DESC, run_at LIMIT 1"""
"""The first task of a name below a priority."""

RUNNING = """
    SELECT worker, count(*) FROM task
    WHERE name = ? AND status = 'started' AND worker IS NOT NULL GROUP BY worker"""
"""How many tasks of a name each worker holds."""

PAUSED = "SELECT name FROM paused"
"""The names that are not claimed from."""

PAUSE = "INSERT INTO paused (name) VALUES (?) ON CONFLICT DO NOTHING"
"""Stop the claims of a name."""

RESUME = "DELETE FROM paused WHERE name = ?"
"""Let a name be claimed from again."""

SAW = """
    INSERT INTO worker (worker, names, last_seen, drain) VALUES (?, ?, ?, 0)
    ON CONFLICT (worker) DO UPDATE SET
        names = CASE WHEN excluded.names = ? THEN worker.names ELSE excluded.names END,
        drain = CASE WHEN worker.last_seen < ? THEN 0 ELSE worker.drain END,
        last_seen = excluded.last_seen
    RETURNING drain"""
"""Remember that a worker was heard of."""

WORKERS = "SELECT worker, names, last_seen, drain FROM worker ORDER BY worker"
"""All remembered workers."""

DRAIN = "UPDATE worker SET drain = 1 WHERE worker = ? AND last_seen >= ?"
"""Ask a worker to finish what it has."""

FORGET_WORKERS = "DELETE FROM worker WHERE last_seen < ?"
"""Forget workers not heard of for long."""

DELETE = "DELETE FROM task WHERE id = ? AND status IN ('completed', 'failed', 'cancelled')"
"""Delete a finished task."""


@lru_cache
def purge(statuses: int, among: str, *, by_name: bool) -> str:
    """Delete finished tasks of some statuses, those that finished first."""
    candidates = " UNION ALL ".join(
        [_FINISHED.format("AND name = ?" if by_name else "")] * statuses
    )
    oldest = among.format(f"""
            SELECT seq FROM ({candidates}) AS oldest ORDER BY finished_at, seq LIMIT ?""")
    return f"DELETE FROM task WHERE {oldest} RETURNING name, status"


_FINISHED = """
    SELECT * FROM (SELECT seq, finished_at FROM task
        WHERE status = ? AND finished_at IS NOT NULL AND finished_at < ? {}
        ORDER BY finished_at, seq LIMIT ?) AS of_status"""
