"""Who may call which method: roles, and where a method speaks of the names of tasks.

A method that is not in the table is the admin's alone, and a test says that each is.
"""

import msgspec

from jsonrpc_qm.access.grants import Role
from jsonrpc_qm.rpc import scopes
from jsonrpc_qm.rpc.scopes import Scope


class Permission(msgspec.Struct, frozen=True):
    """Who may call a method."""

    roles: frozenset[Role]
    scope: Scope
    audited: bool = False
    """Whether the log tells of each call, whoever makes it."""


ADMIN = frozenset({Role.ADMIN})
PRODUCERS = ADMIN | {Role.PRODUCER}
WORKERS = ADMIN | {Role.WORKER}
OPERATORS = ADMIN | {Role.OPERATOR}
EVERYONE = frozenset(Role)

PERMISSIONS: dict[str, Permission] = {
    "queue": Permission(PRODUCERS, scopes.Named()),
    "queue_many": Permission(PRODUCERS, scopes.NewTasks("tasks")),
    "get_task": Permission(EVERYONE, scopes.Stored()),
    "list_tasks": Permission(OPERATORS, scopes.Listed()),
    "history": Permission(EVERYONE, scopes.Past()),
    "explain": Permission(EVERYONE, scopes.Stored()),
    "cancel": Permission(PRODUCERS | OPERATORS, scopes.Stored(), audited=True),
    "retry": Permission(OPERATORS, scopes.Stored(), audited=True),
    "delete_task": Permission(OPERATORS, scopes.Stored(), audited=True),
    "claim": Permission(WORKERS, scopes.Claimed()),
    # The token of a lease was given only to who might claim the task.
    "heartbeat": Permission(WORKERS, scopes.Scope()),
    "complete": Permission(WORKERS, scopes.Held()),
    "fail": Permission(WORKERS, scopes.Held()),
    "release": Permission(WORKERS, scopes.Held()),
    "report": Permission(WORKERS, scopes.Reported()),
    "stats": Permission(OPERATORS, scopes.Counted()),
    "rates": Permission(OPERATORS, scopes.Rated()),
    "workers": Permission(OPERATORS, scopes.Scope()),
    "drain": Permission(OPERATORS, scopes.Drained(), audited=True),
    "pause": Permission(OPERATORS, scopes.Named(), audited=True),
    "resume": Permission(OPERATORS, scopes.Named(), audited=True),
    "retry_many": Permission(OPERATORS, scopes.Many(), audited=True),
    "cancel_many": Permission(OPERATORS, scopes.Many(), audited=True),
    "delete_many": Permission(OPERATORS, scopes.Many(), audited=True),
    "purge": Permission(OPERATORS, scopes.Named(), audited=True),
    "rpc.discover": Permission(EVERYONE, scopes.Scope()),
}
"""Every method, in the order of protocol.md."""

ADMINS_ONLY = Permission(ADMIN, scopes.Scope(), audited=True)
"""For a method that nobody has thought about."""


def permission_of(method: str) -> Permission:
    """Who may call a method."""
    return PERMISSIONS.get(method, ADMINS_ONLY)
