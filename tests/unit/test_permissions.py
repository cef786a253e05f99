"""Every role against every method."""

import pytest

from jsonrpc_qm.access.grants import Role
from jsonrpc_qm.rpc.methods import METHODS
from jsonrpc_qm.rpc.permissions import ADMINS_ONLY, PERMISSIONS, permission_of

LETTERS = {"p": Role.PRODUCER, "w": Role.WORKER, "o": Role.OPERATOR, "a": Role.ADMIN}

TABLE = {
    "queue": "p a",
    "queue_many": "p a",
    "get_task": "p w o a",
    "list_tasks": "o a",
    "history": "p w o a",
    "explain": "p w o a",
    "cancel": "p o a",
    "retry": "o a",
    "delete_task": "o a",
    "claim": "w a",
    "heartbeat": "w a",
    "complete": "w a",
    "fail": "w a",
    "release": "w a",
    "report": "w a",
    "stats": "o a",
    "rates": "o a",
    "workers": "o a",
    "drain": "o a",
    "pause": "o a",
    "resume": "o a",
    "retry_many": "o a",
    "cancel_many": "o a",
    "delete_many": "o a",
    "purge": "o a",
    "rpc.discover": "p w o a",
}
"""Who may call what: each role by its first letter."""

ACTIONS = {
    *("cancel", "retry", "delete_task", "drain", "pause", "resume", "purge"),
    *("retry_many", "cancel_many", "delete_many"),
}
"""What the log tells of."""


@pytest.mark.parametrize("method", [*METHODS, "rpc.discover"])
def test_every_method_says_who_may_call_it(method: str) -> None:
    """A new method needs a row in PERMISSIONS, and one here."""
    assert method in PERMISSIONS, f"say in rpc/permissions.py who may call {method}"
    assert PERMISSIONS[method].roles == {LETTERS[letter] for letter in TABLE[method].split()}


def test_there_is_no_permission_for_what_is_not_there() -> None:
    """The table is that of the methods."""
    assert set(PERMISSIONS) == {*METHODS, "rpc.discover"} == set(TABLE)


def test_the_admin_may_call_everything() -> None:
    """Also what nobody has thought about, and nobody else may."""
    for method in (*PERMISSIONS, "new"):
        assert Role.ADMIN in permission_of(method).roles
    assert permission_of("new") == ADMINS_ONLY


def test_the_actions_of_operators_are_audited() -> None:
    """And nothing that a busy queue does all the time."""
    assert {name for name, each in PERMISSIONS.items() if each.audited} == ACTIONS
