"""A stream of server-sent events that says when something has changed, and not what."""

import asyncio

from aiohttp import hdrs, web

from jsonrpc_qm.server.service import Service

MOST_STREAMS = 100
"""How many may be open; each is a page that somebody looks at."""

PAUSE = 0.25
"""Seconds from one event to the next; what changes meanwhile is told by one."""

SILENCE = 15.0
"""Seconds after which a comment shows that the connection still stands."""

CHANGED = b"event: changed\ndata: {}\n\n"
COMMENT = b": nothing new\n\n"
HEADERS = {
    hdrs.CONTENT_TYPE: "text/event-stream",
    hdrs.CACHE_CONTROL: "no-store",
    # nginx would gather the events, and pass them on by the kilobyte.
    "X-Accel-Buffering": "no",
}


class Events:
    """Answers `GET /events`, to at most MOST_STREAMS pages at a time."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._open: set[asyncio.Event] = set()
        self._closed = False

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if self._closed or len(self._open) >= MOST_STREAMS:
            return web.Response(status=503, headers={hdrs.RETRY_AFTER: "5"})
        news = asyncio.Event()
        self._open.add(news)
        self._service.observers.add(news.set)
        try:
            return await self._tell(request, news)
        finally:
            self._open.discard(news)
            self._service.observers.discard(news.set)

    async def _tell(self, request: web.Request, news: asyncio.Event) -> web.StreamResponse:
        response = web.StreamResponse(headers=HEADERS)
        await response.prepare(request)
        # A page that opens the stream looks by itself; this only gets the head through proxies.
        await response.write(COMMENT)
        while not self._closed:
            try:
                async with asyncio.timeout(SILENCE):
                    await news.wait()
            except TimeoutError:
                await response.write(COMMENT)
                continue
            news.clear()
            if not self._closed:
                await response.write(CHANGED)
                await asyncio.sleep(PAUSE)
        return response

    def close(self) -> None:
        """End all streams; their pages come back when the manager does."""
        self._closed = True
        for news in self._open:
            news.set()
