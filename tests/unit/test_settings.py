"""Settings of a manager from a program's own values."""

from pathlib import Path
from typing import Any

import pytest

from jsonrpc_qm.errors import InvalidParams
from jsonrpc_qm.server.running import Settings


def test_they_are_what_was_given() -> None:
    """Files may be paths, lists are taken for tuples, and the rest is as by default."""
    given = Settings.of(
        {"port": 0, "tokens": Path("tokens.toml"), "public_host": ["a"], "max_queued": 5}
    )
    assert given == Settings(port=0, tokens="tokens.toml", public_host=("a",), max_queued=5)


@pytest.mark.parametrize(
    ("param", "value"),
    [
        ("port", 65536),
        ("port", "8642"),
        ("host", None),
        ("max_body", 0),
        ("keep_completed", "7d"),
        ("keep_failed", -1),
        ("keep_failed", float("nan")),
        ("max_queued", 0),
        ("max_connections", 1.5),
        ("public_host", "queue.example.org"),
        ("tokens", 1),
        ("allow_anyone", "yes"),
    ],
)
def test_a_wrong_value_is_named(param: str, value: Any) -> None:
    """With the reason."""
    with pytest.raises(InvalidParams) as refusal:
        Settings.of({param: value})
    assert refusal.value.data["param"] == param
    assert refusal.value.data["reason"]
