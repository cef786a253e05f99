"""`retry_many`, `cancel_many` and `delete_many`: what a list matches, one batch after another.

Each batch is a transaction of its own, so others go on meanwhile, and a call that is cut short has
done a part. It goes from the newest task to the oldest, once: a task that fails again, for one, is
not met again. Only unfinished tasks go from one state to the other by themselves, and are looked
for again.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from jsonrpc_qm import params as p
from jsonrpc_qm.errors import InvalidParams
from jsonrpc_qm.operations import Operation, check_length, moment_given
from jsonrpc_qm.record import Record, public_status
from jsonrpc_qm.storage.base import Listing, NameStats

if TYPE_CHECKING:
    from jsonrpc_qm.rpc.manager import Manager

BATCH = 500
"""Tasks of one transaction."""

QUIET_PASSES = 3
"""After so many passes in a row that meet nothing new, no task is taken to be left: one of them may
miss a task that is queued while those started are listed, and the other way round."""

MOST_PASSES = 20
"""How often it is gone over the tasks at most."""

Change = Callable[[Sequence[str]], Operation[int]]


async def change_many(
    manager: "Manager", call: p.ManyParams, change: Change, statuses: Sequence[str]
) -> int:
    """Change what the call wants, of tasks in some states; how many were."""
    wanted = statuses if call.status is None else (call.status,)
    if call.dry_run and call.ids is None and not listing_of(call).is_search:
        return await _counted(manager, call.name, wanted)
    find = _listed if call.ids is None else _given
    if call.dry_run:
        return sum([len(records) async for records in find(manager, call, wanted)])
    if call.ids is None and set(wanted) == {"queued", "started"}:
        find = _listed_again
    changed = 0
    async for records in find(manager, call, wanted):
        if ids := [record.id for record in records if not _is_asked_to_end(record)]:
            changed += await manager.write(change(ids))
    return changed


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
) -> AsyncIterator[list[Record]]:
    """Those of the given tasks that are in some states."""
    assert call.ids is not None
    check_length("ids", call.ids)
    for field in ("name", "status", "query", "since", "until"):
        if getattr(call, field) is not None:
            raise InvalidParams.of(field, "give ids or conditions, not both")
    ids = list(dict.fromkeys(call.ids))
    for first in range(0, len(ids), BATCH):
        records = await manager.read(manager.storage.get, ids[first : first + BATCH])
        yield [r for r in records if r is not None and public_status(r.status) in statuses]


async def _listed(
    manager: "Manager", call: p.ManyParams, statuses: Sequence[str]
) -> AsyncIterator[list[Record]]:
    """All tasks that meet the conditions."""
    for status in statuses:
        listing = replace(listing_of(call), status=status)
        cursor = None
        while True:
            page = await manager.read(manager.storage.page, listing, BATCH, cursor)
            # One that was listed may have gone on before it was read.
            yield [r for r in page.records if public_status(r.status) in statuses]
            cursor = page.next_cursor
            if cursor is None:
                break


async def _listed_again(
    manager: "Manager", call: p.ManyParams, statuses: Sequence[str]
) -> AsyncIterator[list[Record]]:
    """All unfinished tasks that meet the conditions, also if they go from one state to the other
    meanwhile; to be cancelled, as it ends when none is left that isn't."""
    began = manager.storage.now()
    quiet = 0
    for number in range(MOST_PASSES):
        is_quiet = True
        async for records in _listed(manager, call, statuses):
            if number > 0:
                # Those that were queued after the call are not its concern.
                records = [record for record in records if record.created_at <= began]
            is_quiet = is_quiet and all(map(_is_asked_to_end, records))
            yield records
        quiet = quiet + 1 if is_quiet else 0
        if quiet == QUIET_PASSES:
            break


def _is_asked_to_end(record: Record) -> bool:
    """Whether a task is cancelled as far as it can be: nothing about it would change."""
    return record.status == "started" and bool(record.cancel_requested)


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
