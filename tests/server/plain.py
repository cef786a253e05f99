"""Calls a manager without an event loop: for tests that are plain functions."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

from tests.server.callers import JSON, Answer, request, result_of


class PlainCaller:
    """Calls one manager on one connection."""

    def __init__(self, url: str, *, token: str | None = None) -> None:
        self._headers = JSON if token is None else {**JSON, "Authorization": f"Bearer {token}"}
        self.url = url
        host = urlsplit(url)
        assert host.hostname is not None
        self.connection = http.client.HTTPConnection(host.hostname, host.port, timeout=30)

    def post(self, body: bytes | str, path: str = "/rpc", **headers: str) -> Answer:
        """Send a body as it is, to /rpc if nothing else is said."""
        data = body.encode() if isinstance(body, str) else body
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request("POST", path, data, {**self._headers, **given})
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
