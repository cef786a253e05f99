"""Moments: whole microseconds inside, RFC 3339 outside."""

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jsonrpc_qm.moments import SECOND, datetime_of, moment_of, rfc3339, seconds

moments = st.datetimes(timezones=st.just(UTC)).map(moment_of)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0),
        (1, SECOND),
        (0.1, 100_000),
        (2.5e-6, 2),
        (1e-7, 0),
        (315_576_000.0, 315_576_000 * SECOND),
    ],
)
def test_seconds_become_whole_microseconds(value: float, expected: int) -> None:
    """Durations are rounded to the nearest microsecond."""
    assert seconds(value) == expected


@given(moments)
def test_a_moment_survives_the_way_to_a_datetime_and_back(moment: int) -> None:
    """No microsecond is lost in any year of the calendar."""
    assert moment_of(datetime_of(moment)) == moment


@given(st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29)), st.integers(-1439, 1439))
def test_the_time_zone_of_a_datetime_does_not_matter(local: datetime, minutes: int) -> None:
    """The same instant in any zone is the same moment."""
    value = local.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert moment_of(value) == moment_of(value.astimezone(UTC))


def test_datetimes_are_aware_and_in_utc() -> None:
    """Nobody has to guess the zone."""
    assert datetime_of(1_500_000) == datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)
    assert datetime_of(0).tzinfo is UTC


@given(moments)
def test_a_written_moment_is_rfc_3339_in_utc_with_microseconds(moment: int) -> None:
    """protocol.md, Transport: UTC, six digits, `Z`, and it reads back as the same moment."""
    text = rfc3339(moment)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", text)
    assert moment_of(datetime.fromisoformat(text)) == moment


def test_a_whole_second_is_written_with_its_microseconds() -> None:
    """The format never varies with the value."""
    assert rfc3339(1_700_000_000 * SECOND) == "2023-11-14T22:13:20.000000Z"
    assert rfc3339(-SECOND) == "1969-12-31T23:59:59.000000Z"
