"""Callers of a manager: one that is simple, and one that has its hand on the socket."""

import json
import select
import socket
import struct
import time
from collections.abc import Callable
from http.client import HTTPResponse
from typing import Any, Self
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError as NoAnswer

from jsonrpc_qm.errors import Unavailable

__all__ = ["NoAnswer", "RawCall", "Refused", "Rpc", "until", "until_heard_of"]


class Refused(Exception):
    """The manager has answered with an error."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error)
        self.code: int = error["code"]
        self.data: dict[str, Any] = error.get("data") or {}


def result_of(answer: Any) -> Any:
    """The result in a JSON-RPC answer; Refused for an error."""
    if "error" in answer:
        raise Refused(answer["error"])
    return answer["result"]


class Rpc:
    """Calls methods, on as many connections at once as there are threads that call.

    Raises NoAnswer when the connection fails, and Refused when the answer is an error.
    """

    def __init__(self, url: str, *, connections: int = 16, timeout: float = 30.0) -> None:
        self._pool = urllib3.connection_from_url(
            url, maxsize=connections, retries=False, timeout=timeout
        )

    def __call__(self, method: str, **params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = self._pool.request("POST", "/rpc", json=body)
        assert answer.status == 200, answer.data
        return result_of(answer.json())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.close()


class RawCall:
    """A call on a connection of its own, whose answer is read later or never."""

    def __init__(self, url: str, method: str, *, keep_alive: bool = True, **params: Any) -> None:
        parts = urlsplit(url)
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        connection = "keep-alive" if keep_alive else "close"
        request = (
            f"POST /rpc HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
            f"Connection: {connection}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        )
        self.socket = socket.create_connection((parts.hostname, parts.port))
        self.socket.sendall(request.encode())

    def is_answered(self) -> bool:
        """Whether there is something to read."""
        answer = select.poll()  # where select() takes no descriptor beyond 1023
        answer.register(self.socket, select.POLLIN)
        return bool(answer.poll(0))

    def answer(self, timeout: float = 30.0) -> Any:
        """The result, once it comes."""
        self.socket.settimeout(timeout)
        with HTTPResponse(self.socket) as response:
            response.begin()
            assert response.status == 200
            return result_of(json.load(response))

    def rest(self, timeout: float = 30.0) -> bytes:
        """All that comes until the manager closes the connection."""
        self.socket.settimeout(timeout)
        with self.socket.makefile("rb") as stream:
            return stream.read()

    def half_close(self) -> None:
        """Say that nothing more will be sent, and stay to read."""
        self.socket.shutdown(socket.SHUT_WR)

    def hang_up(self) -> None:
        """Close the connection."""
        self.socket.close()

    def reset(self) -> None:
        """Close the connection the hard way, as a crashed machine or a firewall does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


def until(happened: Callable[[], Any], *, within: float = 20.0) -> Any:
    """Ask again and again until something true comes back, and give that."""
    deadline = time.monotonic() + within
    while True:
        if answer := happened():
            return answer
        assert time.monotonic() < deadline, f"not within {within} seconds"
        time.sleep(0.01)


def until_heard_of(rpc: Rpc, *workers: str) -> None:
    """Wait until a call of each worker has arrived at the manager."""
    until(lambda: {row["worker"] for row in rpc("workers")}.issuperset(workers))


def works(rpc: Rpc, method: str, **params: Any) -> bool:
    """Whether a call is answered otherwise than as Unavailable."""
    try:
        rpc(method, **params)
    except Refused as refusal:
        if refusal.code == Unavailable.code:
            return False
        raise
    return True
