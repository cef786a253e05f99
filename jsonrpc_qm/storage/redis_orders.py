"""Sorted sets as a transaction sees them: what is there, and what it means to change."""

from collections.abc import Iterable
from typing import Any

import msgspec


class Changes:
    """What is to be added to a sorted set, and removed from it."""

    def __init__(self) -> None:
        # In their order: neighbours are added faster one after the other.
        self.added: dict[bytes, None] = {}
        self.removed: dict[bytes, None] = {}

    def add(self, member: bytes) -> None:
        """Have it in the set."""
        if member in self.removed:
            del self.removed[member]
        else:
            self.added[member] = None

    def remove(self, member: bytes) -> None:
        """Have it in the set no more."""
        if member in self.added:
            del self.added[member]
        else:
            self.removed[member] = None


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

    def _counted(self, members: Iterable[bytes]) -> int:
        return sum(self.before is None or member < self.before for member in members)
