"""What a client says of itself: a token, from where it was given."""

import logging

import pytest

from jsonrpc_qm.client.credentials import Credentials
from jsonrpc_qm.client.protocol import endpoints_of
from jsonrpc_qm.errors import Forbidden, InvalidParams
from tests.unit.client_stub import (
    Connect,
    FakeManager,
    body,
    status,
)

TOKEN = "jqm_abc_secret"


def sent(manager: FakeManager) -> list[str | None]:
    """The Authorization headers that arrived."""
    return [received.headers.get("Authorization") for received in manager.requests]


def test_every_request_carries_the_token(manager: FakeManager, connect: Connect) -> None:
    """To each of several managers."""
    caller = connect(manager.url, token=TOKEN)
    caller.do("get_task", "x")
    caller.do("get_task", "x")
    assert sent(manager) == [f"Bearer {TOKEN}"] * 2


def test_the_token_may_be_in_the_environment(
    manager: FakeManager, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is given goes first; an empty variable is none."""
    for variable, given, header in [
        (TOKEN, None, f"Bearer {TOKEN}"),
        (TOKEN, "other", "Bearer other"),
        ("", None, None),
    ]:
        monkeypatch.setenv("JSONRPC_QM_TOKEN", variable)
        connect(manager.url, token=given).do("get_task", "x")
        assert sent(manager).pop() == header


def test_the_url_may_be_in_the_environment(
    manager: FakeManager, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is given goes first; an empty variable is none."""
    monkeypatch.setenv("JSONRPC_QM_URL", manager.url)
    connect(None).do("get_task", "x")
    monkeypatch.setenv("JSONRPC_QM_URL", "http://127.0.0.1:1")
    connect(manager.url).do("get_task", "x")
    assert len(manager.requests) == 2
    monkeypatch.setenv("JSONRPC_QM_URL", "")
    assert [endpoint.url for endpoint in endpoints_of(None)] == ["http://127.0.0.1:8642"]


def test_a_token_and_a_password_are_one_too_many(connect: Connect) -> None:
    """Both go into the same header."""
    with pytest.raises(InvalidParams, match="the URL has a password") as refusal:
        connect("http://ada:pw@127.0.0.1:1", token=TOKEN)
    assert TOKEN not in str(refusal.value)


@pytest.mark.parametrize("token", ["two words", "a\nb", "ü", "\x00"])
def test_what_is_no_token_is_not_sent(connect: Connect, token: str) -> None:
    """Nor said."""
    with pytest.raises(InvalidParams, match="token: it is no access token") as refusal:
        connect("http://127.0.0.1:1", token=token)
    assert token not in str(refusal.value)


def test_the_reason_of_a_refusal_is_told(manager: FakeManager, connect: Connect) -> None:
    """A manager says one; a proxy's page is none."""
    caller = connect(manager.url, token=TOKEN)
    manager.will(body(b'{"error": "this token is not known"}', 401), status(401))
    with pytest.raises(Forbidden, match="HTTP 401 Unauthorized: this token is not known"):
        caller.do("stats")
    with pytest.raises(Forbidden, match=r"HTTP 401 Unauthorized$"):
        caller.do("stats")


def test_tokens_are_not_shown(
    manager: FakeManager, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither in what is printed of a client nor in a log of its libraries."""
    with caplog.at_level(logging.DEBUG):
        caller = connect(manager.url, token=TOKEN)
        caller.do("get_task", "x")
    assert TOKEN not in repr(caller.client)
    assert TOKEN not in repr(Credentials(token=TOKEN))
    assert TOKEN not in caplog.text
