"""How many connections there may be, and how long one may take to say what it wants."""

import asyncio
import logging

from aiohttp import web

from jsonrpc_qm.server.limits import COME_BACK_AFTER, Limits, Share

logger = logging.getLogger("jsonrpc_qm.server")

FIRST_REQUEST_SECONDS = 20.0
"""How long a new connection may take until the head of its first request is there."""

IDLE_SECONDS = 90.0
"""How long a connection may take from one answer to the head of the next request: longer than
proxies keep theirs."""

SENT_AWAY = 200
"""Connections beyond the limit that are heard, to be told so; more are closed at once."""

LOOK_EVERY = 1.0
"""Seconds between two looks for connections that take too long."""


WARN_EVERY = 60.0
"""Seconds between two warnings that there are too many connections."""


class Connections:
    """The connections of a manager.

    One too many is still heard: its first request is answered with HTTP 503, which says more than a
    closed connection, and then it is closed.
    """

    def __init__(self, limits: Limits) -> None:
        self._share = Share(limits.max_connections, limits.max_connections_per_client)
        self._clients: dict[web.RequestHandler, str] = {}
        self._sent_away: set[web.RequestHandler] = set()
        self._silent: dict[web.RequestHandler, tuple[float, asyncio.Transport]] = {}
        """Those that have not sent a request yet, and until when they may take, oldest first."""
        self._timer: asyncio.TimerHandle | None = None
        self._warned_at = -WARN_EVERY

    def watch(self, server: web.Server) -> None:
        """Have the server tell of each connection that comes and goes."""
        made, lost = server.connection_made, server.connection_lost

        def connection_made(handler: web.RequestHandler, transport: asyncio.Transport) -> None:
            made(handler, transport)
            self._opened(handler, transport)

        def connection_lost(handler: web.RequestHandler, exc: BaseException | None = None) -> None:
            self._closed(handler)
            lost(handler, exc)

        # aiohttp has no place to ask it to do so: its server is made by its runner.
        server.connection_made = connection_made  # type: ignore[method-assign]
        server.connection_lost = connection_lost  # type: ignore[method-assign]

    def refusal(self, request: web.BaseRequest) -> web.Response | None:
        """What to answer to a request on a connection that is one too many; None for all others."""
        handler = request.protocol
        if self._silent:
            self._silent.pop(handler, None)
        if not self._sent_away or handler not in self._sent_away:
            return None
        response = web.json_response({"error": "too many connections"}, status=503)
        response.headers["Retry-After"] = f"{COME_BACK_AFTER:.0f}"
        response.force_close()
        return response

    def close(self) -> None:
        """Stop looking."""
        if self._timer is not None:
            self._timer.cancel()

    def _opened(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        peer = transport.get_extra_info("peername")
        client = str(peer[0]) if peer else ""
        if self._share.has_room(client):
            self._share.take(client)
            self._clients[handler] = client
        else:
            self._warn(client)
            if len(self._sent_away) >= SENT_AWAY:
                transport.abort()
                return
            self._sent_away.add(handler)
        loop = asyncio.get_running_loop()
        self._silent[handler] = (loop.time() + FIRST_REQUEST_SECONDS, transport)
        if self._timer is None:
            self._timer = loop.call_later(LOOK_EVERY, self._look)

    def _closed(self, handler: web.RequestHandler) -> None:
        self._silent.pop(handler, None)
        self._sent_away.discard(handler)
        client = self._clients.pop(handler, None)
        if client is not None:
            self._share.give_back(client)

    def _look(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        for handler, (until, transport) in list(self._silent.items()):
            if until > now:
                break
            del self._silent[handler]
            transport.close()
        if self._silent:
            self._timer = loop.call_later(LOOK_EVERY, self._look)

    def _warn(self, client: str) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._warned_at >= WARN_EVERY:
            self._warned_at = now
            logger.warning("too many connections, the last from %s: more are sent away", client)
