"""Backoff as properties: how long a task waits after a failure."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jsonrpc_qm.retry import TEN_YEARS, Backoff, backoff_seconds, spread_of

durations = st.floats(0, TEN_YEARS)
policies = st.builds(
    Backoff, base=durations, factor=st.floats(1, 100), max=durations, jitter=st.floats(0, 1)
)
failures = st.integers(1, 60) | st.integers(1, 1_000_000)
spreads = st.floats(0, 1)


def test_the_defaults_are_the_protocols() -> None:
    """Two seconds, twice as long each time, an hour at most, a quarter either way."""
    assert msgspec.to_builtins(Backoff()) == {
        "base": 2.0,
        "factor": 2.0,
        "max": 3600.0,
        "jitter": 0.25,
    }
    waits = [backoff_seconds(Backoff(), count, 0.5) for count in range(1, 14)]
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600]
    assert backoff_seconds(Backoff(), 1, 0.0) == 1.5
    assert backoff_seconds(Backoff(), 1, 1.0) == 2.5


@given(policies, failures, spreads)
def test_a_wait_is_never_negative_and_never_longer_than_max_and_its_jitter(
    policy: Backoff, count: int, spread: float
) -> None:
    """Whatever the policy, up to a million failures: a number that a clock can wait for."""
    wait = backoff_seconds(policy, count, spread)
    assert 0 <= wait <= policy.max * (1 + policy.jitter)


@given(policies, failures, spreads)
def test_the_jitter_is_a_share_of_the_plain_wait(
    policy: Backoff, count: int, spread: float
) -> None:
    """The wait lies within `jitter` of the middle, and the middle is the wait without jitter."""
    plain = backoff_seconds(msgspec.structs.replace(policy, jitter=0.0), count, spread)
    assert backoff_seconds(policy, count, 0.5) == plain
    wait = backoff_seconds(policy, count, spread)
    # Rounding is of the wait, however small the jitter is.
    assert abs(wait - plain) <= plain * (policy.jitter + 1e-9)


@given(policies, failures, spreads, spreads)
def test_a_larger_spread_waits_no_less(
    policy: Backoff, count: int, first: float, second: float
) -> None:
    """The spread picks the point within the jitter, from early to late."""
    less, more = sorted([first, second])
    assert backoff_seconds(policy, count, less) <= backoff_seconds(policy, count, more)


@given(policies, failures, failures, spreads)
def test_more_failures_wait_no_less(
    policy: Backoff, first: int, second: int, spread: float
) -> None:
    """Waits grow until `max`, and stay there."""
    fewer, more = sorted([first, second])
    assert backoff_seconds(policy, fewer, spread) <= backoff_seconds(policy, more, spread)


@given(policies)
def test_the_first_wait_is_base(policy: Backoff) -> None:
    """Before the jitter, and not above `max`."""
    assert backoff_seconds(policy, 1, 0.5) == min(policy.base, policy.max)


@given(policies, st.integers(1, 50))
def test_each_wait_is_factor_times_the_one_before(policy: Backoff, count: int) -> None:
    """As long as `max` does not cut it off."""
    plain = msgspec.structs.replace(policy, max=TEN_YEARS, jitter=0.0)
    wait = backoff_seconds(plain, count, 0.5)
    following = backoff_seconds(plain, count + 1, 0.5)
    assert following == pytest.approx(min(wait * policy.factor, TEN_YEARS))


@given(policies, failures, spreads)
def test_without_a_base_nothing_waits(policy: Backoff, count: int, spread: float) -> None:
    """A base of 0 means again at once, however often it failed."""
    assert backoff_seconds(msgspec.structs.replace(policy, base=0.0), count, spread) == 0


@given(st.text(max_size=64), failures)
def test_the_spread_is_drawn_from_the_task(id: str, count: int) -> None:
    """Between 0 and 1, and the same whoever computes it."""
    assert 0 <= spread_of(id, count) <= 1
    assert spread_of(id, count) == spread_of(id, count)


def test_spreads_of_many_tasks_are_spread() -> None:
    """Tasks that fail together do not all come back together, nor one task always early."""
    of_tasks = [spread_of(f"task-{number}", 1) for number in range(1000)]
    of_failures = [spread_of("task", number) for number in range(1000)]
    for drawn in (of_tasks, of_failures):
        tenths = [sum(tenth <= 10 * spread < tenth + 1 for spread in drawn) for tenth in range(10)]
        assert min(tenths) > 50


@pytest.mark.parametrize(
    "text",
    [
        '{"base":-1}',
        '{"base":315576001}',
        '{"max":-0.1}',
        '{"max":315576001}',
        '{"factor":0.99}',
        '{"factor":101}',
        '{"jitter":-0.1}',
        '{"jitter":1.1}',
        '{"base":"2"}',
        '{"base":null}',
        '{"bse":2}',
        "[2]",
    ],
)
def test_a_policy_out_of_range_is_refused(text: str) -> None:
    """The ranges of protocol.md, and no unknown members."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=Backoff)


def test_a_policy_may_say_as_little_as_it_likes() -> None:
    """Members left out have their defaults; the ends of the ranges are in."""
    assert msgspec.json.decode("{}", type=Backoff) == Backoff()
    assert msgspec.json.decode('{"base":0,"max":315576000,"jitter":1}', type=Backoff) == Backoff(
        base=0.0, max=TEN_YEARS, jitter=1.0
    )
