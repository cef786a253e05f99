"""What verbs do to tasks on Redis, one after the other, in a transaction's view."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from jsonrpc_qm.errors import Conflict, InvalidState, QueueError, TaskNotFound, Unavailable
from jsonrpc_qm.jsontext import same
from jsonrpc_qm.record import UNFINISHED, Record, public_status
from jsonrpc_qm.storage import redis_keys
from jsonrpc_qm.storage.base import SWEEP_LIMIT, Filter, Overtaken
from jsonrpc_qm.storage.redis_keys import Keys, Place
from jsonrpc_qm.storage.redis_orders import Range
from jsonrpc_qm.storage.redis_reads import Reads
from jsonrpc_qm.storage.redis_view import View
from jsonrpc_qm.task import FINISHED
from jsonrpc_qm.transitions import Complete, Elapse, Event, Retry

# -- one task ---------------------------------------------------------------------------------


def load_for_adding(view: View, records: Sequence[Record]) -> None:
    """Read at once what adding these tasks will ask for."""
    fields: dict[str, list[str]] = defaultdict(list)
    for record in records:
        if record.unique_key is not None:
            holders = view.shards.of(record.name).holders
            fields[holders].append(redis_keys.holder_field(record.name, record.unique_key))
    view.load(
        ids=[record.id for record in records],
        fields=fields,
        numbers=[view.shards.of(record.name).number for record in records],
    )
    found = [id for key, names in fields.items() for id in view.values(key, names)]
    view.load(ids=[id.decode() for id in found if id is not None])


def add_group(view: View, group: Sequence[Record]) -> list[Record] | QueueError:
    """Store one group, wholly or not at all."""
    savepoint = view.savepoint()
    records = []
    for record in group:
        answer = _add(view, record)
        if isinstance(answer, QueueError):
            view.roll_back_to(savepoint)
            return answer
        records.append(answer)
    return records


def _add(view: View, record: Record) -> Record | QueueError:
    known = view.task(record.id)
    if known is not None:
        if known.name == record.name and same(known.parameters, record.parameters):
            return known
        return Conflict.of(record.id)
    holder = view.holder(record)
    if holder is not None:
        return holder
    view.add(record)
    return record


def load(view: View, record: Record) -> bool | QueueError:
    """Store one task of a copy as it is."""
    known = view.task(record.id)
    if known == record:
        return False
    holds = record.unique_key is not None and record.status in UNFINISHED
    if known is not None or (holds and view.holder(record) is not None):
        return Conflict.of(record.id)
    view.add(record)
    return True


def complete(view: View, outcome: Complete, now: int) -> bool:
    """Complete a task by the token of its running claim; whether that was so simple."""
    record = view.task(outcome.id)
    if record is None or outcome.queue:
        return False
    if record.status != "started" or record.token != outcome.token:
        return False
    view.save(outcome.apply(record, now))
    return True


def apply(view: View, event: Event, now: int) -> Record | QueueError:
    """What an event makes of its task."""
    before = view.task(event.id)
    if before is None:
        return TaskNotFound.of(event.id)
    try:
        after = event.apply(before, now)
    except QueueError as refusal:
        return refusal
    if after is before:
        return before
    if isinstance(event, Retry):
        holder = view.holder(before)
        if holder is not None:
            return Conflict.of(holder.id)
    savepoint = view.savepoint()
    view.save(after)
    if isinstance(event, Complete) and event.queue:
        # The task is finished by now, so one that follows it may have its unique key.
        followers = add_group(view, event.queue)
        if isinstance(followers, QueueError):
            view.roll_back_to(savepoint)
            return followers
    return after


def delete(view: View, id: str) -> bool | QueueError:
    """Delete a finished task."""
    record = view.task(id)
    if record is None:
        return TaskNotFound.of(id)
    if record.status in UNFINISHED:
        return InvalidState.of(id, public_status(record.status))
    view.delete(id)
    return True


def purge(view: View, filter: Filter, limit: int) -> int:
    """Delete finished tasks; see `Storage.purge`."""
    names = [filter.name] if filter.name is not None else list(view.names())
    statuses = [status for status in FINISHED if filter.status in (None, status)]
    before = filter.finished_before
    end = None if before is None else redis_keys.moment(before)[:8]
    ranges = [
        Range(key=view.shards.of(name).moments(status, name), limit=limit, before=end)
        for name in names
        for status in statuses
    ]
    found = still_there(view, merged(ranges, view.ask(ranges))[:limit], redis_keys.MOMENT)
    for id in found:
        view.delete(id)
    return len(found)


# -- tasks in order ---------------------------------------------------------------------------


def merged(
    ranges: Sequence[Range], found: Sequence[list[bytes]], newest: bool = False
) -> list[Place]:
    """What was found in several sorted sets, in one order."""
    places = [
        (each.key, member)
        for each, members in zip(ranges, found, strict=True)
        for member in members
    ]
    return sorted(places, key=lambda place: place[1], reverse=newest)


def still_there(view: Reads, places: Sequence[Place], order: int) -> list[str]:
    """The ids of the tasks that nobody has moved since their places were read."""
    found = _looked_for(view, places, order)
    return [id for id, (key, member) in found if view.is_at(id, key, member)]


def listed(view: Reads, places: Sequence[Place]) -> list[Record]:
    """The tasks at places in `listed`, in whichever state they are by now, but for deleted ones."""
    found = _looked_for(view, places, redis_keys.NUMBER)
    return [
        record
        for id, (_, member) in found
        if view.is_listed(id, member) and (record := view.task(id)) is not None
    ]


def _looked_for(view: Reads, places: Sequence[Place], order: int) -> list[tuple[str, Place]]:
    """Read the tasks of places; the id of each."""
    found = [(place[1][order:].decode(), place) for place in places]
    groups = view.shards.grouped(found, lambda each: view.shards.with_key(each[1][0]))
    view.load_found({keys: [id for id, _ in group] for keys, group in groups.items()})
    return found


def claimable(view: View, ready: Sequence[str], wanted: int, now: int) -> list[Record]:
    """The tasks to take first, of all these sets."""
    after: dict[str, bytes] = {}
    taken: list[Record] = []
    while len(taken) < wanted:
        ranges = [Range(key=key, limit=wanted - len(taken), after=after.get(key)) for key in ready]
        places = merged(ranges, view.ask(ranges))[: wanted - len(taken)]
        if not places:
            break
        after.update(places)
        for id in still_there(view, places, redis_keys.READY):
            record = view.task(id)
            # One that has expired, but that the sweep did not come to, is nobody's any more.
            if record is not None and (record.due_at is None or record.due_at > now):
                taken.append(record)
    return taken


def sweep(view: View, now: int, limit: int, *, shards: Iterable[Keys]) -> list[Record]:
    """Move the tasks of some shards that time alone has changed; see `Storage.sweep`."""
    if limit == 0:
        return []
    end = redis_keys.moment(now + 1)[:8]
    ranges = [Range(key=keys.due, limit=limit, before=end) for keys in shards]
    places = merged(ranges, view.ask(ranges))[:limit]
    ids = still_there(view, places, redis_keys.MOMENT)
    found = [record for id in ids if (record := view.task(id)) is not None]
    return [view.save(Elapse(id=record.id).apply(record, now)) for record in found]


def sweep_for(view: View, names: Iterable[str], now: int, *, shards: Sequence[Keys]) -> None:
    """Sweep before a claim: these shards, or those of its names if others can't be reached."""
    try:
        sweep(view, now, SWEEP_LIMIT, shards=shards)
    except Overtaken:
        raise
    except Unavailable:
        # It reads all before it moves anything.
        needed = view.shards.grouped(names, view.shards.of)
        if needed.keys() >= set(shards):
            raise
        sweep(view, now, SWEEP_LIMIT, shards=needed)
