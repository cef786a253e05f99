"""`retry_many`, `cancel_many` and `delete_many`: what a list matches, one batch after another.

Each batch is a transaction of its own, so others go on meanwhile, and a call that is cut short has
done a part. It goes from the newest task to the oldest, once: a task that fails again, for one, is
not met again.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from jsonrpc_qm import params as p
from jsonrpc_qm.errors import InvalidParams
from jsonrpc_qm.operations import Operation, check_length, moment_given
from jsonrpc_qm.record import public_status
from jsonrpc_qm.storage.base import Listing, NameStats

if TYPE_CHECKING:
    from jsonrpc_qm.rpc.manager import Manager

BATCH = 500
"""Tasks of one transaction."""

Change = Callable[[Sequence[str]], Operation[int]]


async def change_many(
    manager: "Manager", call: p.ManyParams, change: Change, statuses: Sequence[str]
) -> int:
    """Change what the call wants, of tasks in some states; how many were."""
    wanted = statuses if call.status is None else (call.status,)
    if call.dry_run and call.ids is None and not listing_of(call).is_search:
        return await _counted(manager, call.name, wanted)
    find = _listed if call.ids is None else _given
    batches = find(manager, call, wanted)
    if call.dry_run:
        return sum([len(ids) async for ids in batches])
    return sum([await manager.write(change(ids)) async for ids in batches])


async def _counted(manager: "Manager", name: str | None, statuses: Sequence[str]) -> int:
    """How many tasks there are, which the storage knows without looking at them."""
    names = await manager.stats()
    found = names.values() if name is None else [names.get(name, NameStats())]
    return sum(
        stats.queued + stats.scheduled if status == "queued" else getattr(stats, status)
        for stats in found
        for status in statuses
    )


async def _given(
    manager: "Manager", call: p.ManyParams, statuses: Sequence[str]
) -> AsyncIterator[list[str]]:
    """Those of the given tasks that are in some states."""
    assert call.ids is not None
    check_length("ids", call.ids)
    for field in ("name", "status", "query", "since", "until"):
        if getattr(call, field) is not None:
            raise InvalidParams.of(field, "give ids or conditions, not both")
    ids = list(dict.fromkeys(call.ids))
    for first in range(0, len(ids), BATCH):
        records = await manager.read(manager.storage.get, ids[first : first + BATCH])
        yield [r.id for r in records if r is not None and public_status(r.status) in statuses]


async def _listed(
    manager: "Manager", call: p.ManyParams, statuses: Sequence[str]
) -> AsyncIterator[list[str]]:
    """All tasks that meet the conditions."""
    for status in statuses:
        listing = replace(listing_of(call), status=status)
        cursor = None
        while True:
            page = await manager.read(manager.storage.page, listing, BATCH, cursor)
            yield [record.id for record in page.records]
            cursor = page.next_cursor
            if cursor is None:
                break


def listing_of(call: p.ListTasksParams | p.ManyParams) -> Listing:
    """The tasks that a call describes.

    Raises:
        InvalidParams: a time without its offset from UTC.
    """
    return Listing(
        name=call.name,
        status=call.status,
        text=call.query,
        since=None if call.since is None else moment_given("since", call.since),
        until=None if call.until is None else moment_given("until", call.until),
    )
