"""When a failed call is sent again."""

from hypothesis import given
from hypothesis import strategies as st

from jsonrpc_qm.client import calls
from jsonrpc_qm.client.protocol import ANSWER_LOST
from jsonrpc_qm.client.retrying import FIRST_PAUSE, LONGEST_PAUSE, Retrying, pause_after
from jsonrpc_qm.errors import Unavailable

failures = st.integers(1, 10_000)
seconds = st.floats(0, 1e6)
spreads = st.floats(0, 1)


@given(failures, seconds, seconds, spreads)
def test_a_pause_stays_within_what_was_asked_and_what_is_left(
    failures: int, remaining: float, retry_after: float, spread: float
) -> None:
    """Not before the manager wants, not after the time is up, and else within the jitter."""
    pause = pause_after(failures, remaining=remaining, retry_after=retry_after, spread=spread)
    if remaining <= 0 or retry_after > remaining:
        assert pause is None
    else:
        assert pause is not None
        assert retry_after <= pause <= min(retry_after + LONGEST_PAUSE, remaining)


@given(failures)
def test_pauses_grow_to_a_limit(failures: int) -> None:
    """Each is at most twice as long as the one before, and never above the limit."""
    longest = [
        pause_after(count, remaining=1e9, retry_after=0, spread=1) or 0
        for count in (failures, failures + 1)
    ]
    assert FIRST_PAUSE <= longest[0] <= longest[1] <= min(2 * longest[0], LONGEST_PAUSE)


@given(failures, spreads)
def test_the_jitter_is_full(failures: int, spread: float) -> None:
    """A pause may be anything from nothing on, so that clients spread out."""
    assert pause_after(failures, remaining=1e9, retry_after=0, spread=0) == 0


def test_the_time_counts_from_the_first_failure() -> None:
    """A long poll that breaks off after a minute is still tried again."""
    retrying = Retrying(calls.claim(["a"], wait=55.0), retry_for=2.0)
    gone = Unavailable("gone")
    assert retrying.pause(gone, now=1000.0) is not None
    assert retrying.pause(gone, now=1001.9) is not None
    assert retrying.pause(gone, now=1002.0) is None


def test_a_last_try_is_made_when_the_time_is_up_and_no_pause_goes_beyond() -> None:
    """The pause before it is cut to what is left."""
    retrying = Retrying(calls.stats(), retry_for=0.0001)
    pause = retrying.pause(Unavailable("gone"), now=5.0)
    assert pause is not None
    assert 0 <= pause <= 0.0001


def test_zero_turns_it_off() -> None:
    """The first failure is the answer."""
    assert Retrying(calls.stats(), retry_for=0).pause(Unavailable("gone"), now=5.0) is None


def test_a_manager_that_asks_for_more_time_than_there_is_is_not_tried_again() -> None:
    """Coming back before would be rude, and after would be too late."""
    stopping = Unavailable("stopping", data={"retry_after": 60})
    assert Retrying(calls.stats(), retry_for=30).pause(stopping, now=0.0) is None


def test_nonsense_in_retry_after_is_taken_for_nothing() -> None:
    """It comes from outside."""
    for nonsense in ("soon", None, [1], float("nan"), float("inf"), -5.0, True):
        error = Unavailable("?", data={"retry_after": nonsense})
        pause = Retrying(calls.stats(), retry_for=30).pause(error, now=0.0)
        assert pause is not None
        assert 0 <= pause <= 30


def test_a_lost_answer_ends_only_what_is_not_safe_to_repeat() -> None:
    """Where nothing was sent, everything is tried again."""
    lost, refused = Unavailable("lost", data={ANSWER_LOST: True}), Unavailable("refused")
    assert Retrying(calls.queue("a", None), 30).pause(lost, now=0.0) is not None
    assert Retrying(calls.retry("a"), 30).pause(lost, now=0.0) is None
    assert Retrying(calls.retry("a"), 30).pause(refused, now=0.0) is not None


def test_all_managers_are_tried_before_a_pause() -> None:
    """One round of them is one failure."""
    retrying = Retrying(calls.stats(), retry_for=30, managers=3)
    asked = Unavailable("busy", data={"retry_after": 1.0})
    pauses = [retrying.pause(asked, now=0.0) for _ in range(6)]
    assert [pause == 0.0 for pause in pauses] == [True, True, False] * 2
