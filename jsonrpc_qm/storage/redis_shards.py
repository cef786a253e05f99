"""Where on Redis the parts of a queue are.

A Redis Cluster has each hash slot on one of its nodes. There a queue is in SHARDS shards, each in a
slot of its own, and all of a name's tasks are in one: that of the name's group (see ids.py). A
server alone holds a queue in one shard.

The shard of the group in an id is its home, which knows the id: it holds the task, or says in
`places` which shard does. Ids of our own making are at home where their task is.
"""

from binascii import crc_hqx
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from typing import TypeVar

from jsonrpc_qm.ids import GROUPS, group_in, group_of
from jsonrpc_qm.record import Record
from jsonrpc_qm.storage.redis_keys import Keys, Place

T = TypeVar("T")

SHARDS = GROUPS
SLOTS = 16384
"""Hash slots of a Redis Cluster, which its nodes share among them in ranges."""


class Shards:
    """The shards of one queue: `count` is SHARDS or 1."""

    def __init__(self, prefix: str, count: int) -> None:
        self.is_one = count == 1
        self.common = Keys(common_begin(prefix))
        """What belongs to no name: the workers. The shard, if there is one only."""
        self.all = [self.common]
        if not self.is_one:
            self.all = [Keys(_begin(prefix, number), number) for number in range(count)]
        self._by_slot = {_slot_of(keys.tasks): keys for keys in [self.common, *self.all]}

    def numbered(self, parts: Collection[int] | None) -> list[Keys] | None:
        """Those shards that have these numbers."""
        return None if parts is None else [self.all[part] for part in sorted(set(parts))]

    def of(self, name: str) -> Keys:
        """The shard of a name."""
        return self.all[0] if self.is_one else self.all[group_of(name)]

    def home(self, id: str) -> Keys:
        """The shard that knows where a task is."""
        return self.all[0] if self.is_one else self.all[group_in(id)]

    def about(self, names: Iterable[str], ids: Iterable[str] = ()) -> set[Keys]:
        """The shards of some names, and the homes of some ids."""
        if self.is_one:
            return {self.common}
        return {*map(self.of, names), *map(self.home, ids)}

    def with_key(self, key: str) -> Keys:
        """The shard that a key is of."""
        return self._by_slot[_slot_of(key)]

    def orders(self, record: Record, number: int) -> list[Place]:
        """Every sorted set that a task is in, and its member there."""
        return self.of(record.name).orders(record, number)

    def grouped(self, values: Iterable[T], shard: Callable[[T], Keys]) -> dict[Keys, list[T]]:
        """Some values by their shards, in their order."""
        values = list(values)
        if self.is_one:
            return {self.all[0]: values} if values else {}
        groups: dict[Keys, list[T]] = defaultdict(list)
        for value in values:
            groups[shard(value)].append(value)
        return groups


def common_begin(prefix: str) -> str:
    """How the keys begin that a queue has with any number of shards."""
    return f"{{{prefix}}}:"


def _slot_of(key: str) -> str:
    """What decides on a key's slot, and the character that tells a shard from a whole queue."""
    return key[: key.index("}") + 2]


def _begin(prefix: str, number: int) -> str:
    """How the keys of a shard begin.

    The first such tag whose slot is about in the middle of this shard's part of all slots: so
    nodes with equal ranges of slots have as many shards, but for one more or less.
    """
    part = SLOTS // SHARDS
    middle = part * number + part // 2
    attempt = 0
    while True:
        tag = f"{prefix}:{number:x}:{attempt}"
        if abs(crc_hqx(tag.encode(), 0) % SLOTS - middle) < part // 8:
            # A queue of that prefix would have a colon after the brace.
            return f"{{{tag}}}/"
        attempt += 1
