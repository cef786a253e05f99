"""The tasks of storage/memory.py, in every order in which a verb looks for them."""

from bisect import bisect_left, insort
from collections.abc import Hashable, Iterator, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from jsonrpc_qm.record import UNFINISHED, Record
from jsonrpc_qm.task import FINISHED

Group = TypeVar("Group", bound=Hashable)
Entry = tuple[Any, ...]
"""What is sorted by, then the number in the order of storing, then the task's id."""


class Stored(NamedTuple):
    record: Record
    number: int
    """Its place in the order in which tasks were stored."""


class Order(Generic[Group]):
    """Sorted lists, one for each group that has members."""

    def __init__(self) -> None:
        self.groups: dict[Group, list[Entry]] = {}

    def __getitem__(self, group: Group) -> Sequence[Entry]:
        return self.groups.get(group, ())

    def add(self, group: Group, entry: Entry) -> None:
        insort(self.groups.setdefault(group, []), entry)

    def remove(self, group: Group, entry: Entry) -> None:
        entries = self.groups[group]
        del entries[bisect_left(entries, entry)]
        if not entries:
            del self.groups[group]


class Tasks:
    """The tasks by id, and in the orders in which verbs look for them."""

    def __init__(self) -> None:
        self.by_id: dict[str, Stored] = {}
        self.listed = Order[None]()
        """All, as they were stored."""
        self.due = Order[None]()
        """What time alone will change, by that moment."""
        self.claimable = Order[str]()
        """By name: what is queued, in the order in which it is taken."""
        self.states = Order[tuple[str, str]]()
        """By name and status: the finished ones by finished_at, the others by run_at."""
        self.holders = Order[tuple[str, str | None]]()
        """By name and unique key: the unfinished one that has it."""
        self.running = Order[str | None]()
        """By worker: the tasks it holds."""

    def get(self, id: str) -> Record | None:
        stored = self.by_id.get(id)
        return None if stored is None else stored.record

    def holder(self, record: Record) -> Record | None:
        """The unfinished task that has the name and the unique key of this one."""
        ids = [id for *_, id in self.holders[record.name, record.unique_key]]
        return self.by_id[ids[0]].record if ids else None

    def put(self, id: str, stored: Stored | None) -> None:
        """Store a task in place of what is there; None deletes it."""
        before = self.by_id.pop(id, None)
        if stored is not None:
            self.by_id[id] = stored
        old = set() if before is None else set(self._places(*before))
        new = set() if stored is None else set(self._places(*stored))
        for order, group, entry in old - new:
            order.remove(group, entry)
        for order, group, entry in new - old:
            order.add(group, entry)

    def _places(self, record: Record, number: int) -> Iterator[tuple[Order[Any], Hashable, Entry]]:
        """Where a task stands in each order that it is in."""
        id, name = record.id, record.name
        yield self.listed, None, (number, id)
        moment = record.finished_at if record.status in FINISHED else record.run_at
        yield self.states, (name, record.status), (moment, number, id)
        if record.due_at is not None:
            yield self.due, None, (record.due_at, number, id)
        if record.status == "queued":
            yield self.claimable, name, (-record.priority, record.run_at, number, id)
        if record.status == "started":
            yield self.running, record.worker, (number, id)
        if record.unique_key is not None and record.status in UNFINISHED:
            yield self.holders, (name, record.unique_key), (number, id)
