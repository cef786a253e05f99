"""Reads the bodies of requests: none that is too large, too slow, or one of too many at a time."""

import asyncio

from aiohttp import web

from jsonrpc_qm.server.limits import COME_BACK_AFTER

PATIENCE = 30.0
"""Seconds that a body may take, besides the time that it has by its size."""

SLOWEST = 16 * 1024
"""Bytes a second at which a body must come in."""

AT_A_TIME = 16
"""Bodies of the largest size that may be on their way at a time, or more of smaller ones."""


class Bodies:
    """The bodies that are coming in."""

    def __init__(self) -> None:
        self._coming = 0
        """Bytes of bodies that are not complete."""

    async def read(self, request: web.Request) -> bytes | web.Response:
        """The body, or what to answer instead of reading it to its end.

        Raises:
            HTTPRequestEntityTooLarge: it is too large.
        """
        try:
            # Nearly always it has arrived together with the head, and needs no waiting.
            if not request.content.is_eof():
                return await self._read_slowly(request)
            body = request.content.read_nowait()
        except web.RequestPayloadError:
            return _closing(400, "the body is not what Content-Encoding or its length say")
        _check_size(request, len(body))
        return body

    async def _read_slowly(self, request: web.Request) -> bytes | web.Response:
        body = bytearray()
        try:
            async with asyncio.timeout(PATIENCE) as patience:
                while part := await request.content.readany():
                    body += part
                    self._coming += len(part)
                    _check_size(request, len(body))
                    if self._coming > AT_A_TIME * request.client_max_size:
                        return _turned_away(503, "too many bodies at a time")
                    until = patience.when()
                    assert until is not None
                    patience.reschedule(until + len(part) / SLOWEST)
        except TimeoutError:
            return _turned_away(408, "the body takes too long")
        finally:
            self._coming -= len(body)
        return bytes(body)


def _check_size(request: web.Request, size: int) -> None:
    if size > request.client_max_size:
        raise web.HTTPRequestEntityTooLarge(request.client_max_size, size)


def _turned_away(status: int, reason: str) -> web.Response:
    response = _closing(status, reason)
    response.headers["Retry-After"] = f"{COME_BACK_AFTER:.0f}"
    return response


def _closing(status: int, reason: str) -> web.Response:
    """What is answered before the connection is closed: nobody knows where the body ends."""
    response = web.json_response({"error": reason}, status=status)
    response.force_close()
    return response
