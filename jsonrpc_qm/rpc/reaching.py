"""What there is of workers for those who may see some names only."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from jsonrpc_qm.storage.base import Listing, Reach, WorkerRow

if TYPE_CHECKING:
    from jsonrpc_qm.rpc.manager import Manager

AT_ONCE = 100
"""How many of the tasks that run are read together."""


def shown_of(rows: Sequence[WorkerRow], reach: Reach | None) -> list[WorkerRow]:
    """The workers that ask for a name in reach, with those names only."""
    if reach is None:
        return list(rows)
    shown = (replace(row, names=tuple(filter(reach, row.names))) for row in rows)
    return [row for row in shown if row.names]


async def with_running(
    manager: "Manager", rows: Sequence[WorkerRow], reach: Reach
) -> list[WorkerRow]:
    """The workers with how many tasks in reach they hold, which storages count over all names."""
    running: Counter[str | None] = Counter()
    listing, cursor = Listing(status="started", reach=reach), None
    while any(row.running for row in rows):
        page = await manager.read(manager.storage.page, listing, AT_ONCE, cursor)
        running.update(record.worker for record in page.records)
        cursor = page.next_cursor
        if cursor is None:
            break
    return [replace(row, running=running[row.worker]) for row in rows]
