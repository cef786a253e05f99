"""What a Redis holds: the names of its keys, and the members that put tasks in order.

All keys of a shard (see redis_shards.py) are in one hash slot. Hashes: `tasks` (id to record),
`names` (how many tasks a name has), `holders` (name and unique key to the id of the unfinished task
that has it), `running` (how many tasks a worker holds), `paused`. Sorted sets, all with the score
0, so that their members' bytes are their order: `due`, `ready:<name>` (what a claim may take),
`listed:<status>:<name>` (as stored) and `moments:<status>:<name>` (waiting ones by run_at, finished
ones by finished_at; but for queued ones of priority 0, which `ready` has in that order).

Only where a queue has several shards: `places` (id to the shard of its task, when that is not the
id's home), `prepared`, `locks` and `decisions` (see redis_transactions.py).
"""

import struct
from functools import lru_cache

from msgspec import msgpack
from msgspec.structs import astuple

from jsonrpc_qm.record import SCHEDULED, Record
from jsonrpc_qm.task import FINISHED

STATUSES = ("queued", SCHEDULED, "started", "completed", "failed", "cancelled")

REVISION = 8
"""Bytes before each record that differ from one transaction to the next."""

_ZERO = 1 << 63
"""Added to what may be negative: bytes have no sign."""

_listed = struct.Struct(">Q").pack
_moment = struct.Struct(">QQ").pack
_ready = struct.Struct(">IQQ").pack
_encode = msgpack.Encoder().encode
_decode = msgpack.Decoder().decode

_FIRST = (1 << 31) - 1
"""Less a task's priority: smaller for what comes first."""

PLAIN = tuple(bound.to_bytes(4, "big") for bound in (_FIRST, _FIRST + 1))
"""Between these are the members of `ready` that have the priority 0."""

NUMBER, MOMENT, READY = 8, 16, 20
"""Bytes before the id in the members of `listed`, of `due` and `moments`, and of `ready`."""

Stored = tuple[Record, int]
"""A record and its place in the order in which tasks were stored."""

Place = tuple[str, bytes]
"""A sorted set and a member of it."""


MOST_REMEMBERED = 10_000
"""Of how many names and statuses the keys are remembered, which every change of a task needs."""


class Keys:
    """The keys of one shard, which all begin with `begin`; `number` among its queue's shards."""

    def __init__(self, begin: str, number: int = 0) -> None:
        self._begin = begin
        self.shard = number
        self._orders = lru_cache(MOST_REMEMBERED)(self._order_keys)
        self.tasks = self.of("tasks")
        self.names = self.of("names")
        self.holders = self.of("holders")
        self.running = self.of("running")
        self.paused = self.of("paused")
        self.due = self.of("due")
        self.number = self.of("number")
        self.places = self.of("places")
        self.prepared = self.of("prepared")
        self.locks = self.of("locks")
        self.decisions = self.of("decisions")

    def of(self, what: str) -> str:
        return self._begin + what

    def ready(self, name: str) -> str:
        return f"{self._begin}ready:{name}"

    def listed(self, status: str, name: str) -> str:
        return f"{self._begin}listed:{status}:{name}"

    def moments(self, status: str, name: str) -> str:
        return f"{self._begin}moments:{status}:{name}"

    def _order_keys(self, status: str, name: str) -> tuple[str, str, str]:
        return self.listed(status, name), self.moments(status, name), self.ready(name)

    def orders(self, record: Record, number: int) -> list[Place]:
        """Every sorted set that a task is in, and its member there."""
        status, id = record.status, record.id.encode()
        listed, moments, ready = self._orders(status, record.name)
        found = [(listed, _listed(number) + id)]
        if record.due_at is not None:
            found.append((self.due, _moment(record.due_at + _ZERO, number) + id))
        if status == "queued":
            order = _ready(_FIRST - record.priority, record.run_at + _ZERO, number)
            found.append((ready, order + id))
        if status != "started" and (status != "queued" or record.priority):
            at = record.finished_at if status in FINISHED else record.run_at
            assert at is not None
            found.append((moments, _moment(at + _ZERO, number) + id))
        return found


def moment(at: int, number: int = 0) -> bytes:
    """How members begin that are in the order of a moment."""
    return _moment(at + _ZERO, number)


def moment_in(member: bytes, start: int = 0) -> int:
    """The moment that such a member begins with, or has after its first bytes."""
    return int.from_bytes(member[start : start + 8], "big") - _ZERO


def run_at_in(member: bytes) -> int:
    """The run_at in a member of `ready`."""
    return moment_in(member, 4)


def listed(number: int) -> bytes:
    """How a member of `listed` begins."""
    return _listed(number)


def number_in(member: bytes) -> int:
    """The number in a member of `listed`."""
    return int.from_bytes(member[:8], "big")


def holder_field(name: str, unique_key: str) -> str:
    """The field of `holders` for a unique key of a name."""
    return f"{len(name)}:{name}{unique_key}"


def packed(record: Record, number: int) -> bytes:
    """A task as `tasks` has it, after its revision."""
    return _encode((number, *astuple(record)))


def unpacked(value: bytes) -> Stored:
    """The task that `tasks` has, with its revision."""
    number, *fields = _decode(memoryview(value)[REVISION:])
    return Record(*fields), number
