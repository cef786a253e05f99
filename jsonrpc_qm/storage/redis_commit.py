"""What a transaction on Redis checks and writes, shard by shard."""

import os
import struct
from collections.abc import Mapping, Sequence

from jsonrpc_qm.storage.redis_keys import Keys
from jsonrpc_qm.storage.redis_shards import Shards
from jsonrpc_qm.storage.redis_values import REVISION

_CHECKS = ("value", "absent")
"""Steps that write nothing, and matter to nobody where nothing else is done."""


class Commit:
    """The checks and writes in one shard, as lua/changes.lua takes them."""

    def __init__(self, shard: Keys, mark: bytes) -> None:
        self.shard = shard
        self.mark = mark
        """All commits of one transaction have it, and no others."""
        self.keys: list[str] = []
        self.matters = False
        self._places: dict[tuple[str, ...], int] = {}
        self._steps: list[str] = []
        self._strings: list[bytes] = []

    @property
    def size(self) -> int:
        """Bytes, about."""
        return sum(map(len, self._strings))

    def add_keys(self, *keys: str) -> int:
        """Have these keys go along in this order; the place of the first among all, from 1."""
        place = self._places.get(keys)
        if place is None:
            place = self._places[keys] = len(self.keys) + 1
            self.keys += keys
        return place

    def step(self, operation: str, keys: str | Sequence[str], strings: Sequence[bytes]) -> None:
        """Add a step, about one key or some; one without strings is none."""
        if not strings:
            return
        place = self.add_keys(*([keys] if isinstance(keys, str) else keys))
        self._steps.append(f"{operation} {place} {len(strings)}")
        self._strings += strings
        self.matters = self.matters or operation not in _CHECKS

    def strings(self) -> list[bytes]:
        """The steps: what they are, then the strings of each."""
        return [" ".join(self._steps).encode(), *self._strings]

    def packed(self) -> bytes:
        """The same in MessagePack."""
        return _packed_list(self.strings())


def new_mark() -> bytes:
    """What tells a transaction from all others."""
    return os.urandom(16)


class Commits:
    """The commits of one transaction."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._mark = new_mark()
        self._commits: dict[Keys, Commit] = {}
        self.revision = self._mark[:REVISION]
        """What begins the tasks that it writes."""

    def step(self, operation: str, key: str, strings: Sequence[bytes]) -> None:
        """Add a step to the commit of its key's shard."""
        shard = self._shards.with_key(key)
        commit = self._commits.get(shard)
        if commit is None:
            commit = self._commits[shard] = Commit(shard, self._mark)
        commit.step(operation, key, strings)

    def that_matter(self) -> list[Commit]:
        """Those to be sent."""
        return [commit for commit in self._commits.values() if commit.matters]


def flat(values: Mapping[str, bytes]) -> list[bytes]:
    """Fields and their values in turn."""
    return [part for field, value in values.items() for part in (field.encode(), value)]


def halves(values: Mapping[str, bytes | None]) -> list[bytes]:
    """Fields, then their values, nothing for those that are not there."""
    return [*(field.encode() for field in values), *(value or b"" for value in values.values())]


# -- MessagePack ------------------------------------------------------------------------------
#
# Written here, as Redis reads bytes only where others write texts.


def _packed(string: bytes) -> bytes:
    size = len(string)
    if size < 256:
        return b"\xd9" + bytes((size,)) + string
    begin = struct.pack(">cH", b"\xda", size) if size < 65536 else struct.pack(">cI", b"\xdb", size)
    return begin + string


def _packed_list(strings: list[bytes]) -> bytes:
    return struct.pack(">cI", b"\xdd", len(strings)) + b"".join(map(_packed, strings))
