"""A storage that can't be used fails every call, and the log says so now and then."""

import pytest

from jsonrpc_qm.errors import Unavailable
from jsonrpc_qm.storage.complaints import MOST_REASONS, PERIOD, Complaints
from jsonrpc_qm.storage.urls import open_storage
from tests.servers.databases import SERVERS


class Complaining:
    """Complaints at a time that is given."""

    def __init__(self, log: pytest.LogCaptureFixture) -> None:
        self.now = 0.0
        self._complaints = Complaints("redis://host/0", lambda: self.now)
        self._log = log

    def said(self, reason: str) -> list[str]:
        """What the log has of another complaint."""
        self._log.clear()
        self._complaints.warn(reason)
        return self._log.messages


@pytest.fixture
def complaining(caplog: pytest.LogCaptureFixture) -> Complaining:
    """Nothing was said yet."""
    return Complaining(caplog)


def test_the_same_is_said_once_in_a_while(complaining: Complaining) -> None:
    """The next line counts what was left out."""
    assert complaining.said("refused") == ["redis://host/0: refused"]
    for complaining.now in (0.0, 1.0, PERIOD - 0.1):
        assert complaining.said("refused") == []
    complaining.now = PERIOD
    assert complaining.said("refused") == ["redis://host/0: refused (and 3 more before)"]
    complaining.now = 2 * PERIOD
    assert complaining.said("refused") == ["redis://host/0: refused"]


def test_each_reason_is_said_at_once(complaining: Complaining) -> None:
    """Also when several take turns."""
    assert complaining.said("refused")
    assert complaining.said("reset")
    assert not complaining.said("refused")
    assert not complaining.said("reset")


def test_reasons_do_not_pile_up(complaining: Complaining) -> None:
    """When there are too many they are forgotten, and said again."""
    for number in range(MOST_REASONS):
        assert complaining.said(f"connection {number}")
    assert not complaining.said("connection 0")
    assert complaining.said("one more")
    assert complaining.said("connection 0")


@pytest.mark.parametrize("kind", ["postgresql", "mysql", "redis"])
def test_a_server_that_is_away_is_no_line_for_each_call(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """But one for each reason, and there are a few at most."""
    server = SERVERS[kind]()
    storage = open_storage(server.database())
    server.close()
    caplog.clear()
    for _ in range(10):
        with pytest.raises(Unavailable):
            storage.get(["a"])
    warned = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert 1 <= len(warned) <= 3
    assert len(set(warned)) == len(warned)
    storage.close()
