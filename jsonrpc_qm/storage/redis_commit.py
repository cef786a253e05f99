"""What a transaction on Redis checks and writes, shard by shard."""

import os
import struct
from collections.abc import Mapping

from jsonrpc_qm.storage.redis_keys import REVISION, Keys
from jsonrpc_qm.storage.redis_shards import Shards

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
        self._steps: list[bytes] = []

    def step(self, operation: str, key: str, strings: list[bytes]) -> None:
        """Add a step; one without strings is none."""
        if not strings:
            return
        place = self._places.get(key)
        if place is None:
            self.keys.append(key)
            place = self._places[key] = len(self.keys)
        about = b"\x93" + _packed(operation.encode()) + _packed(b"%d" % place)
        step = about + _packed_list(strings)
        self._steps.append(step)
        self.size += len(step)
        self.matters = self.matters or operation not in _CHECKS

    def packed(self) -> bytes:
        """The steps in MessagePack: each operation, its key's place, and the strings."""
        return _begin_list(len(self._steps)) + b"".join(self._steps)


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


def flat(values: Mapping[str, bytes]) -> list[bytes]:
    """Fields and their values in turn."""
    return [part for field, value in values.items() for part in (field.encode(), value)]


# -- MessagePack ------------------------------------------------------------------------------
#
# Written here, as Redis reads bytes only where others write texts.


def _begin(size: int) -> bytes:
    """What comes before a string of that many bytes."""
    if size < 32:
        return bytes([0xA0 | size])
    if size < 256:
        return bytes([0xD9, size])
    return b"\xda" + struct.pack(">H", size) if size < 65536 else b"\xdb" + struct.pack(">I", size)


_MOST = 2048
_BEGINS = [_begin(size) for size in range(_MOST)]


def _packed(string: bytes) -> bytes:
    return _begin(len(string)) + string


def _begin_list(size: int) -> bytes:
    return b"\xdc" + struct.pack(">H", size) if size < 65536 else b"\xdd" + struct.pack(">I", size)


def _packed_list(strings: list[bytes]) -> bytes:
    begins, most = _BEGINS, _MOST
    return _begin_list(len(strings)) + b"".join(
        [
            begins[len(string)] + string if len(string) < most else _packed(string)
            for string in strings
        ]
    )
