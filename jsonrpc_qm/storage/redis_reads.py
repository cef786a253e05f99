"""What a transaction on Redis has read, with what it means to write."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from jsonrpc_qm.record import Record
from jsonrpc_qm.storage import redis_keys
from jsonrpc_qm.storage.base import Overtaken
from jsonrpc_qm.storage.redis_keys import Keys, Place
from jsonrpc_qm.storage.redis_orders import Changes, Range, Size
from jsonrpc_qm.storage.redis_shards import Shards
from jsonrpc_qm.storage.redis_values import REVISION, Stored, unpacked

Command = Sequence[Any]


class Run(Protocol):
    """Carries out commands and gives their replies; see RedisServer.run."""

    def __call__(self, commands: Sequence[Command], *, together: bool = False) -> list[Any]: ...


Wanted = list[tuple[Command, Callable[[Any], None]]]
"""Commands, and what takes their replies."""


Settle = Callable[[Keys, bytes], float]
"""Ends the transaction with that mark in a shard if it is decided, else says how long it waits."""


JUST_NOW = "a task is just being stored or deleted"


class Reads:
    """What one transaction sees."""

    def __init__(self, run: Run, shards: Shards, settle: Settle) -> None:
        self.shards = shards
        self._run = run
        self._settle = settle
        self._read: dict[str, dict[str, bytes | None]] = defaultdict(dict)
        self._written: dict[str, dict[str, bytes | None]] = defaultdict(dict)
        self._revisions: dict[Keys, dict[str, bytes]] = defaultdict(dict)
        self._tasks: dict[str, Stored | None] = {}
        self._places: dict[str, list[Place]] = {}
        self._orders: dict[str, Changes] = defaultdict(Changes)
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)
        self._heads: dict[str, tuple[list[bytes], bool]] = {}
        self._numbers: dict[str, int] = {}
        self._elsewhere: dict[Keys, list[str]] = defaultdict(list)
        self._locked: set[Keys] = set()

    # -- reads --------------------------------------------------------------------------------

    def load(
        self,
        *,
        ids: Iterable[str] = (),
        fields: Mapping[str, Iterable[str]] | None = None,
        numbers: Iterable[str] = (),
        heads: Mapping[str, int] | None = None,
    ) -> None:
        """Read at once what is going to be asked for and is not here yet.

        Tasks by id, fields of hashes, the numbers of shards, and the first members of sorted sets.
        """
        missing = [id for id in dict.fromkeys(ids) if id not in self._tasks]
        wanted: Wanted = []
        for keys, group in self.shards.grouped(missing, self.shards.home).items():
            if not self.shards.is_one:
                wanted.append((("EXISTS", keys.locks), partial(self._take_locked, keys)))
            wanted.append((("HMGET", keys.tasks, *group), partial(self._take_tasks, keys, group)))
            if not self.shards.is_one:
                command = "HMGET", keys.places, *group
                wanted.append((command, partial(self._take_places, keys, group)))
        for key, names in (fields or {}).items():
            unknown = [field for field in dict.fromkeys(names) if field not in self._read[key]]
            if unknown:
                wanted.append((("HMGET", key, *unknown), partial(self._take_fields, key, unknown)))
        for key in dict.fromkeys(numbers):
            if key not in self._numbers:
                wanted.append((("GET", key), partial(self._take_number, key)))
        for key, limit in (heads or {}).items():
            head = Range(key=key, limit=limit).command(self._orders[key])
            wanted.append((head, partial(self._take_head, key, head[-1])))
        self._ask_for(wanted)
        if missing and not self.shards.is_one:
            self._look_elsewhere(missing)

    def load_found(self, places: Mapping[Keys, Sequence[str]]) -> None:
        """Read tasks that shards are said to hold."""
        wanted: Wanted = []
        for keys, ids in places.items():
            missing = [id for id in dict.fromkeys(ids) if id not in self._tasks]
            if missing:
                take = partial(self._take_found, keys, missing)
                wanted.append((("HMGET", keys.tasks, *missing), take))
        self._ask_for(wanted)

    def _ask_for(self, wanted: Wanted) -> None:
        if wanted:
            replies = self._run([command for command, _ in wanted])
            for (_, take), reply in zip(wanted, replies, strict=True):
                take(reply)

    def _look_elsewhere(self, ids: Sequence[str]) -> None:
        """Read tasks that are not at home where they are, and see that the others are nowhere."""
        elsewhere, self._elsewhere = self._elsewhere, defaultdict(list)
        self.load_found(elsewhere)
        for keys, group in elsewhere.items():
            if lost := [id for id in group if id not in self._tasks]:
                self._see_settled(keys, keys.tasks, lost)
                raise Overtaken.of(JUST_NOW)
        nowhere = [
            id for id in ids if self._tasks[id] is None and self.shards.home(id) in self._locked
        ]
        for keys, group in self.shards.grouped(nowhere, self.shards.home).items():
            self._see_settled(keys, keys.places, group)

    def _see_settled(self, keys: Keys, key: str, ids: Sequence[str]) -> None:
        """See that no decided transaction is about to store these ids in a hash of a shard.

        One that has stored a task in its shard, where others may take it, may still be on the way
        to the task's home.

        Raises:
            Overtaken: look again.
        """
        locks = ["HMGET", keys.locks, *(f"{key} {id}" for id in ids)]
        # In this order: what is not locked any more is there by then.
        marks, values = self._run([locks, ["HMGET", key, *ids]])
        for mark, value in zip(marks, values, strict=True):
            is_ended = mark is not None and not self._settle(keys, mark)
            if is_ended or value is not None:
                raise Overtaken.of(JUST_NOW)

    def _take_locked(self, keys: Keys, are_some: int) -> None:
        if are_some:
            self._locked.add(keys)

    def _take_fields(self, key: str, fields: list[str], values: list[bytes | None]) -> None:
        self._read[key].update(zip(fields, values, strict=True))

    def _take_number(self, key: str, number: bytes | None) -> None:
        self._numbers[key] = int(number or 0)

    def _take_head(self, key: str, limit: int, members: list[bytes]) -> None:
        self._heads[key] = members, len(members) < limit

    def _take_tasks(self, keys: Keys, ids: list[str], values: list[bytes | None]) -> None:
        revisions = self._revisions[keys]
        for id, value in zip(ids, values, strict=True):
            if value is None:
                revisions[id] = b""
                self._tasks[id] = None
            else:
                revisions[id] = value[:REVISION]
                self._tasks[id] = unpacked(value)

    def _take_places(self, keys: Keys, ids: list[str], values: list[bytes | None]) -> None:
        """Comes after what the home itself holds."""
        for id, value in zip(ids, values, strict=True):
            if value is not None:
                del self._tasks[id], self._revisions[keys][id]
                self._elsewhere[self.shards.all[int(value)]].append(id)
            elif self._tasks[id] is None:
                self._read[keys.places][id] = None

    def _take_found(self, keys: Keys, ids: list[str], values: list[bytes | None]) -> None:
        found = [(id, value) for id, value in zip(ids, values, strict=True) if value is not None]
        if found:
            self._take_tasks(keys, *(list(part) for part in zip(*found, strict=True)))

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

    def is_listed(self, id: str, member: bytes) -> bool:
        """Whether a task that was looked for is the one that a list said, whatever its state."""
        return self._tasks.get(id) is not None and self.listed(id) == member

    def is_at(self, id: str, key: str, member: bytes) -> bool:
        """Whether a task that was looked for still is where a sorted set said."""
        return id in self._tasks and (key, member) in self._places_of(id)

    def _places_of(self, id: str) -> list[Place]:
        places = self._places.get(id)
        if places is None:
            stored = self._tasks[id]
            places = [] if stored is None else self.shards.orders(*stored)
            self._places[id] = places
        return places

    def holder(self, record: Record) -> Record | None:
        """The unfinished task that has the name and the unique key of this one."""
        if record.unique_key is None:
            return None
        field = redis_keys.holder_field(record.name, record.unique_key)
        [id] = self.values(self.shards.of(record.name).holders, [field])
        return None if id is None else self.task(id.decode())

    def values(self, key: str, fields: Sequence[str]) -> list[bytes | None]:
        """Some values of a hash."""
        read, written = self._read[key], self._written[key]
        if any(field not in read for field in fields):
            self.load(fields={key: fields})
        return [written[field] if field in written else read[field] for field in fields]

    def paused(self, names: Iterable[str]) -> set[str]:
        """Those of the names that are paused."""
        groups = self.shards.grouped(names, self.shards.of)
        self.load(fields={keys.paused: group for keys, group in groups.items()})
        return {
            name
            for keys, group in groups.items()
            for name, value in zip(group, self.values(keys.paused, group), strict=True)
            if value
        }

    def everything(self, keys: Sequence[str]) -> dict[str, bytes]:
        """All of some hashes, whose fields differ."""
        found: dict[str, bytes] = {}
        for key, reply in zip(keys, self._run([("HGETALL", key) for key in keys]), strict=True):
            self._read[key].update({field.decode(): value for field, value in reply.items()})
            current = {**self._read[key], **self._written[key]}
            found.update({field: value for field, value in current.items() if value is not None})
        return found

    def counts(self, keys: Sequence[str]) -> dict[str, int]:
        """All of some hashes of numbers, added up, that are not zero."""
        found: Counter[str] = Counter()
        for key, reply in zip(keys, self._run([("HGETALL", key) for key in keys]), strict=True):
            found.update({field.decode(): int(value) for field, value in reply.items()})
            found.update(self._counts[key])
        return {field: number for field, number in found.items() if number}

    def names(self, shards: Iterable[Keys] | None = None) -> dict[str, int]:
        """How many tasks each name has; those in some shards, or all."""
        return self.counts([keys.names for keys in shards or self.shards.all])

    def ask(self, queries: Sequence[Range | Size], *, together: bool = False) -> list[Any]:
        """What sorted sets hold; if `together`, those of one shard at one moment."""
        answers: list[Any] = [self._known(query) for query in queries]
        open_ones = [place for place, answer in enumerate(answers) if answer is None]
        if open_ones:
            asked = [(queries[place], self._orders[queries[place].key]) for place in open_ones]
            commands = [query.command(changes) for query, changes in asked]
            replies = self._run(commands, together=together)
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
