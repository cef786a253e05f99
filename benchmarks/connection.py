"""HTTP/1.1 from the client's side with as little work as possible.

The load generator shares the cores with what it measures, so it parses no more than it needs: the
status, the length, the body. Requests are bytes that were built before.
"""

import re
import socket
import time
from collections.abc import Callable

from benchmarks.processes import HOST, Broken

_LENGTH = re.compile(rb"\r\nContent-Length: (\d+)", re.IGNORECASE)
_OK = b"HTTP/1.1 200 "

START_SECONDS = 30.0
"""How long a server may take until it listens."""

ANSWER_SECONDS = 60.0
"""How long an answer may take; longer than any long poll."""

_PIECE = 512 * 1024


class Connection:
    """One connection that is asked one thing at a time.

    `limit` is how many seconds a read may take; None spares a system call where something else
    keeps the time.
    """

    def __init__(self, port: int, limit: float | None = ANSWER_SECONDS) -> None:
        self._socket = socket.create_connection((HOST, port))
        self._socket.settimeout(limit)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._parts: list[bytes] = []
        self._missing = 0

    def fileno(self) -> int:
        """For select and epoll."""
        return self._socket.fileno()

    def send(self, request: bytes) -> None:
        """Send a request; the answer to the one before has been read."""
        self._socket.sendall(request)

    def read(self) -> bytes | None:
        """Read what there is, waiting for something; the answer's body once it is complete."""
        data = self._socket.recv(_PIECE)
        if self._missing:
            if not data:
                raise Broken("the server has closed the connection in an answer")
            self._parts.append(data)
            self._missing -= len(data)
            if self._missing:
                return None
            body = b"".join(self._parts)
            self._parts.clear()
            return body
        # aiohttp writes the head in one piece.
        head, found, body = data.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not found or length is None or not head.startswith(_OK):
            raise Broken(f"no answer to measure: {data[:500]!r}")
        self._missing = int(length[1]) - len(body)
        if not self._missing:
            return body
        self._parts.append(body)
        return None

    def answer(self) -> bytes:
        """The body of the answer, waited for."""
        while (body := self.read()) is None:
            pass
        return body

    def call(self, request: bytes) -> bytes:
        """Send a request and wait for the body of its answer."""
        self.send(request)
        return self.answer()

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def connected(port: int, check: Callable[[], None]) -> Connection:
    """Connect to a server that is about to listen; `check` raises when it will not."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return Connection(port)
        except OSError:
            check()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.002)
