"""The client for asyncio."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime
from io import BytesIO
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

from jsonrpc_qm.answers import (
    Explanation,
    HeartbeatAnswer,
    Rates,
    ReportAnswer,
    TaskPage,
    TaskTransition,
    WorkerInfo,
)
from jsonrpc_qm.client import calls
from jsonrpc_qm.client.calls import Call, Which
from jsonrpc_qm.client.credentials import Credentials
from jsonrpc_qm.client.protocol import (
    Endpoint,
    Reply,
    answer_lost,
    closed,
    endpoints_of,
    read,
    reason_of,
    unreachable,
    untrusted,
)
from jsonrpc_qm.client.retrying import Retrying
from jsonrpc_qm.client.waiting import not_in_time, result_of, waits
from jsonrpc_qm.errors import QueueError, Unavailable
from jsonrpc_qm.retry import Backoff
from jsonrpc_qm.task import ClaimedTask, Task

if TYPE_CHECKING:
    from aiohttp import ClientSession

T = TypeVar("T")

LARGE_BODY = 2**20
"""From this many bytes on, aiohttp wants a file to send in parts, so that the loop goes on."""


class AsyncClient:
    """A manager's verbs over HTTP, for the tasks of one event loop.

    All is as with `Client`, and each verb is described there; here they are awaited. Cancelling one
    closes its connection, so that a long poll ends without taking a task.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        timeout: float = 10.0,
        retry_for: float = 30.0,
        connections: int = 32,
        token: str | None = None,
        tls_ca: str | None = None,
        tls_cert: str | None = None,
        tls_key: str | None = None,
    ) -> None:
        """Nothing is sent yet; the first call binds it to its event loop.

        Args:
            url: as with `Client`.
            timeout: as with `Client`.
            retry_for: as with `Client`.
            connections: how many calls may be under way at once, long polls not counted; others
                wait for their turn.
            token: as with `Client`, and so are the files for TLS.

        Raises:
            InvalidParams: the URL is none, or a file can't be used.
        """
        credentials = Credentials(token=token, tls_ca=tls_ca, tls_cert=tls_cert, tls_key=tls_key)
        self._endpoints = endpoints_of(url, credentials.token_or_default())
        self._tls = credentials.context()
        self._place = 0
        """Which of them is called."""
        self._timeout = timeout
        self._retry_for = retry_for
        self._turn = asyncio.Semaphore(connections)
        self._closed = False
        self._session: ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def queue(
        self,
        name: str,
        parameters: Any = None,
        *,
        priority: int | None = None,
        delay: float | None = None,
        run_at: datetime | None = None,
        max_attempts: int | None = None,
        max_lost: int | None = None,
        lease: float | None = None,
        timeout: float | None = None,
        expires_in: float | None = None,
        backoff: Backoff | None = None,
        unique_key: str | None = None,
        id: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Task:
        """As `Client.queue`."""
        return await self._send(
            calls.queue(
                name,
                parameters,
                priority=priority,
                delay=delay,
                run_at=run_at,
                max_attempts=max_attempts,
                max_lost=max_lost,
                lease=lease,
                timeout=timeout,
                expires_in=expires_in,
                backoff=backoff,
                unique_key=unique_key,
                id=id,
                metadata=metadata,
            )
        )

    async def queue_many(self, tasks: Sequence[Mapping[str, Any]]) -> list[Task]:
        """As `Client.queue_many`."""
        return await self._send(calls.queue_many(tasks))

    async def get_task(self, id: str, *, wait: float = 0.0) -> Task:
        """As `Client.get_task`."""
        return await self._send(calls.get_task(id, wait))

    async def result(self, id: str, *, timeout: float | None = None) -> Any:
        """As `Client.result`."""
        for wait in waits(timeout):
            task = await self.get_task(id, wait=wait)
            if task.finished:
                return result_of(task)
        raise not_in_time(id, timeout)

    async def list_tasks(
        self,
        *,
        name: str | None = None,
        status: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
        query: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> TaskPage:
        """As `Client.list_tasks`."""
        which = {"name": name, "status": status, "query": query, "since": since, "until": until}
        return await self._send(calls.list_tasks(limit=limit, cursor=cursor, **which))

    async def history(self, id: str) -> list[TaskTransition]:
        """As `Client.history`."""
        return await self._send(calls.history(id))

    async def explain(self, id: str) -> Explanation:
        """As `Client.explain`."""
        return await self._send(calls.explain(id))

    async def cancel(self, id: str) -> Task:
        """As `Client.cancel`."""
        return await self._send(calls.cancel(id))

    async def retry(self, id: str) -> Task:
        """As `Client.retry`."""
        return await self._send(calls.retry(id))

    async def delete_task(self, id: str) -> bool:
        """As `Client.delete_task`."""
        return await self._send(calls.delete_task(id))

    async def claim(
        self,
        names: Sequence[str],
        *,
        worker: str | None = None,
        max_tasks: int = 1,
        wait: float = 20.0,
        lease: float | None = None,
    ) -> list[ClaimedTask]:
        """As `Client.claim`."""
        return await self._send(
            calls.claim(names, worker=worker, max_tasks=max_tasks, wait=wait, lease=lease)
        )

    async def heartbeat(
        self, leases: Sequence[Mapping[str, Any]], *, worker: str | None = None
    ) -> HeartbeatAnswer:
        """As `Client.heartbeat`."""
        return await self._send(calls.heartbeat(leases, worker))

    async def complete(
        self,
        id: str,
        token: int,
        *,
        result: Any = None,
        queue: Sequence[Mapping[str, Any]] = (),
    ) -> Task:
        """As `Client.complete`."""
        return await self._send(calls.complete(id, token, result, queue))

    async def fail(
        self,
        id: str,
        token: int,
        error: Mapping[str, Any],
        *,
        retry: bool = True,
        delay: float | None = None,
    ) -> Task:
        """As `Client.fail`."""
        return await self._send(calls.fail(id, token, error, retry=retry, delay=delay))

    async def release(self, id: str, token: int, *, delay: float | None = None) -> Task:
        """As `Client.release`."""
        return await self._send(calls.release(id, token, delay))

    async def report(
        self,
        outcomes: Sequence[Mapping[str, Any]],
        *,
        names: Sequence[str] | None = None,
        worker: str | None = None,
        max_tasks: int = 1,
        lease: float | None = None,
    ) -> ReportAnswer:
        """As `Client.report`."""
        options = {"names": names, "worker": worker, "max_tasks": max_tasks, "lease": lease}
        return await self._send(calls.report(outcomes, **options))

    async def stats(self) -> dict[str, Any]:
        """As `Client.stats`."""
        return await self._send(calls.stats())

    async def rates(self, name: str | None = None) -> Rates:
        """As `Client.rates`."""
        return await self._send(calls.rates(name))

    async def workers(self) -> list[WorkerInfo]:
        """As `Client.workers`."""
        return await self._send(calls.workers())

    async def drain(self, worker: str) -> bool:
        """As `Client.drain`."""
        return await self._send(calls.drain(worker))

    async def pause(self, name: str) -> bool:
        """As `Client.pause`."""
        return await self._send(calls.pause(name))

    async def resume(self, name: str) -> bool:
        """As `Client.resume`."""
        return await self._send(calls.resume(name))

    async def retry_many(self, **which: Unpack[Which]) -> int:
        """As `Client.retry_many`."""
        return await self._send(calls.change_many("retry_many", which))

    async def cancel_many(self, **which: Unpack[Which]) -> int:
        """As `Client.cancel_many`."""
        return await self._send(calls.change_many("cancel_many", which))

    async def delete_many(self, **which: Unpack[Which]) -> int:
        """As `Client.delete_many`."""
        return await self._send(calls.change_many("delete_many", which))

    async def purge(
        self,
        *,
        name: str | None = None,
        status: str | None = None,
        older_than: float | None = None,
    ) -> int:
        """As `Client.purge`."""
        return await self._send(calls.purge(name=name, status=status, older_than=older_than))

    async def discover(self) -> dict[str, Any]:
        """As `Client.discover`."""
        return await self._send(calls.discover())

    async def call(
        self, method: str, params: Mapping[str, Any] | Sequence[Any] | None = None
    ) -> Any:
        """As `Client.call`."""
        return await self._send(calls.raw(method, params))

    async def close(self) -> None:
        """Close the connections; calls under way elsewhere, or made later, raise QueueError."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def _send(self, call: Call[T]) -> T:
        retrying = Retrying(call, self._retry_for, len(self._endpoints))
        while True:
            place = self._place
            endpoint = self._endpoints[place]
            try:
                async with nullcontext() if call.wait else self._turn:
                    reply = await self._post(call, endpoint)
                return read(call, endpoint, reply)
            except Unavailable as error:
                if self._place == place:  # no other call has moved on
                    self._place = (place + 1) % len(self._endpoints)
                pause = retrying.pause(error, monotonic())
                if pause is None:
                    raise
            await asyncio.sleep(pause)

    async def _post(self, call: Call[Any], endpoint: Endpoint) -> Reply:
        # Imported here, for it takes a quarter of a second that a sync program should not wait.
        from aiohttp import ClientError, ClientTimeout

        timeout = ClientTimeout(sock_connect=self._timeout, sock_read=self._timeout + call.wait)
        body = call.body if len(call.body) < LARGE_BODY else BytesIO(call.body)
        try:
            async with self._open().post(
                endpoint.rpc_url,
                data=body,
                headers=endpoint.headers,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                return Reply(response.status, response.headers, await response.read())
        except (ClientError, OSError) as error:
            raise self._translated(error, endpoint) from error

    def _open(self) -> "ClientSession":
        """The session; it is made by the first call, in the loop that is to run it."""
        from aiohttp import ClientSession, DummyCookieJar, TCPConnector

        if self._closed:
            raise closed()
        loop = asyncio.get_running_loop()
        if self._session is None:
            self._loop = loop
            self._session = ClientSession(
                # A limit here would let long polls keep a heartbeat waiting; see `_send`.
                connector=TCPConnector(limit=0, ssl=self._tls or True),
                cookie_jar=DummyCookieJar(),
            )
        elif self._loop is not loop:
            raise QueueError("this client belongs to another event loop; make one for each")
        return self._session

    def _translated(self, error: Exception, endpoint: Endpoint) -> QueueError:
        from aiohttp import (
            ClientConnectorError,
            ClientSSLError,
            ConnectionTimeoutError,
            ServerDisconnectedError,
        )

        if self._closed:
            return closed()
        if isinstance(error, ClientSSLError):
            return untrusted(endpoint, reason_of(error.__cause__))
        if isinstance(error, ClientConnectorError):
            return unreachable(endpoint, reason_of(error.os_error))
        if isinstance(error, ConnectionTimeoutError):
            return unreachable(endpoint, f"no connection within {self._timeout:g} s")
        if isinstance(error, TimeoutError):
            return answer_lost(endpoint, "time is up")
        if isinstance(error, ServerDisconnectedError):
            return answer_lost(endpoint, "the connection was closed")
        return answer_lost(endpoint, reason_of(error))
