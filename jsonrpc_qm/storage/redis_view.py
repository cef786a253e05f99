"""What a transaction on Redis means to write.

Reads see what is meant to be written. Nothing is sent before the commits, one for each shard, which
write everything, or nothing when what was read has changed meanwhile.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from jsonrpc_qm.record import UNFINISHED, Record
from jsonrpc_qm.storage import redis_keys
from jsonrpc_qm.storage.moves import Moves
from jsonrpc_qm.storage.redis_commit import Commit, Commits, flat, halves
from jsonrpc_qm.storage.redis_keys import Keys, Place
from jsonrpc_qm.storage.redis_orders import Range, Size
from jsonrpc_qm.storage.redis_reads import Reads, Run, Settle
from jsonrpc_qm.storage.redis_shards import Shards
from jsonrpc_qm.storage.redis_values import Stored, packed


class View(Reads):
    """The queue as one transaction sees it.

    `number` gives a new task its place behind one that has the given one.
    """

    def __init__(
        self, run: Run, shards: Shards, settle: Settle, *, number: Callable[[int], int]
    ) -> None:
        super().__init__(run, shards, settle)
        self._next_number = number
        self._changed: dict[str, None] = {}
        self._revision = b""
        self._history: list[tuple[str, Stored | None, Stored | None]] = []
        """What became of tasks: the id, what was stored before and after."""
        self.assumed: list[str] = []
        """The ids of tasks that were taken for what they were."""
        self._counted = 0
        """Of how much of it sorted sets and counts tell."""

    # -- writes -------------------------------------------------------------------------------

    def set_value(self, key: str, field: str, value: bytes | None) -> None:
        """Write a field of a hash; None removes it."""
        self._written[key][field] = value

    def assume(self, id: str, stored: Stored, revision: bytes) -> None:
        """Take a task for what it was, without a look; the commit will see."""
        if id not in self._tasks:
            self._tasks[id] = stored
            self.assumed.append(id)
            self._revisions[self.shards.of(stored[0].name)][id] = revision

    def assume_none(self, record: Record) -> None:
        """Take it that there is no task with this one's id, without a look; the commit will see."""
        keys, id = self.shards.of(record.name), record.id
        if id not in self._tasks and self.shards.home(id) is keys:
            self._tasks[id] = None
            self._revisions[keys][id] = b""
            if not self.shards.is_one:
                self._read[keys.places][id] = None

    def add(self, record: Record) -> None:
        """Store a new task behind all others."""
        keys, id = self.shards.of(record.name), record.id
        if id not in self._tasks or keys.number not in self._numbers:
            self.load(ids=[id], numbers=[keys.number])
        # Its home has been asked: when that knows no such id, no shard has it.
        self._revisions[keys].setdefault(id, b"")
        number = self._numbers[keys.number] = self._next_number(self._numbers[keys.number])
        self._put(id, (record, number))

    def save(self, record: Record) -> Record:
        """Write the new state of a task that is there."""
        stored = self._tasks[record.id]
        assert stored is not None
        self._put(record.id, (record, stored[1]))
        return record

    def delete(self, id: str) -> None:
        """Delete a task that is there."""
        self._put(id, None)

    def savepoint(self) -> int:
        """Where `roll_back_to` goes back to."""
        return len(self._history)

    def roll_back_to(self, savepoint: int) -> None:
        """Take back what was put since."""
        self._count_changes()
        while len(self._history) > savepoint:
            id, before, after = self._history.pop()
            self._set(id, after, before)
            self._replace(id, after, before)
        self._counted = savepoint

    def _put(self, id: str, stored: Stored | None) -> None:
        before = self._tasks[id]
        self._history.append((id, before, stored))
        self._set(id, before, stored)

    def _set(self, id: str, before: Stored | None, after: Stored | None) -> None:
        self._tasks[id] = after
        self._changed[id] = None
        if before is None and after is not None:
            self._come_or_go(after[0], 1)
        elif before is not None and after is None:
            self._come_or_go(before[0], -1)
        if before is not None and before[0].unique_key is not None:
            self._hold_key(before[0], None)
        if after is not None and after[0].unique_key is not None:
            self._hold_key(after[0], id.encode())

    def _come_or_go(self, record: Record, change: int) -> None:
        """Have its name tell of a task, and its home of where it is."""
        keys, home = self.shards.of(record.name), self.shards.home(record.id)
        self._counts[keys.names][record.name] += change
        if home is not keys:
            where = b"%d" % keys.shard if change > 0 else None
            self.set_value(home.places, record.id, where)

    def _hold_key(self, record: Record, holder: bytes | None) -> None:
        """Have a task that is unfinished hold its unique key, or let go of it."""
        if record.unique_key is not None and record.status in UNFINISHED:
            field = redis_keys.holder_field(record.name, record.unique_key)
            self.set_value(self.shards.of(record.name).holders, field, holder)

    # -- what follows from it ---------------------------------------------------------------

    def ask(self, queries: Sequence[Range | Size], *, together: bool = False) -> list[Any]:
        self._count_changes()
        return super().ask(queries, together=together)

    def counts(self, keys: Sequence[str]) -> dict[str, int]:
        self._count_changes()
        return super().counts(keys)

    def is_at(self, id: str, key: str, member: bytes) -> bool:
        self._count_changes()
        return super().is_at(id, key, member)

    def _count_changes(self) -> None:
        """Have sorted sets and counts tell of all that was put."""
        if self._counted < len(self._history):
            for id, before, after in self._history[self._counted :]:
                self._replace(id, before, after)
            self._counted = len(self._history)

    def _replace(self, id: str, before: Stored | None, after: Stored | None) -> None:
        orders, places = self._orders, self._places
        old: list[Place] = []
        new: list[Place] = []
        if before is not None:
            old = places.get(id) or self.shards.orders(*before)
            self._count_run(before[0], -1)
        if after is not None:
            new = self.shards.orders(*after)
            self._count_run(after[0], 1)
        places[id] = new
        for place in new:
            if place not in old:
                orders[place[0]].add(place[1])
        for place in old:
            if place not in new:
                orders[place[0]].remove(place[1])

    def _count_run(self, record: Record, change: int) -> None:
        """Have the worker of a started task tell of it."""
        if record.status == "started" and record.worker is not None:
            self._counts[self.shards.of(record.name).running][record.worker] += change

    def moves(self) -> Moves:
        """What has been done to tasks."""
        moves = Moves()
        for _, before, after in self._history:
            moves.see(before and before[0], after and after[0])
        return moves

    @property
    def is_used(self) -> bool:
        """Whether anything was read or is to be written."""
        return bool(self._tasks or self._read or self._written or self._orders or self._numbers)

    # -- the commits --------------------------------------------------------------------------

    def commits(self) -> list[Commit]:
        """All of it, to be sent: one for each shard, and for what all shards share.

        What was only read goes along, but for values of a shard that nothing else is done in.
        """
        if not self._changed and not any(self._written.values()):
            return []
        self._count_changes()
        commits = Commits(self.shards)
        self._revision = commits.revision
        for keys, revisions in self._revisions.items():
            self._step_tasks(commits, keys, revisions)
        for key, read in self._read.items():
            commits.step("value", key, halves(read))
        for key, written in self._written.items():
            read = self._read[key]
            new = {f: v for f, v in written.items() if f not in read or v != read[f]}
            commits.step("HSET", key, flat({f: v for f, v in new.items() if v is not None}))
            commits.step("HDEL", key, [f.encode() for f, v in new.items() if v is None])
        for key, changes in self._orders.items():
            commits.step("ZREM", key, list(changes.removed))
            commits.step("ZADD", key, list(changes.added))
        for key, counts in self._counts.items():
            changed = {field: b"%d" % change for field, change in counts.items() if change}
            commits.step("count", key, flat(changed))
        for key, number in self._numbers.items():
            commits.step("raise", key, [b"%d" % number])
        return commits.that_matter()

    def _step_tasks(self, commits: Commits, keys: Keys, revisions: dict[str, bytes]) -> None:
        """All tasks that were read in a shard: what they were, and what they are to be."""
        absent: list[bytes] = []
        known: list[bytes] = []
        written: list[bytes] = []
        deleted: list[bytes] = []
        of, begin = self.shards.of, commits.revision
        for id, read in revisions.items():
            field = id.encode()
            (known if read else absent).append(field)
            if id not in self._changed:
                continue
            stored = self._tasks[id]
            if stored is not None and of(stored[0].name) is keys:
                written += (field, begin + packed(*stored))
            elif read:
                deleted.append(field)
        commits.step("absent", keys.tasks, absent)
        commits.step("revision", keys.tasks, [*known, *filter(None, revisions.values())])
        commits.step("HSET", keys.tasks, written)
        commits.step("HDEL", keys.tasks, deleted)

    def changed(self) -> Iterator[tuple[str, Stored | None, bytes]]:
        """Each task that `commits` writes, with its new revision."""
        for id in self._changed:
            yield id, self._tasks[id], self._revision
