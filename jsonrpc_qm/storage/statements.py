"""The statements of storage/sql.py, each with what it is for.

Conditions that an index of schema.py depends on are written out in the words of that index, so that
the planner sees that it applies.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any, TypeVar

from jsonrpc_qm.record import FIELDS, Record
from jsonrpc_qm.storage.base import Claim

COLUMNS = ", ".join(FIELDS)

WIDTHS = (100, 30, 10, 3, 1)
"""How many rows one statement carries: few sizes, so that each is prepared once and kept."""

T = TypeVar("T")


def chunks(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    """The rows in runs of WIDTHS, the widest first."""
    start = 0
    for width in WIDTHS:
        while len(rows) - start >= width:
            yield rows[start : start + width]
            start += width


FOREVER = 2**62
"""A moment after all others."""

INSERT_WIDTH = FIELDS.index("due_at") + 1
"""A new task fills the columns up to here; the others have their defaults."""


@lru_cache
def insert(rows: int) -> str:
    """Store new tasks, passing over those whose id or unique key is taken."""
    values = "(" + ", ".join("?" * INSERT_WIDTH) + ")"
    return (
        f"INSERT INTO task ({', '.join(FIELDS[:INSERT_WIDTH])})"
        f" VALUES {', '.join([values] * rows)} ON CONFLICT DO NOTHING"
    )


_CANDIDATES = """
    SELECT * FROM (SELECT seq, priority, run_at FROM task
        WHERE status = 'queued' AND name = ?
            AND (expires_at IS NULL OR attempts > 0 OR expires_at > ?)
        ORDER BY priority DESC, run_at, seq LIMIT ?)"""


@lru_cache
def claim(names: int) -> str:
    """Take the next due tasks of some names: transitions.claimed, as one conditional write.

    Each name gives its first candidates by the index, then the best of them all are taken.
    """
    candidates = " UNION ALL ".join([_CANDIDATES] * names)
    return f"""
        UPDATE task SET
            status = 'started',
            token = max(token + 1, ?),
            outcome = NULL,
            attempts = attempts + 1,
            worker = ?,
            claim_lease = coalesce(?, lease),
            lease_expires_at = ? + coalesce(?, lease),
            timeout_at = ? + timeout,
            due_at = ? + min(coalesce(?, lease), coalesce(timeout, {FOREVER})),
            started_at = ?,
            finished_at = NULL,
            progress = NULL,
            updated_at = ?
        WHERE status = 'queued' AND seq IN (
            SELECT seq FROM ({candidates}) ORDER BY priority DESC, run_at, seq LIMIT ?)
        RETURNING seq, {COLUMNS}"""


def claim_params(claim: Claim, names: Sequence[str], now: int) -> list[Any]:
    """The parameters of `claim`."""
    lease = claim.lease
    values = [now, claim.worker, lease, now, lease, now, now, lease, now, now]
    candidates = [value for name in names for value in (name, now, claim.max_tasks)]
    return [*values, *candidates, claim.max_tasks]


_PRIORITY = FIELDS.index("priority") + 1
_RUN_AT = FIELDS.index("run_at") + 1


def claim_order(row: Sequence[Any]) -> tuple[int, int, int]:
    """The order in which tasks are taken, for rows that `claim` returned."""
    return (-row[_PRIORITY], row[_RUN_AT], row[0])


@lru_cache
def held(rows: int) -> str:
    """How many tasks of each name are held by claims, given by id and token."""
    values = ", ".join(["(?, ?)"] * rows)
    return f"""
        SELECT name, count(*) FROM (VALUES {values}) AS claims
        JOIN task ON id = claims.column1 AND token = claims.column2
        WHERE status = 'started' AND outcome IS NULL GROUP BY name"""


@lru_cache
def complete(rows: int) -> str:
    """Complete started tasks by id, token and result: transitions.Complete, as one conditional
    write."""
    values = ", ".join(["(?, ?, ?)"] * rows)
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
        FROM (VALUES {values}) AS done
        WHERE id = done.column1 AND token = done.column2
            AND status = 'started' AND outcome IS NULL"""


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
)
_saved_values = attrgetter(*_SAVED)

SAVE = (
    f"UPDATE task SET {', '.join(f'{field} = ?' for field in _SAVED)}"
    " WHERE id = ? AND status = ? AND token = ? AND cancel_requested = ?"
)
"""Write a task's new state: the fence is the state that it was read in."""


def save_params(before: Record, after: Record) -> tuple[Any, ...]:
    """The parameters of SAVE."""
    fence = (before.id, before.status, before.token, before.cancel_requested)
    return (*_saved_values(after), *fence)


@lru_cache
def read(ids: int) -> str:
    """Tasks by id."""
    return f"SELECT {COLUMNS} FROM task WHERE id IN ({', '.join('?' * ids)})"


BY_SEQ = f"SELECT {COLUMNS} FROM task WHERE seq = ?"
"""One task by its row's number."""

HOLDER = f"""
    SELECT {COLUMNS} FROM task WHERE name = ? AND unique_key = ?
        AND unique_key IS NOT NULL AND status IN ('queued', 'scheduled', 'started')"""
"""The unfinished task that has a unique key."""

DUE = f"SELECT {COLUMNS} FROM task WHERE due_at <= ? ORDER BY due_at, seq LIMIT ?"
"""The tasks that time has changed, those due longest first."""

NEXT_DUE = "SELECT min(due_at) FROM task WHERE due_at IS NOT NULL"
"""When time alone changes a task next."""

COUNT = """
    INSERT INTO tally (name, status, tasks) VALUES (?, ?, ?)
    ON CONFLICT (name, status) DO UPDATE SET tasks = tasks + excluded.tasks"""
"""Add to the number of tasks that a name has in a status."""

TALLY = "SELECT name, status, tasks FROM tally WHERE tasks > 0"
"""How many tasks each name has in each status."""

READY = """
    SELECT name, tasks FROM tally
    WHERE status = 'queued' AND tasks > 0 AND name NOT IN (SELECT name FROM paused)"""
"""How many tasks of each name a claim could take."""

NAMES_IN = "SELECT name FROM tally WHERE status = ? AND tasks > 0"
"""The names that have tasks in a status."""

LIST_ALL = "SELECT seq FROM task WHERE seq < ? ORDER BY seq DESC LIMIT ?"
"""The rows stored last, before a position."""

LIST_BRANCH = """
    SELECT seq FROM task WHERE name = ? AND status = ? AND seq < ? ORDER BY seq DESC LIMIT ?"""
"""The rows of one name and status stored last, before a position."""

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

DRAINING = "SELECT worker FROM worker WHERE drain = 1"
"""The workers that are asked to finish."""

FORGET_WORKERS = "DELETE FROM worker WHERE last_seen < ?"
"""Forget workers not heard of for long."""

DELETE = "DELETE FROM task WHERE id = ? AND status IN ('completed', 'failed', 'cancelled')"
"""Delete a finished task."""


@lru_cache
def purge(statuses: int, *, by_name: bool) -> str:
    """Delete finished tasks of some statuses, those that finished first."""
    candidates = " UNION ALL ".join(
        [_FINISHED.format("AND name = ?" if by_name else "")] * statuses
    )
    return f"""
        DELETE FROM task WHERE seq IN (
            SELECT seq FROM ({candidates}) ORDER BY finished_at, seq LIMIT ?)
        RETURNING name, status"""


_FINISHED = """
    SELECT * FROM (SELECT seq, finished_at FROM task
        WHERE status = ? AND finished_at IS NOT NULL AND finished_at < ? {}
        ORDER BY finished_at, seq LIMIT ?)"""
