"""What a transaction on Redis reads, and what it means to write.

Reads see what is meant to be written. Nothing is sent before `commit`, which hands all to one
script: it writes everything, or nothing when what was read has changed meanwhile.
"""

import os
import struct
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from jsonrpc_qm.record import UNFINISHED, Record
from jsonrpc_qm.storage import redis_keys
from jsonrpc_qm.storage.moves import Moves
from jsonrpc_qm.storage.redis_keys import REVISION, Keys, Place, Stored

Run = Callable[[Sequence[Sequence[Any]]], list[Any]]
"""Carries out commands together and gives their replies."""


_length = struct.Struct(">I").pack

DELETED = b"-"
"""Stands for the value of a task that is to be deleted."""


class Changes:
    """What is to be added to a sorted set, and removed from it."""

    def __init__(self) -> None:
        self.added: set[bytes] = set()
        self.removed: set[bytes] = set()

    def add(self, member: bytes) -> None:
        """Have it in the set."""
        if member in self.removed:
            self.removed.remove(member)
        else:
            self.added.add(member)

    def remove(self, member: bytes) -> None:
        """Have it in the set no more."""
        if member in self.added:
            self.added.remove(member)
        else:
            self.removed.add(member)


class Range(msgspec.Struct, frozen=True, kw_only=True):
    """The first members of a sorted set; the last ones, from the end, if `newest`."""

    key: str
    limit: int
    after: bytes | None = None
    before: bytes | None = None
    newest: bool = False

    def command(self, changes: Changes) -> tuple[Any, ...]:
        low = b"-" if self.after is None else b"(" + self.after
        high = b"+" if self.before is None else b"(" + self.before
        limit = self.limit + len(changes.removed)
        if self.newest:
            return "ZREVRANGEBYLEX", self.key, high, low, "LIMIT", 0, limit
        return "ZRANGEBYLEX", self.key, low, high, "LIMIT", 0, limit

    def answer(self, reply: list[bytes], changes: Changes) -> list[bytes]:
        found = [member for member in reply if member not in changes.removed]
        if changes.added:
            found.extend(member for member in changes.added if self._includes(member))
            found = sorted(set(found), reverse=self.newest)
        return found[: self.limit]

    def _includes(self, member: bytes) -> bool:
        if self.after is not None and member <= self.after:
            return False
        return self.before is None or member < self.before


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """How many members a sorted set has; only those before some bytes if given."""

    key: str
    before: bytes | None = None

    def command(self, changes: Changes) -> tuple[Any, ...]:
        if self.before is None:
            return "ZCARD", self.key
        return "ZLEXCOUNT", self.key, b"-", b"(" + self.before

    def answer(self, reply: int, changes: Changes) -> int:
        return reply + self._counted(changes.added) - self._counted(changes.removed)

    def _counted(self, members: set[bytes]) -> int:
        return sum(self.before is None or member < self.before for member in members)


class View:
    """The queue as one transaction sees it."""

    def __init__(self, run: Run, keys: Keys) -> None:
        self.keys = keys
        self._run = run
        self._read: dict[str, dict[str, bytes | None]] = defaultdict(dict)
        self._written: dict[str, dict[str, bytes | None]] = defaultdict(dict)
        self._revisions: dict[str, bytes] = {}
        self._tasks: dict[str, Stored | None] = {}
        self._places: dict[str, list[Place]] = {}
        self._changed: dict[str, None] = {}
        self._history: list[tuple[str, Stored | None, Stored | None]] = []
        """What became of tasks: the id, what was stored before and after."""
        self._orders: dict[str, Changes] = defaultdict(Changes)
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)
        self._heads: dict[str, tuple[list[bytes], bool]] = {}
        self._number: int | None = None

    # -- reads --------------------------------------------------------------------------------

    def load(
        self,
        *,
        ids: Iterable[str] = (),
        fields: Mapping[str, Iterable[str]] | None = None,
        number: bool = False,
        heads: Mapping[str, int] | None = None,
    ) -> None:
        """Read at once what is going to be asked for and is not here yet.

        Tasks by id, fields of hashes, the number for the next task, and the first members of
        sorted sets.
        """
        wanted: list[tuple[Sequence[Any], Callable[[Any], None]]] = []
        missing = [id for id in dict.fromkeys(ids) if id not in self._tasks]
        if missing:
            wanted.append(
                (("HMGET", self.keys.tasks, *missing), partial(self._take_tasks, missing))
            )
        for key, names in (fields or {}).items():
            unknown = [field for field in dict.fromkeys(names) if field not in self._read[key]]
            if unknown:
                wanted.append((("HMGET", key, *unknown), partial(self._take_fields, key, unknown)))
        if number and self._number is None:
            wanted.append((("GET", self.keys.number), self._take_number))
        for key, limit in (heads or {}).items():
            command = Range(key=key, limit=limit).command(self._orders[key])
            wanted.append((command, partial(self._take_head, key, command[-1])))
        if wanted:
            replies = self._run([command for command, _ in wanted])
            for (_, take), reply in zip(wanted, replies, strict=True):
                take(reply)

    def _take_fields(self, key: str, fields: list[str], values: list[bytes | None]) -> None:
        self._read[key].update(zip(fields, values, strict=True))

    def _take_number(self, number: bytes | None) -> None:
        self._number = int(number or 0)

    def _take_head(self, key: str, limit: int, members: list[bytes]) -> None:
        self._heads[key] = members, len(members) < limit

    def _take_tasks(self, ids: list[str], values: list[bytes | None]) -> None:
        for id, value in zip(ids, values, strict=True):
            if value is None:
                self._revisions[id] = b""
                self._tasks[id] = None
            else:
                self._revisions[id] = value[:REVISION]
                self._tasks[id] = redis_keys.unpacked(value)

    def task(self, id: str) -> Record | None:
        """The task, None when there is none."""
        if id not in self._tasks:
            self.load(ids=[id])
        stored = self._tasks[id]
        return None if stored is None else stored[0]

    def listed(self, id: str) -> bytes:
        """The member of a task that is there, in the lists that it is in."""
        stored = self._tasks[id]
        assert stored is not None
        return redis_keys.listed(stored[1]) + id.encode()

    def is_at(self, id: str, key: str, member: bytes) -> bool:
        """Whether a task still is where a sorted set said."""
        if id not in self._tasks:
            self.load(ids=[id])
        return (key, member) in self._places_of(id)

    def _places_of(self, id: str) -> list[Place]:
        places = self._places.get(id)
        if places is None:
            stored = self._tasks[id]
            places = [] if stored is None else self.keys.places(*stored)
            self._places[id] = places
        return places

    def holder(self, record: Record) -> Record | None:
        """The unfinished task that has the name and the unique key of this one."""
        if record.unique_key is None:
            return None
        field = redis_keys.holder_field(record.name, record.unique_key)
        id = self.values(self.keys.holders, [field])[0]
        return None if id is None else self.task(id.decode())

    def values(self, key: str, fields: Sequence[str]) -> list[bytes | None]:
        """Some values of a hash."""
        read, written = self._read[key], self._written[key]
        if any(field not in read for field in fields):
            self.load(fields={key: fields})
        return [written[field] if field in written else read[field] for field in fields]

    def everything(self, key: str) -> dict[str, bytes]:
        """All of a hash."""
        [reply] = self._run([("HGETALL", key)])
        self._read[key].update({field.decode(): value for field, value in reply.items()})
        current = {**self._read[key], **self._written[key]}
        return {field: value for field, value in current.items() if value is not None}

    def counts(self, key: str) -> dict[str, int]:
        """All of a hash of numbers that are not zero."""
        [reply] = self._run([("HGETALL", key)])
        found = Counter({field.decode(): int(value) for field, value in reply.items()})
        found.update(self._counts[key])
        return {field: number for field, number in found.items() if number}

    def ask(self, queries: Sequence[Range | Size]) -> list[Any]:
        """What sorted sets hold, read at one moment."""
        answers: list[Any] = [self._known(query) for query in queries]
        open_ones = [place for place, answer in enumerate(answers) if answer is None]
        if open_ones:
            asked = [(queries[place], self._orders[queries[place].key]) for place in open_ones]
            replies = self._run([query.command(changes) for query, changes in asked])
            for place, (query, changes), reply in zip(open_ones, asked, replies, strict=True):
                answers[place] = query.answer(reply, changes)
        return answers

    def _known(self, query: Range | Size) -> list[bytes] | None:
        """The answer, if what was read ahead has it."""
        if not isinstance(query, Range) or query.newest or query.before is not None:
            return None
        head, is_all = self._heads.get(query.key, ((), False))
        changes = self._orders[query.key]
        after = query.after or b""
        left = [member for member in head if member > after and member not in changes.removed]
        if not is_all and len(left) < query.limit:
            return None
        return query.answer(left, changes)

    # -- writes -------------------------------------------------------------------------------

    def set_value(self, key: str, field: str, value: bytes | None) -> None:
        """Write a field of a hash; None removes it."""
        self._written[key][field] = value

    def add(self, record: Record) -> None:
        """Store a new task behind all others; `load` has the number."""
        if self._number is None or record.id not in self._tasks:
            self.load(ids=[record.id], number=True)
        assert self._number is not None
        self._number += 1
        self._put(record.id, (record, self._number))

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
        new = self._places[id] = [] if stored is None else self.keys.places(*stored)
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
        if stored is not None:
            self._count(stored[0], 1)

    def _count(self, record: Record, change: int) -> None:
        """Keep what is told of a task besides its places."""
        self._counts[self.keys.names][record.name] += change
        if record.status == "started" and record.worker is not None:
            self._counts[self.keys.running][record.worker] += change
        if record.unique_key is not None and record.status in UNFINISHED:
            field = redis_keys.holder_field(record.name, record.unique_key)
            held = record.id.encode() if change > 0 else None
            self.set_value(self.keys.holders, field, held)

    def moves(self) -> Moves:
        """What has been done to tasks."""
        moves = Moves()
        for _, before, after in self._history:
            moves.see(before and before[0], after and after[0])
        return moves

    # -- the commit ---------------------------------------------------------------------------

    def commit(self) -> "Commit | None":
        """All of it, to be sent; None when nothing is to be written."""
        if not self._changed and not any(self._written.values()):
            return None
        keys, commit = self.keys, Commit()
        commit.step("tasks", keys.tasks, self._packed(commit.mark[:REVISION]))
        for key, read in self._read.items():
            commit.step("value", key, _flat({field: v or b"" for field, v in read.items()}))
        for key, written in self._written.items():
            commit.step("HSET", key, _flat({f: v for f, v in written.items() if v is not None}))
            commit.step("HDEL", key, [f.encode() for f, v in written.items() if v is None])
        for key, changes in self._orders.items():
            commit.step("ZREM", key, list(changes.removed))
            commit.step("ZADD", key, list(changes.added))
        for key, counts in self._counts.items():
            changed = {field: b"%d" % change for field, change in counts.items() if change}
            commit.step("count", key, _flat(changed))
        if self._number is not None:
            commit.step("raise", keys.number, [b"%d" % self._number])
        return commit

    def _packed(self, revision: bytes) -> list[bytes]:
        """All tasks that were read: id, revision, and what to write; nothing where none is."""
        strings: list[bytes] = []
        for id, read in self._revisions.items():
            stored = self._tasks[id]
            if id not in self._changed:
                value = b""
            elif stored is None:
                value = DELETED
            else:
                value = revision + redis_keys.packed(*stored)
            strings += (id.encode(), read, value)
        return strings


class Commit:
    """A transaction's checks and writes, as lua/commit.lua takes them."""

    def __init__(self) -> None:
        self.mark = os.urandom(16)
        """No other transaction has it."""
        self.keys: list[str] = []
        self._places: dict[str, int] = {}
        self._steps: list[tuple[str, int, int]] = []
        self._strings: list[bytes] = []

    def step(self, operation: str, key: str, strings: list[bytes]) -> None:
        """Add a step; one without strings is none."""
        if not strings:
            return
        place = self._places.get(key)
        if place is None:
            self.keys.append(key)
            # The script's first key is another one.
            place = self._places[key] = len(self.keys) + 1
        self._steps.append((operation, place, len(strings)))
        self._strings.extend(strings)

    def arguments(self) -> list[bytes]:
        """The script's ARGV."""
        strings = b"".join([_length(len(string)) + string for string in self._strings])
        return [self.mark, msgspec.msgpack.encode(self._steps), strings]


def _flat(values: Mapping[str, bytes]) -> list[bytes]:
    return [part for field, value in values.items() for part in (field.encode(), value)]
