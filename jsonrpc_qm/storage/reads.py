"""The cold reads of storage/sql.py: lists, counts, workers. Cheap at any number of tasks."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from jsonrpc_qm.moments import SECOND
from jsonrpc_qm.record import SCHEDULED
from jsonrpc_qm.storage import statements
from jsonrpc_qm.storage.base import Listing, NameStats, WorkerRow
from jsonrpc_qm.storage.cursors import FOREVER

Run = Callable[..., Any]

STATUSES = ("queued", SCHEDULED, "started", "completed", "failed", "cancelled")

PRIORITIES_LOOKED_AT = 64
"""`oldest_queued_age` looks at this many different priorities of a name, the highest ones: each is
one step in the index, so a name with a priority for every task costs no scan."""


def statuses(status: str | None) -> Sequence[str]:
    """The stored statuses behind a public one; all for None."""
    if status is None:
        return STATUSES
    return ("queued", SCHEDULED) if status == "queued" else (status,)


def finished_statuses(status: str | None) -> Sequence[str]:
    """The finished statuses that a purge goes through."""
    return STATUSES[3:] if status is None else (status,)


def listed(run: Run, listing: Listing, before: int, limit: int) -> list[int]:
    """The numbers of the rows of a list that were stored last, before one."""
    if listing.name is None and listing.status is None and listing.reach is None:
        return [seq for (seq,) in run(statements.LIST_ALL, (before, limit)).fetchall()]
    stored = statuses(listing.status)
    sql = statements.list_name(len(stored))
    found: list[int] = []
    # Only rows with a larger number than this can still be among them.
    least = 0
    for each in _names(run, stored) if listing.name is None else [listing.name]:
        if listing.reach is None or listing.reach(each):
            params = [value for one in stored for value in (each, one, before, least, limit)]
            found += [seq for (seq,) in run(sql, params).fetchall()]
            found = sorted(found, reverse=True)[:limit]
            least = found[-1] if len(found) == limit else 0
    return found


def _names(run: Run, stored: Sequence[str]) -> Iterable[str]:
    """The names that have tasks in the stored statuses of a public one, or in any."""
    if stored == STATUSES:
        return {name for name, *_ in run(statements.TALLY).fetchall()}
    if len(stored) == 1:
        rows = run(statements.NAMES_IN, stored).fetchall()
    else:
        rows = run(statements.NAMES_WAITING).fetchall()
    return [name for (name,) in rows]


def stats(run: Run, now: int) -> dict[str, NameStats]:
    """Count by name, from the tally; what is ripe but not swept yet counts as due."""
    counted: dict[str, NameStats] = {}
    for name, status, tasks in run(statements.TALLY).fetchall():
        setattr(counted.setdefault(name, NameStats()), status, tasks)
    oldest = {name: _oldest(run, name) for name, row in counted.items() if row.queued}
    for name, tasks, run_at in run(statements.OVERDUE, (now, now)).fetchall():
        row = counted.setdefault(name, NameStats())
        row.queued += tasks
        row.scheduled -= tasks
        oldest[name] = min(run_at, oldest.get(name, run_at))
    for name, run_at in oldest.items():
        counted[name].oldest_queued_age = max(0, now - run_at) / SECOND
    for (name,) in run(statements.PAUSED).fetchall():
        counted.setdefault(name, NameStats()).paused = True
    return counted


def _oldest(run: Run, name: str) -> int:
    oldest = priority = FOREVER
    for _ in range(PRIORITIES_LOOKED_AT):
        row = run(statements.OLDEST, (name, priority)).fetchone()
        if row is None:
            break
        priority = row[0]
        oldest = min(oldest, row[1])
    return oldest


def workers(run: Run) -> list[WorkerRow]:
    """All remembered workers, with how many tasks they hold."""
    running: Counter[str] = Counter()
    for (name,) in run(statements.NAMES_IN, ("started",)).fetchall():
        running.update(dict(run(statements.RUNNING, (name,)).fetchall()))
    return [
        WorkerRow(
            worker=worker,
            names=tuple(msgspec.json.decode(names)),
            last_seen=last_seen,
            running=running[worker],
            drain=bool(drain),
        )
        for worker, names, last_seen, drain in run(statements.WORKERS).fetchall()
    ]
