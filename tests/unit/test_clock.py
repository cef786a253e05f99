"""The clock of a server that managers share."""

import time

import pytest

from jsonrpc_qm.storage.clock import ServerClock

SERVERS_TIME = 1_700_000_000_000_000
"""What the server's clock says, in microseconds."""


@pytest.mark.parametrize("minutes", [-10, 10])
def test_a_managers_clock_that_is_set_does_not_move_the_servers(
    monkeypatch: pytest.MonkeyPatch, minutes: int
) -> None:
    """All leases would expire at once, or never, until the server is asked again."""
    clock = ServerClock(lambda: SERVERS_TIME)
    clock.set()
    right = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: right() + minutes * 60 * 10**9)
    monkeypatch.setattr(time, "time", lambda: right() / 10**9 + minutes * 60)
    assert 0 <= clock.now() - SERVERS_TIME < 1_000_000
