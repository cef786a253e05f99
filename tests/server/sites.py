"""A manager with tokens, and who calls it with them."""

from typing import Any

from jsonrpc_qm.access.grants import Role
from jsonrpc_qm.access.tokens import new_token
from tests.server.callers import request
from tests.server.plain import PlainCaller

FORBIDDEN = -32007


class Site:
    """A manager with tokens, and a caller for each."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._callers: dict[tuple[Role, tuple[str, ...]], PlainCaller] = {}

    def token(self, role: Role, *names: str) -> str:
        """A token that the manager knows, for all names unless some are given."""
        return TOKENS[role, names]

    def bearer(self, role: Role, *names: str) -> PlainCaller:
        """Calls with such a token."""
        key = (role, names)
        if key not in self._callers:
            self._callers[key] = PlainCaller(self.url, token=self.token(role, *names))
        return self._callers[key]

    def close(self) -> None:
        for caller in self._callers.values():
            caller.close()


CONFINED = ("mail", "reports.*")
"""The names of tokens that do not reach to all."""

MADE = {
    (role, names): new_token(role, names or ("*",))
    for role in Role
    for names in ((), CONFINED, ("mail",))
}
TOKENS = {key: token for key, (token, _) in MADE.items()}


def refused_name(caller: PlainCaller, method: str, **params: Any) -> str | None:
    """The name that a call is Forbidden for."""
    error = caller.send(request(method, **params))["error"]
    assert (error["code"], error["message"]) == (FORBIDDEN, "Forbidden")
    assert error["data"].pop("method") == method
    name: str | None = error["data"].pop("name", None)
    assert error["data"] == {}
    return name
