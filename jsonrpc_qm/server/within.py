"""A manager's verbs for the other threads of its process."""

import asyncio
from contextlib import suppress
from typing import TypeVar

from jsonrpc_qm.client.calls import Call
from jsonrpc_qm.client.protocol import Endpoint, Reply, closed, read
from jsonrpc_qm.client.verbs import Verbs
from jsonrpc_qm.errors import Unavailable
from jsonrpc_qm.rpc.methods import Call as LocalCall
from jsonrpc_qm.server.app import RpcEndpoint

T = TypeVar("T")


class Within(Verbs):
    """Makes the calls that a Client would, and gets the same answers, without HTTP.

    So whoever is in the manager's process needs no token, certificate or connection.
    """

    def __init__(self, url: str, answers: RpcEndpoint, loop: asyncio.AbstractEventLoop) -> None:
        """`loop` is the manager's, in another thread; `url` is what errors call it by."""
        self._endpoint = Endpoint.of(url)
        self._answers = answers
        self._loop = loop
        self._closed = False
        self._under_way: set[asyncio.Task[bytes]] = set()

    def close(self) -> None:
        """Calls under way, or made later, raise QueueError; one that waits takes no task."""
        self._closed = True
        with suppress(RuntimeError):  # the loop has ended, and the calls with it
            self._loop.call_soon_threadsafe(self._cancel)

    def _send(self, call: Call[T]) -> T:
        answering = self._answer(call)
        try:
            answer = asyncio.run_coroutine_threadsafe(answering, self._loop).result()
        except RuntimeError as error:
            answering.close()
            raise Unavailable("the manager of this process has ended") from error
        return read(call, self._endpoint, Reply(200, {}, answer))

    async def _answer(self, call: Call[T]) -> bytes:
        if self._closed:
            raise closed()
        task = asyncio.current_task()
        assert task is not None
        self._under_way.add(task)
        try:
            return await self._answers.answer(call.body, LocalCall()) or b""
        except asyncio.CancelledError:
            raise closed() from None
        finally:
            self._under_way.discard(task)

    def _cancel(self) -> None:
        for task in self._under_way:
            task.cancel()
