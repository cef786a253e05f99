"""Browsers sign in with a token, and get it back as a cookie that no script can read.

The cookie is the token itself, so it is good at every manager that knows the token and after each
restart, and ends when the token is revoked, with nothing to keep on this side.
"""

from typing import Any

import msgspec
from aiohttp import hdrs, web

from jsonrpc_qm.rpc.guard import audit
from jsonrpc_qm.server.door import COOKIE, Door, TurnedAway

SIGNED_IN_FOR = 12 * 3600
"""Seconds after which a browser forgets the cookie."""

LARGEST = 4096
"""Bytes of the body."""


class _SignIn(msgspec.Struct):
    token: str


_sign_in = msgspec.json.Decoder(_SignIn).decode


class SignIn:
    """Answers `POST /sign-in` and `POST /sign-out`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def add_to(self, app: web.Application) -> None:
        """Have the app answer them."""
        app.router.add_post("/sign-in", self.sign_in)
        app.router.add_post("/sign-out", self.sign_out)

    async def sign_in(self, request: web.Request) -> web.Response:
        """From `{"token": ...}` to the cookie, and what the token allows."""
        self._check(request)
        token = await _token(request)
        grant = self._door.grant_of(token, request, "sign-in")
        audit.info("%s %s at %s: sign-in: done", grant.role, grant.id, request.remote)
        response = web.json_response({"id": grant.id, "role": grant.role, "names": grant.names})
        response.set_cookie(COOKIE, token, max_age=SIGNED_IN_FOR, **_rules(request))
        return response

    async def sign_out(self, request: web.Request) -> web.Response:
        """Have the browser forget the cookie."""
        self._check(request)
        response = web.Response(status=204)
        response.del_cookie(COOKIE, **_rules(request))
        return response

    def _check(self, request: web.Request) -> None:
        # A page of another origin can't send this type without being asked for its origin.
        if request.content_type != "application/json":
            raise TurnedAway(415, "send Content-Type: application/json")
        self._door.check_origin(request)
        self._door.check_host(request)


async def _token(request: web.Request) -> str:
    body = b""
    async for part in request.content.iter_chunked(LARGEST):
        body += part
        if len(body) > LARGEST:
            raise TurnedAway(413, f"a token has no more than {LARGEST} bytes")
    try:
        return _sign_in(body).token.strip()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise TurnedAway(400, 'send {"token": "..."}') from None


def _rules(request: web.Request) -> dict[str, Any]:
    # Behind a proxy that speaks TLS only the browser's own word tells that it did.
    over_tls = request.secure or request.headers.get(hdrs.ORIGIN, "").startswith("https:")
    return {"httponly": True, "samesite": "Strict", "secure": over_tls}
