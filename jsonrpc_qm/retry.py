"""When a failed attempt runs again: a pure function of the policy and the count of failures."""

from typing import Annotated
from zlib import crc32

import msgspec
from msgspec import Meta

TEN_YEARS = 10 * 365.25 * 86400.0
"""The longest delay, in seconds (protocol.md, `queue`)."""

Delay = Annotated[float, Meta(ge=0, le=TEN_YEARS)]


class Backoff(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long a task waits after its nth failed attempt.

    `min(max, base * factor ** (n - 1))` seconds, spread by up to `jitter` of itself either way
    (protocol.md, `queue`).
    """

    base: Delay = 2.0
    """Seconds after the first failure; 0 to 10 years."""
    factor: Annotated[float, Meta(ge=1, le=100)] = 2.0
    """By how much each further wait is longer; 1 to 100."""
    max: Delay = 3600.0
    """Seconds that a wait never exceeds before the jitter; 0 to 10 years."""
    jitter: Annotated[float, Meta(ge=0, le=1)] = 0.25
    """The spread as a share of the wait; 0 to 1."""


def backoff_seconds(backoff: Backoff, failures: int, spread: float) -> float:
    """The wait in seconds after failure number `failures` (1 is the first).

    `spread` from 0 to 1 picks the point within the jitter: 0.5 is the plain wait.
    """
    try:
        wait = min(backoff.max, backoff.base * backoff.factor ** (failures - 1))
    except OverflowError:
        wait = backoff.max if backoff.base else 0.0
    return wait * (1 + backoff.jitter * (2 * spread - 1))


def spread_of(id: str, failures: int) -> float:
    """A number from 0 to 1 that differs from task to task and from failure to failure.

    Drawn from the id rather than from a random source, so that every storage decides alike.
    """
    return crc32(f"{id}/{failures}".encode()) / 0xFFFFFFFF
