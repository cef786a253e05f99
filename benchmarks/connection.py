"""HTTP/1.1 from the client's side with as little work as possible.

The load generator shares the cores with what it measures, so it parses no more than it needs: the
status, the length, the body. Requests are bytes that were built before.
"""

import asyncio
import re
import time
from collections.abc import Callable
from typing import cast

from benchmarks.processes import HOST, Broken

_LENGTH = re.compile(rb"\r\nContent-Length: (\d+)", re.IGNORECASE)
_OK = b"HTTP/1.1 200 "

START_SECONDS = 30.0
"""How long a server may take until it listens."""


class Connection(asyncio.Protocol):
    """One connection that is asked one thing at a time.

    `taken` gets the body of each answer, `failed` what went wrong; an answer that is not HTTP 200
    with a length is wrong.
    """

    def __init__(self, taken: Callable[[bytes], None], failed: Callable[[Exception], None]) -> None:
        self._taken = taken
        self._failed = failed
        self._parts: list[bytes] = []
        self._missing = 0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def send(self, request: bytes) -> None:
        """Send the next request; the answer before has been taken."""
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._missing:
            self._parts.append(data)
            self._missing -= len(data)
        else:
            self._begin(data)
        if not self._missing:
            body = b"".join(self._parts)
            self._parts.clear()
            self._taken(body)

    def _begin(self, data: bytes) -> None:
        """Read the head; aiohttp writes it in one piece."""
        head, found, body = data.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not found or length is None or not head.startswith(_OK):
            self._missing = 1
            self._failed(Broken(f"no answer to measure: {data[:500]!r}"))
            return
        self._parts.append(body)
        self._missing = int(length[1]) - len(body)

    def connection_lost(self, exc: Exception | None) -> None:
        self._failed(exc or ConnectionResetError("the server has closed the connection"))

    def close(self) -> None:
        """Close it; nothing is told any more."""
        self._failed = _nobody
        self._transport.close()


def _nobody(_: Exception) -> None:
    pass


async def connect(
    port: int, taken: Callable[[bytes], None], failed: Callable[[Exception], None]
) -> Connection:
    """Connect to a server on this machine."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(lambda: Connection(taken, failed), HOST, port)
    return connection


class Caller:
    """A connection for one coroutine: each call is awaited."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[bytes] = self._loop.create_future()
        self._answer.set_result(b"")
        self._connection: Connection
        self.answered_at = 0.0
        """When the last answer had come, by time.perf_counter."""

    @classmethod
    async def connected(cls, port: int, check: Callable[[], None] = lambda: None) -> "Caller":
        """Connect, waiting for a server that is about to listen; `check` raises when it is not."""
        caller = cls()
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                caller._connection = await connect(port, caller._taken, caller._broke)
            except OSError:
                check()
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.002)
            else:
                return caller

    def start(self, request: bytes) -> "asyncio.Future[bytes]":
        """Send a request; the future gets the body of the answer."""
        self._answer = self._loop.create_future()
        self._connection.send(request)
        return self._answer

    async def call(self, request: bytes, timeout: float = 60.0) -> bytes:
        """Send a request and wait for the body of its answer."""
        return await asyncio.wait_for(self.start(request), timeout)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _taken(self, body: bytes) -> None:
        self.answered_at = time.perf_counter()
        if not self._answer.done():
            self._answer.set_result(body)

    def _broke(self, error: Exception) -> None:
        if not self._answer.done():
            self._answer.set_exception(error)
