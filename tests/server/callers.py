"""Calls a manager over HTTP and says what came back: for tests that run in the manager's loop."""

import asyncio
import io
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

import aiohttp

JSON = {"Content-Type": "application/json"}


class Answer(NamedTuple):
    """What HTTP brought back."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body's value."""
        return json.loads(self.body)


class Refused(Exception):
    """The answer was a JSON-RPC error."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error)
        self.code: int = error["code"]
        self.message: str = error["message"]
        self.data: Any = error.get("data")


def request(method: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
    """A request object, with positional params or named ones; without params for none."""
    assert not (args and kwargs)
    body: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": method}
    if args or kwargs:
        body["params"] = args or kwargs
    return body


def result_of(answer: dict[str, Any]) -> Any:
    """The result in a response object; Refused for an error."""
    if "error" in answer:
        raise Refused(answer["error"])
    return answer["result"]


class Caller:
    """Calls one manager."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url

    async def post(self, body: bytes | str, **headers: str) -> Answer:
        """Send a body as it is to /rpc."""
        data = body.encode() if isinstance(body, str) else body
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.post(
            self.url + "/rpc", data=io.BytesIO(data), headers={**JSON, **given}
        ) as response:
            return Answer(response.status, dict(response.headers), await response.read())

    async def send(self, body: Any) -> Any:
        """Send a JSON value; the value that is answered, None for nothing."""
        answer = await self.post(json.dumps(body))
        if answer.status == 204:
            assert answer.body == b""
            return None
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("application/json")
        return answer.json()

    async def __call__(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """The result of a method."""
        return result_of(await self.send(request(method, *args, **kwargs)))


async def until(happened: Callable[[], Any]) -> None:
    """Look again and again until it is so."""
    async with asyncio.timeout(10):
        while not happened():
            await asyncio.sleep(0.001)


async def settled(call: Caller, id: str, *, status: str) -> dict[str, Any]:
    """The task, once it has come to a state."""
    async with asyncio.timeout(10):
        while True:
            task: dict[str, Any] = await call("get_task", id)
            if task["status"] == status:
                return task
            await asyncio.sleep(0.005)


def seconds_between(early: str, late: str) -> float:
    """Seconds from one time to another."""
    return (datetime.fromisoformat(late) - datetime.fromisoformat(early)).total_seconds()
