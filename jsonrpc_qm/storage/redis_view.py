"""What a transaction on Redis means to write.

Reads see what is meant to be written. Nothing is sent before the commits, one for each shard, which
write everything, or nothing when what was read has changed meanwhile.
"""

from collections.abc import Callable, Iterator

from jsonrpc_qm.record import UNFINISHED, Record
from jsonrpc_qm.storage import redis_keys
from jsonrpc_qm.storage.moves import Moves
from jsonrpc_qm.storage.redis_commit import DELETED, Commit, Commits, flat
from jsonrpc_qm.storage.redis_keys import Keys, Stored
from jsonrpc_qm.storage.redis_reads import Reads, Run, Settle
from jsonrpc_qm.storage.redis_shards import Shards


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

    # -- writes -------------------------------------------------------------------------------

    def set_value(self, key: str, field: str, value: bytes | None) -> None:
        """Write a field of a hash; None removes it."""
        self._written[key][field] = value

    def assume(self, id: str, stored: Stored, revision: bytes) -> None:
        """Take a task for what it was, without a look; the commit will see."""
        if id not in self._tasks:
            self._tasks[id] = stored
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
        while len(self._history) > savepoint:
            id, before, _ = self._history.pop()
            self._replace(id, before)

    def _put(self, id: str, stored: Stored | None) -> None:
        self._history.append((id, self._tasks[id], stored))
        self._replace(id, stored)

    def _replace(self, id: str, stored: Stored | None) -> None:
        before = self._tasks[id]
        old = self._places_of(id)
        new = self._places[id] = [] if stored is None else self.shards.orders(*stored)
        self._tasks[id] = stored
        self._changed[id] = None
        for place in new:
            if place not in old:
                self._orders[place[0]].add(place[1])
        for place in old:
            if place not in new:
                self._orders[place[0]].remove(place[1])
        if before is not None:
            self._count(before[0], -1)
            if stored is None:
                self._keep_place(before[0], False)
        if stored is not None:
            self._count(stored[0], 1)
            if before is None:
                self._keep_place(stored[0], True)

    def _count(self, record: Record, change: int) -> None:
        """Keep what is told of a task besides its places."""
        keys = self.shards.of(record.name)
        self._counts[keys.names][record.name] += change
        if record.status == "started" and record.worker is not None:
            self._counts[keys.running][record.worker] += change
        if record.unique_key is not None and record.status in UNFINISHED:
            field = redis_keys.holder_field(record.name, record.unique_key)
            held = record.id.encode() if change > 0 else None
            self.set_value(keys.holders, field, held)

    def moves(self) -> Moves:
        """What has been done to tasks."""
        moves = Moves()
        for _, before, after in self._history:
            moves.see(before and before[0], after and after[0])
        return moves

    def _keep_place(self, record: Record, is_there: bool) -> None:
        """Have the home of a task that comes or goes know where it is."""
        home, keys = self.shards.home(record.id), self.shards.of(record.name)
        if home is not keys:
            self.set_value(home.places, record.id, b"%d" % keys.shard if is_there else None)

    # -- the commits --------------------------------------------------------------------------

    def commits(self) -> list[Commit]:
        """All of it, to be sent: one for each shard, and for what all shards share.

        What was only read goes along, but for values of a shard that nothing else is done in.
        """
        if not self._changed and not any(self._written.values()):
            return []
        commits = Commits(self.shards)
        self._revision = commits.revision
        for keys, revisions in self._revisions.items():
            self._step_tasks(commits, keys, revisions)
        for key, read in self._read.items():
            commits.step("value", key, flat({field: v or b"" for field, v in read.items()}))
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
        new: list[bytes] = []
        absent: list[bytes] = []
        others: list[bytes] = []
        of, begin = self.shards.of, commits.revision
        for id, read in revisions.items():
            stored = self._tasks[id] if id in self._changed else None
            value = b""
            if stored is not None and of(stored[0].name) is keys:
                value = begin + redis_keys.packed(*stored)
            elif id in self._changed:
                value = DELETED
            if read:
                others += (id.encode(), read, value)
            elif stored is not None and value is not DELETED:
                new += (id.encode(), value)
            else:
                absent += (id.encode(), b"")
        commits.step("new", keys.tasks, new)
        commits.step("value", keys.tasks, absent)
        commits.step("tasks", keys.tasks, others)

    def changed(self) -> Iterator[tuple[str, Stored | None, bytes]]:
        """Each task that `commits` writes, with its new revision."""
        for id in self._changed:
            yield id, self._tasks[id], self._revision
