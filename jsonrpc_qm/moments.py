"""Times: whole microseconds since 1970 inside, RFC 3339 in UTC on the wire."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000
"""Microseconds in a second."""


def seconds(value: float) -> int:
    """A duration in seconds as whole microseconds."""
    return round(value * SECOND)


def datetime_of(moment: int) -> datetime:
    """The aware datetime of a moment in microseconds."""
    return _EPOCH + timedelta(microseconds=moment)


def moment_of(value: datetime) -> int:
    """The moment in microseconds of an aware datetime."""
    return (value - _EPOCH) // timedelta(microseconds=1)


@lru_cache(maxsize=8192)
def rfc3339(moment: int) -> str:
    """The moment as protocol.md writes times: UTC, six digits of fraction, `Z`."""
    return f"{_whole_second(moment // SECOND)}.{moment % SECOND:06d}Z"


@lru_cache(maxsize=1024)
def _whole_second(second: int) -> str:
    return datetime_of(second * SECOND).replace(tzinfo=None).isoformat(timespec="seconds")
