"""What a Redis holds: the names of its keys, and the members that put tasks in order.

All keys of a shard (see redis_shards.py) are in one hash slot. Hashes: `tasks` (id to what
redis_values.py says), `names` (how many tasks a name has), `holders` (name and unique key to the id
of the unfinished task that has it), `running` (how many tasks a worker holds), `paused`;
`workers` only where a queue has one shard, else in a slot of its own. `commit:<writer>` has the
mark of a writer's latest transaction, `number` the largest one of a task. Sorted sets, all with the
score 0, so that their members' bytes are their order: `due`, `ready:<name>` (what a claim may
take), `listed:<status>:<name>` (as stored) and `moments:<status>:<name>` (waiting ones by run_at,
finished ones by finished_at; but for queued ones of priority 0, which `ready` has in that order).

Only where a queue has several shards: `places` (id to the shard of its task, when that is not the
id's home), `prepared`, `locks` and `decisions` (see redis_transactions.py).
"""

import struct
from collections.abc import Sequence
from functools import lru_cache

from jsonrpc_qm.record import SCHEDULED, Record
from jsonrpc_qm.storage.redis_values import ZERO
from jsonrpc_qm.task import FINISHED

STATUSES = ("queued", SCHEDULED, "started", "completed", "failed", "cancelled")

_eight = struct.Struct(">Q").pack
_ready = struct.Struct(">IQ").pack

_FIRST = (1 << 31) - 1
"""Less a task's priority: smaller for what comes first."""

PLAIN = tuple(bound.to_bytes(4, "big") for bound in (_FIRST, _FIRST + 1))
"""Between these are the members of `ready` that have the priority 0."""

NUMBER, MOMENT, READY = 8, 16, 20
"""Bytes before the id in the members of `listed`, of `due` and `moments`, and of `ready`."""

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
        self.workers = self.of("workers")
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

    def of_completion(self, name: str) -> tuple[str, ...]:
        """The keys that lua/complete.lua is about."""
        listed, moments, _ = self._orders("completed", name)
        return self.tasks, self.due, self.listed("started", name), listed, moments

    def of_claim(self, names: Sequence[str]) -> list[str]:
        """The keys that lua/claim.lua is about."""
        keys = [self.tasks, self.due, self.paused, self.workers, self.running]
        for name in names:
            listed, moments, ready = self._orders("queued", name)
            keys += ready, listed, moments, self.listed("started", name)
        return keys

    def orders(self, record: Record, number: int) -> list[Place]:
        """Every sorted set that a task is in, and its member there."""
        status = record.status
        listed, moments, ready = self._orders(status, record.name)
        place = _eight(number) + record.id.encode()
        found = [(listed, place)]
        if record.due_at is not None:
            found.append((self.due, _eight(record.due_at + ZERO) + place))
        if status == "queued":
            order = _ready(_FIRST - record.priority, record.run_at + ZERO)
            found.append((ready, order + place))
        if status != "started" and (status != "queued" or record.priority):
            at = record.finished_at if status in FINISHED else record.run_at
            assert at is not None
            found.append((moments, _eight(at + ZERO) + place))
        return found


def moment(at: int, number: int = 0) -> bytes:
    """How members begin that are in the order of a moment."""
    return _eight(at + ZERO) + _eight(number)


def moment_in(member: bytes, start: int = 0) -> int:
    """The moment that such a member begins with, or has after its first bytes."""
    return int.from_bytes(member[start : start + 8], "big") - ZERO


def run_at_in(member: bytes) -> int:
    """The run_at in a member of `ready`."""
    return moment_in(member, 4)


def listed(number: int) -> bytes:
    """How a member of `listed` begins."""
    return _eight(number)


def number_in(member: bytes) -> int:
    """The number in a member of `listed`."""
    return int.from_bytes(member[:8], "big")


def holder_field(name: str, unique_key: str) -> str:
    """The field of `holders` for a unique key of a name."""
    return f"{len(name)}:{name}{unique_key}"
