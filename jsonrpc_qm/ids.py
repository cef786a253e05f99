"""Ids of tasks: UUIDv7, but that the last digit goes by the task's name.

So a storage in several parts can tell from an id alone in which part the task is. Ids of others'
making are as good, they only take it another look.
"""

from functools import lru_cache
from zlib import crc32

from uuid_utils import uuid7

GROUPS = 16
"""As many as there are hexadecimal digits."""

_DIGITS = "0123456789abcdef"
_GROUP_OF_DIGIT = {digit: group for group, digit in enumerate(_DIGITS)}


@lru_cache(10_000)
def group_of(name: str) -> int:
    """The group of a name, 0 to 15; the same everywhere and for ever."""
    return crc32(name.encode(errors="surrogatepass")) % GROUPS


def group_in(id: str) -> int:
    """The group that an id tells; any, but always the same, for one that was not made here."""
    group = _GROUP_OF_DIGIT.get(id[-1:])
    return group_of(id) if group is None else group


def new_id(name: str) -> str:
    """An id for a new task of a name."""
    return str(uuid7())[:-1] + _DIGITS[group_of(name)]
