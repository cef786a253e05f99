"""The verbs that write, each in a transaction of its own, for tests of one verb at a time."""

from typing import Any

from jsonrpc_qm.errors import QueueError
from jsonrpc_qm.operations import Operation, Step
from jsonrpc_qm.record import Record
from jsonrpc_qm.storage.base import SWEEP_LIMIT, Claim, Listing, Sighting, Storage, Swept
from jsonrpc_qm.transitions import Complete, Event
from tests.records import NOW, a_record

ALL = Listing()
"""Without conditions."""


def add(storage: Storage, *records: Record, now: int = NOW) -> list[Record]:
    """Store one group that must be taken."""
    with storage.transaction():
        [answer] = storage.add([records], now)
    assert isinstance(answer, list)
    return answer


def adding(*records: Record) -> Operation[Any]:
    """An operation that stores one group."""
    return Operation((Step("add", [list(records)]),), lambda added: added[0])


def claim(storage: Storage, *names: str, now: int = NOW, **wishes: Any) -> list[Record]:
    """Take tasks for one claim."""
    with storage.transaction():
        [taken] = storage.claim([Claim(names=names, **wishes)], now)
    return taken


def started(storage: Storage, id: str = "a", *, now: int = NOW, **fields: Any) -> Record:
    """Store a task and claim it."""
    record = a_record(id, now=now, **fields)
    add(storage, record, now=now)
    [taken] = claim(storage, record.name, now=now)
    assert taken.id == id
    return taken


def completed(storage: Storage, id: str = "a", *, now: int = NOW, **fields: Any) -> Record:
    """Store a task, claim it and complete it."""
    taken = started(storage, id, now=now, **fields)
    return changed(storage, Complete(id=id, token=taken.token), now=now)


def happen(storage: Storage, *events: Event, now: int = NOW) -> list[Record | QueueError]:
    """Apply events."""
    with storage.transaction():
        return storage.transition(events, now)


def changed(storage: Storage, event: Event, *, now: int = NOW) -> Record:
    """Apply one event that must be taken."""
    [answer] = happen(storage, event, now=now)
    assert isinstance(answer, Record), answer
    return answer


def sweep(storage: Storage, now: int = NOW, limit: int = SWEEP_LIMIT) -> Swept:
    """Move what time has changed."""
    with storage.transaction():
        return storage.sweep(now, limit)


def pause(storage: Storage, name: str, paused: bool = True) -> None:
    """Stop or resume a name."""
    with storage.transaction():
        storage.pause(name, paused)


def saw(storage: Storage, worker: str, *names: str, now: int = NOW) -> bool:
    """One worker was heard of; whether it is asked to drain."""
    with storage.transaction():
        [drain] = storage.saw([Sighting(worker=worker, names=names)], now)
    return drain


def get(storage: Storage, id: str) -> Record | None:
    """One task, or None."""
    [record] = storage.get([id])
    return record


def refusal(answer: object) -> tuple[type, dict[str, Any]]:
    """What a refused member was answered, in a form that compares."""
    assert isinstance(answer, QueueError), answer
    return type(answer), answer.data


def stored_in(storage: Storage, limit: int = 3) -> list[Record]:
    """All tasks as `dump` gives them, a few at a time."""
    found: list[Record] = []
    page = storage.dump(None, limit)
    while True:
        found += page.records
        if page.next_cursor is None:
            return found
        page = storage.dump(page.next_cursor, limit)


def wanting(verb: str, *items: Any) -> Operation[Any]:
    """A call that is one step."""
    return Operation((Step(verb, items),), lambda answer: answer)
