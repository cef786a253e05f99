"""Stands before each method: is the caller allowed to, and is the log to tell of it?"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from jsonrpc_qm.access.grants import Grant
from jsonrpc_qm.errors import QueueError
from jsonrpc_qm.rpc.checking import Checker
from jsonrpc_qm.rpc.manager import Manager
from jsonrpc_qm.rpc.methods import Call, Method
from jsonrpc_qm.rpc.permissions import permission_of
from jsonrpc_qm.rpc.scopes import OutOfScope, forbidden

audit = logging.getLogger("jsonrpc_qm.audit")
"""One line for each operator's action, whatever became of it."""

SHOWN = 200
"""Characters of the params that a line of the log shows at most."""

Run = Callable[[Call, bytes], Awaitable[Any]]


def guarded(method: Method, manager: Manager) -> Run:
    """A method of the table, from the params' bytes, for those who may call it."""
    guard = _Guard(method, manager)
    return guard.run_and_tell if guard.permission.audited else guard.run


class _Guard:
    def __init__(self, method: Method, manager: Manager) -> None:
        self._name = method.name
        self._manager = manager
        self._read = Checker.of(method.params).read
        self._handler = method.handler
        self.permission = permission_of(method.name)

    def run(self, call: Call, params: bytes) -> Awaitable[Any]:
        # The usual way of a manager without tokens, which is to cost nothing.
        if call.grant is None:
            return self._handler(self._manager, call, self._read(params))
        return self._run_for(call.grant, call, params)

    async def run_and_tell(self, call: Call, params: bytes) -> Any:
        outcome = "broke"
        try:
            answer = await self.run(call, params)
            outcome = "done"
        except QueueError as refusal:
            outcome = str(refusal)
            raise
        else:
            return answer
        finally:
            who = "anyone" if call.grant is None else f"{call.grant.role} {call.grant.id}"
            given = _shortened(params)
            audit.info("%s at %s: %s %s: %s", who, call.address(), self._name, given, outcome)

    async def _run_for(self, grant: Grant, call: Call, params: bytes) -> Any:
        if grant.role not in self.permission.roles:
            raise forbidden(self._name)
        given = self._read(params)

        def answer() -> Awaitable[Any]:
            return self._handler(self._manager, call, given)

        if grant.everywhere:
            return await answer()
        try:
            return await self.permission.scope.through(grant, self._manager, given, answer)
        except OutOfScope as refusal:
            raise forbidden(self._name, refusal.name) from None


def _shortened(params: bytes) -> str:
    text = params.decode(errors="replace")
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}... ({len(params)} bytes)"
