"""The sync client's connections: urllib3's pool, which here can also hang up on calls under way."""

import os
import socket
from ssl import SSLContext
from threading import Event, Lock
from typing import Any
from weakref import WeakSet

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    ClosedPoolError,
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.util import parse_url

from jsonrpc_qm.client.protocol import (
    Endpoint,
    Reply,
    answer_lost,
    closed,
    reason_of,
    unreachable,
    untrusted,
)
from jsonrpc_qm.errors import QueueError


class _Sockets:
    """The sockets in use or kept for use, so that another thread can hang up on them."""

    def __init__(self) -> None:
        self.hung_up = Event()
        self._lock = Lock()
        self._sockets: WeakSet[socket.socket] = WeakSet()

    def add(self, opened: socket.socket | None) -> None:
        with self._lock:
            if opened is not None:
                self._sockets.add(opened)
        if self.hung_up.is_set():
            self.hang_up()

    def hang_up(self) -> None:
        """Tell the other side that nothing more comes.

        It then ends a long poll without taking a task for it, while an answer that is on its way
        still arrives; closing the socket would lose that one.
        """
        self.hung_up.set()
        with self._lock:
            for each in self._sockets:
                try:
                    # SSLSocket.shutdown would end the decryption of an answer on its way.
                    socket.socket.shutdown(each, socket.SHUT_WR)
                except OSError:
                    continue  # closed already


class _Connection(HTTPConnection):
    def __init__(self, *args: Any, sockets: _Sockets, **options: Any) -> None:
        super().__init__(*args, **options)
        self._sockets_in_use = sockets

    def connect(self) -> None:
        super().connect()
        self._sockets_in_use.add(self.sock)


class _SecureConnection(HTTPSConnection):
    def __init__(self, *args: Any, sockets: _Sockets, **options: Any) -> None:
        super().__init__(*args, **options)
        self._sockets_in_use = sockets

    def connect(self) -> None:
        super().connect()
        self._sockets_in_use.add(self.sock)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class Connections:
    """The connections of one process to one manager; threads may share them."""

    def __init__(
        self, endpoint: Endpoint, *, timeout: float, keep: int, tls: SSLContext | None = None
    ) -> None:
        """`timeout` in seconds, `keep` connections stay open for reuse."""
        self.pid = os.getpid()
        self._endpoint = endpoint
        self._timeout = timeout
        self._sockets_in_use = _Sockets()
        url = parse_url(endpoint.rpc_url)
        pool: type[_Pool | _SecurePool] = _Pool
        options: dict[str, Any] = {}
        if url.scheme == "https":
            pool, options = _SecurePool, {"ssl_context": tls}
        self._path = url.request_uri
        self._pool = pool(
            url.host or "",
            url.port,
            maxsize=keep,
            headers=endpoint.headers,
            sockets=self._sockets_in_use,
            **options,
        )

    def post(self, body: bytes, wait: float) -> Reply:
        """Send a request and read the response, for which `wait` seconds more are given.

        Raises:
            QueueError: no response arrived; Unavailable where another try may help.
        """
        timeout = Timeout(connect=self._timeout, read=self._timeout + wait)
        try:
            response = self._pool.urlopen(
                "POST", self._path, body=body, timeout=timeout, retries=False, redirect=False
            )
        except (HTTPError, OSError) as error:
            raise self._translated(error) from error
        return Reply(response.status, response.headers, response.data)

    def hang_up(self) -> None:
        """End the calls under way, and make no connections from now on."""
        self._sockets_in_use.hang_up()
        self._pool.close()

    def pause(self, seconds: float) -> None:
        """Sleep, but not beyond a hang-up."""
        self._sockets_in_use.hung_up.wait(seconds)

    def _translated(self, error: Exception) -> QueueError:
        if self._sockets_in_use.hung_up.is_set() or isinstance(error, ClosedPoolError):
            return closed()
        if isinstance(error, NewConnectionError):
            return unreachable(self._endpoint, reason_of(error.__cause__))
        if isinstance(error, ConnectTimeoutError):
            return unreachable(self._endpoint, f"no connection within {self._timeout:g} s")
        if isinstance(error, SSLError):
            return untrusted(self._endpoint, reason_of(error.args[0]))
        if isinstance(error, ReadTimeoutError):
            return answer_lost(self._endpoint, "time is up")
        cause = error.args[-1] if error.args and isinstance(error.args[-1], Exception) else error
        return answer_lost(self._endpoint, reason_of(cause))
