"""Lets requests in, or turns them away with HTTP's own codes: foreign pages, missing tokens."""

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from jsonrpc_qm.access.grants import Grant, Role
from jsonrpc_qm.server.access import Access, Hosts
from jsonrpc_qm.server.metrics_endpoint import METRICS_PATH
from jsonrpc_qm.server.refusals import Refusals

COOKIE = "jsonrpc-qm"
"""Holds the token of a browser that has signed in."""

READERS = frozenset({Role.OPERATOR, Role.ADMIN})
"""Whose tokens open what is not in OPEN_PATHS and is no method."""

OPEN_PATHS = frozenset({"/", "/health", "/ready", "/sign-in", "/sign-out"})
"""What needs no token, for it tells nothing of tasks."""

OPEN_FOLDER = "/page/"
"""The scripts and styles of the dashboard, which need none either."""

SECURITY_HEADERS = {
    # No script, style or picture of anybody else's, and none that stands in the page itself: a
    # task's text can't become a program, whatever the page does with it.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""What browsers are told with everything but the answers of methods."""

_KNOWN_HOSTS = 100
"""How many Host headers are remembered."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def fault(status: int, reason: str, **headers: str) -> web.Response:
    """An answer with one of HTTP's own codes."""
    return web.json_response({"error": reason}, status=status, headers=headers)


class TurnedAway(Exception):
    """The request is not let in; `response` says why."""

    def __init__(self, status: int, reason: str, **headers: str) -> None:
        super().__init__(reason)
        self.response = fault(status, reason, **headers)


class Door:
    """Who may come in."""

    def __init__(self, access: Access, hosts: Hosts) -> None:
        self._access = access
        self._hosts = hosts
        self._known: set[str] = set()
        self._refusals = Refusals()

    def admit(self, request: web.Request) -> Grant | None:
        """What the caller may do; None when there are no tokens, and all may do everything.

        A bearer token is something that no browser sends by itself, so with one the Host does not
        matter. Without, a browser may have been made to send the request.

        Raises:
            TurnedAway: by its origin or host, or for want of a token that is good.
        """
        headers = request.headers
        self.check_origin(request)
        if not self._access.has_tokens:
            self.check_host(request)
            return None
        said = headers.get(hdrs.AUTHORIZATION)
        if said is not None:
            scheme, _, token = said.partition(" ")
            if scheme.lower() != "bearer":
                raise _unauthorized("this manager wants a bearer token")
            return self.grant_of(token.strip(), request)
        cookie = request.cookies.get(COOKIE) if hdrs.COOKIE in headers else None
        if cookie is None:
            raise _unauthorized("this manager wants a bearer token")
        self.check_host(request)
        return self.grant_of(cookie, request)

    def grant_of(self, token: str, request: web.Request, what: str = "a request") -> Grant:
        """What a token allows; TurnedAway, and a line in the log, when it is not known."""
        grant = self._access.grant_of(token)
        if grant is None:
            self._refusals.tell(request.remote, what)
            raise _unauthorized("this token is not known", error="invalid_token")
        return grant

    def check_origin(self, request: web.Request) -> None:
        """Turn away what a page of another origin sends."""
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is not None and not _is_of(origin, request.headers.get(hdrs.HOST)):
            raise TurnedAway(403, "a page of another origin may not call this manager")

    def check_host(self, request: web.Request) -> None:
        """Turn away what was sent to a name that is none of this manager's."""
        host = request.headers.get(hdrs.HOST)
        # Browsers send one; what does not, speaks HTTP/1.0 by hand.
        if host is None or host in self._known:
            return
        if not self._hosts.know(host):
            name = ascii(host.partition(":")[0])
            raise TurnedAway(403, f"{name} is no name of this manager: see --public-host")
        if len(self._known) < _KNOWN_HOSTS:
            self._known.add(host)

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """A middleware for what the router finds; calls of methods ask by themselves."""
        try:
            self._let_in(request)
            return await handler(request)
        except TurnedAway as refusal:
            return refusal.response

    def _let_in(self, request: web.Request) -> None:
        if request.path in OPEN_PATHS or request.path.startswith(OPEN_FOLDER):
            return
        grant = self.admit(request)
        if grant is None:
            return
        if grant.role not in READERS:
            raise TurnedAway(403, f"the role {grant.role} does not allow {request.path}")
        if request.path == METRICS_PATH and not grant.everywhere:
            raise TurnedAway(403, f"{METRICS_PATH} tells of all names, beyond this token's")


def _is_of(origin: str, host: str | None) -> bool:
    try:
        return urlsplit(origin).netloc == host
    except ValueError:
        return False


def _unauthorized(reason: str, *, error: str = "") -> TurnedAway:
    # RFC 6750, 3.1: no error code when there was no token.
    challenge = 'Bearer realm="jsonrpc-qm"' + (f', error="{error}"' if error else "")
    return TurnedAway(401, reason, **{hdrs.WWW_AUTHENTICATE: challenge})


async def add_security_headers(request: web.Request, response: web.StreamResponse) -> None:
    """For `on_response_prepare`: what a response says itself stays."""
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
