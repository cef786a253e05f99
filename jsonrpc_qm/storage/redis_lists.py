"""Tasks on Redis page by page, in the order in which they were stored, over all shards."""

from jsonrpc_qm.errors import InvalidParams
from jsonrpc_qm.record import Record, public_status
from jsonrpc_qm.storage import redis_keys, redis_tasks
from jsonrpc_qm.storage.base import MOST_SEARCHED, SEARCHED_AT_ONCE, Listing, Page
from jsonrpc_qm.storage.redis_orders import Range
from jsonrpc_qm.storage.redis_reads import Reads


def page(view: Reads, listing: Listing, limit: int, cursor: str | None) -> Page:
    """See `Storage.page`."""
    if not listing.is_search:
        return _listed(view, listing, limit, cursor)
    found: list[Record] = []
    for _ in range(0, MOST_SEARCHED, SEARCHED_AT_ONCE):
        looked = _listed(view, listing, SEARCHED_AT_ONCE, cursor)
        found += filter(listing.matches, looked.records)
        cursor = looked.next_cursor
        if len(found) > limit:
            cursor = _cursor(view.listed(found[limit - 1].id))
            break
        if cursor is None:
            break
    return Page(records=found[:limit], next_cursor=cursor)


def _listed(view: Reads, listing: Listing, limit: int, cursor: str | None) -> Page:
    """By name and status."""
    end = None if cursor is None else _member(cursor)
    names = list(view.names()) if listing.name is None else [listing.name]
    if listing.reach is not None:
        names = list(filter(listing.reach, names))
    ranges = [
        Range(
            key=view.shards.of(each).listed(inner, each), limit=limit + 1, before=end, newest=True
        )
        for each in names
        for inner in redis_keys.STATUSES
        if listing.status in (None, public_status(inner))
    ]
    places = redis_tasks.merged(ranges, view.ask(ranges, together=True), newest=True)
    records = redis_tasks.listed(view, places[:limit])
    if listing.status is not None:
        records = [each for each in records if public_status(each.status) == listing.status]
    more = len(places) > limit
    return Page(records=records, next_cursor=_cursor(places[limit - 1][1]) if more else None)


def dump(view: Reads, cursor: str | None, limit: int) -> Page:
    """See `Storage.dump`."""
    after = None if cursor is None else _member(cursor)
    ranges = [
        Range(key=view.shards.of(name).listed(status, name), limit=limit, after=after)
        for name in view.names()
        for status in redis_keys.STATUSES
    ]
    places = redis_tasks.merged(ranges, view.ask(ranges, together=True))[:limit]
    more = len(places) == limit
    records = redis_tasks.listed(view, places)
    return Page(records=records, next_cursor=_cursor(places[-1][1]) if more else None)


def _cursor(member: bytes) -> str:
    """A place in a list, for `_member`."""
    return f"{redis_keys.number_in(member)}:{member[redis_keys.NUMBER :].decode()}"


def _member(cursor: str) -> bytes:
    """The member that a page ended with."""
    number, colon, id = cursor.partition(":")
    if not (colon and number.isascii() and number.isdigit() and len(number) < 20 and id.isascii()):
        raise InvalidParams.of("cursor", "not a cursor that list_tasks gave")
    return redis_keys.listed(min(int(number), (1 << 64) - 1)) + id.encode()
