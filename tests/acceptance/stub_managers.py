"""A manager that has one task, and answers its outcome or doesn't, as a test likes."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reaction = Callable[[int], bool]
"""Gets the number of the call that brings the outcome, from 1 on; whether to answer it."""


class StubManager(ThreadingHTTPServer):
    """Listens on a free port from the start."""

    daemon_threads = True

    def __init__(self, task: dict[str, Any], reaction: Reaction) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.outcomes: list[dict[str, Any]] = []
        self.claims = 0
        self._task = task
        self._reaction = reaction
        self._ended = threading.Event()

    def answer(self, method: str, params: dict[str, Any]) -> Any:
        """The result of a call; None if there is to be no answer."""
        if method == "claim":
            self.claims += 1
            if self.claims == 1:
                return [self._task]
            self._ended.wait(params.get("wait", 20))
            return []
        if method == "heartbeat":
            return {"leases": [], "drain": False}
        self.outcomes.append({"method": method, **params})
        return self._task if self._reaction(len(self.outcomes)) else None

    def close(self) -> None:
        """End what waits."""
        self._ended.set()


class _Handler(BaseHTTPRequestHandler):
    server: StubManager

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        result = self.server.answer(request["method"], request["params"])
        if result is None:
            return  # and the connection ends without a word
        body = json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(BrokenPipeError):  # a claim that waited, and whose worker has ended
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def stub_manager(task: dict[str, Any], reaction: Reaction) -> Iterator[StubManager]:
    """One that listens while the block runs."""
    with StubManager(task, reaction) as stub:
        thread = threading.Thread(target=stub.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield stub
        finally:
            stub.close()
            stub.shutdown()
            thread.join()
