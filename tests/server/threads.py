"""A manager in a thread, and a caller without an event loop: for tests that are plain functions."""

import asyncio
import http.client
import json
import threading
from typing import Any, Self
from urllib.parse import urlsplit

from jsonrpc_qm.server.running import Settings, running
from jsonrpc_qm.storage.base import Storage
from tests.server.callers import JSON, Answer, request, result_of


class ManagerThread:
    """A manager that answers at `url` until the block ends."""

    def __init__(self, storage: Storage, settings: Settings | None = None) -> None:
        self._storage = storage
        self._settings = settings or Settings(port=0)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event
        self.url = ""

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        try:
            async with running(self._storage, self._settings) as self.url:
                self._ready.set()
                await self._stop.wait()
        finally:
            self._ready.set()

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        assert self.url, "the manager did not start"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._storage.close()


class PlainCaller:
    """Calls one manager on one connection."""

    def __init__(self, url: str) -> None:
        host = urlsplit(url)
        assert host.hostname is not None
        self.connection = http.client.HTTPConnection(host.hostname, host.port, timeout=30)

    def post(self, body: bytes | str) -> Answer:
        """Send a body as it is to /rpc."""
        data = body.encode() if isinstance(body, str) else body
        self.connection.request("POST", "/rpc", data, JSON)
        response = self.connection.getresponse()
        return Answer(response.status, dict(response.headers), response.read())

    def send(self, body: Any) -> Any:
        """Send a JSON value; the value that is answered, None for nothing."""
        answer = self.post(json.dumps(body))
        return None if answer.status == 204 else answer.json()

    def __call__(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """The result of a method."""
        return result_of(self.send(request(method, *args, **kwargs)))

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()
