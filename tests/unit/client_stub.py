"""A manager of cardboard for the clients' tests: real sockets, canned answers, faults on demand."""

import asyncio
import json
import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any, Self

from jsonrpc_qm.client.aio import AsyncClient
from jsonrpc_qm.client.sync import Client

TASK = {
    "id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "name": "resize",
    "parameters": {"width": 2**70, "text": "Grüße 🚀"},
    "result": None,
    "status": "started",
    "error": None,
    "priority": 3,
    "attempts": 1,
    "max_attempts": 5,
    "lost": 0,
    "max_lost": 3,
    "run_at": "2026-03-01T10:00:00.000001Z",
    "progress": None,
    "worker": "w1",
    "lease_expires_at": "2026-03-01T10:01:00.000000Z",
    "cancel_requested": False,
    "unique_key": None,
    "metadata": {"traceparent": "00-1"},
    "created_at": "2026-03-01T09:00:00.000000Z",
    "updated_at": "2026-03-01T10:00:00.000000Z",
    "started_at": "2026-03-01T10:00:00.000000Z",
    "finished_at": None,
    "token": 7,
}
"""A claimed task as it looks on the wire."""


@dataclass
class Received:
    """A request that arrived."""

    path: str
    headers: dict[str, str]
    body: bytes
    port: int
    """Of the client: the same for all requests of one connection."""
    call: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.call = json.loads(self.body)

    @property
    def params(self) -> Any:
        return self.call["params"]


Play = Callable[["_Handler", Received], None]
"""What the manager does with a request."""


class FakeManager:
    """Listens on a port of its own; plays its script, then `usual` for ever."""

    def __init__(self, port: int = 0) -> None:
        self.requests: list[Received] = []
        self.script: deque[Play] = deque()
        self.usual: Play = result(TASK)
        self._server = ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,))

    def will(self, *plays: Play) -> Self:
        """Play these first."""
        self.script.extend(plays)
        return self

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, manager: FakeManager, *args: Any) -> None:
        self._manager = manager
        super().__init__(*args)

    def do_POST(self) -> None:
        manager = self._manager
        body = self.rfile.read(int(self.headers["Content-Length"]))
        received = Received(self.path, dict(self.headers), body, self.client_address[1])
        manager.requests.append(received)
        play = manager.script.popleft() if manager.script else manager.usual
        play(self, received)

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def result(value: Any) -> Play:
    """Answer a result."""
    return body(json.dumps({"jsonrpc": "2.0", "result": value, "id": 1}).encode())


def error(code: int, message: str, data: Any = None) -> Play:
    """Answer a JSON-RPC error."""
    said = {"code": code, "message": message, "data": data}
    return body(json.dumps({"jsonrpc": "2.0", "error": said, "id": 1}).encode())


def body(content: bytes, status: int = 200, **headers: str) -> Play:
    """Answer these bytes."""
    return lambda handler, _: handler.answer(status, content, **headers)


def status(code: int, **headers: str) -> Play:
    """Answer a fault of HTTP, as a proxy would."""
    return body(b"<html><h1>a proxy's page</h1></html>", code, **headers)


def chunked(value: Any, size: int) -> Play:
    """Answer a result in chunks of so many bytes."""
    content = json.dumps({"jsonrpc": "2.0", "result": value, "id": 1}).encode()

    def play(handler: _Handler, _: Received) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for start in range(0, len(content), size):
            chunk = content[start : start + size]
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        handler.wfile.write(b"0\r\n\r\n")

    return play


def hang_up(handler: _Handler, _: Received) -> None:
    """Close the connection without an answer."""
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def break_off(handler: _Handler, _: Received) -> None:
    """Promise 1000 bytes, send 12, close the connection."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"jsonrpc":"')
    hang_up(handler, _)


def not_http(handler: _Handler, _: Received) -> None:
    """Answer in another language."""
    handler.wfile.write(b"-ERR unknown command\r\n")
    hang_up(handler, _)


class LongPoll:
    """A play that answers nothing until the client has hung up, and says when."""

    def __init__(self) -> None:
        self.began = Event()
        self.gone = Event()

    def __call__(self, handler: _Handler, _: Received) -> None:
        self.began.set()
        with suppress(OSError):
            handler.connection.recv(1)  # returns when the client's side is closed
        self.gone.set()
        handler.close_connection = True


class SyncCaller:
    """Calls the verbs of a Client."""

    kind = "Client"

    def __init__(self, url: str | None, **options: Any) -> None:
        self.client = Client(url, **options)

    def do(self, verb: str, *args: Any, **options: Any) -> Any:
        return getattr(self.client, verb)(*args, **options)

    def close(self) -> None:
        self.client.close()


class AsyncCaller:
    """Calls the verbs of an AsyncClient, in a loop of its own."""

    kind = "AsyncClient"

    def __init__(self, url: str | None, **options: Any) -> None:
        self._runner = asyncio.Runner()
        self.client = AsyncClient(url, **options)

    def do(self, verb: str, *args: Any, **options: Any) -> Any:
        async def call() -> Any:
            return await getattr(self.client, verb)(*args, **options)

        return self._runner.run(call())

    def close(self) -> None:
        self._runner.run(self.client.close())
        self._runner.close()


Caller = SyncCaller | AsyncCaller


Connect = Callable[..., Caller]
"""Makes a client by its URL and options."""
