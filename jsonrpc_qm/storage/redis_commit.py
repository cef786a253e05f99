"""What a transaction on Redis checks and writes, shard by shard."""

import os
import struct
from collections.abc import Iterable, Mapping

import msgspec

from jsonrpc_qm.storage.redis_keys import REVISION, Keys
from jsonrpc_qm.storage.redis_shards import Shards

_length = struct.Struct(">I")

DELETED = b"-"
"""Stands for the value of a task that is to be deleted."""

_CHECKS = ("value",)
"""Steps that write nothing, and matter to nobody where nothing else is done."""


class Commit:
    """The checks and writes in one shard, as lua/changes.lua takes them."""

    def __init__(self, shard: Keys, mark: bytes) -> None:
        self.shard = shard
        self.mark = mark
        """All commits of one transaction have it, and no others."""
        self.keys: list[str] = []
        self.matters = False
        self.size = 0
        """Bytes."""
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
            place = self._places[key] = len(self.keys)
        self._steps.append((operation, place, len(strings)))
        self._strings.extend(strings)
        self.size += sum(map(len, strings))
        self.matters = self.matters or operation not in _CHECKS

    def steps(self) -> bytes:
        """The steps: each operation, its key's place, and how many strings it has."""
        return msgspec.msgpack.encode(self._steps)

    def strings(self) -> bytes:
        """All strings, each after its length."""
        return joined(self._strings)


class Commits:
    """The commits of one transaction."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._mark = os.urandom(16)
        self._commits: dict[Keys, Commit] = {}
        self.revision = self._mark[:REVISION]
        """What begins the tasks that it writes."""

    def step(self, operation: str, key: str, strings: list[bytes]) -> None:
        """Add a step to the commit of its key's shard."""
        shard = self._shards.with_key(key)
        commit = self._commits.get(shard)
        if commit is None:
            commit = self._commits[shard] = Commit(shard, self._mark)
        commit.step(operation, key, strings)

    def that_matter(self) -> list[Commit]:
        """Those to be sent."""
        return [commit for commit in self._commits.values() if commit.matters]


def joined(strings: Iterable[bytes]) -> bytes:
    """Strings one after the other, each after its length."""
    pack = _length.pack
    return b"".join([pack(len(string)) + string for string in strings])


def first_of(strings: bytes) -> bytes:
    """The first of such strings."""
    [size] = _length.unpack_from(strings)
    return strings[_length.size : _length.size + size]


def flat(values: Mapping[str, bytes]) -> list[bytes]:
    """Fields and their values in turn."""
    return [part for field, value in values.items() for part in (field.encode(), value)]
