"""The client for scripts, threads and workers."""

import os
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

from jsonrpc_qm.client.calls import Call
from jsonrpc_qm.client.credentials import Credentials
from jsonrpc_qm.client.protocol import closed, endpoints_of, read
from jsonrpc_qm.client.retrying import Retrying
from jsonrpc_qm.client.verbs import Verbs
from jsonrpc_qm.errors import Unavailable

if TYPE_CHECKING:
    from jsonrpc_qm.client.connections import Connections

T = TypeVar("T")


class Client(Verbs):
    """A manager's verbs over HTTP, for as many threads as like to share it.

    Arguments, ranges and refusals are those of docs/protocol.md, "Methods"; None stands for the
    manager's default. Every verb raises the typed errors of `jsonrpc_qm.errors`: what the manager
    refuses, InvalidParams for a value that has no JSON form, and Unavailable when no manager
    answers.

    A call that met no manager, or an Unavailable one, is sent again, with exponential backoff and
    full jitter, and not before the `retry_after` that the manager asks for. So is one whose answer
    got lost, since that is safe: tasks get their ids from the client, outcomes carry tokens, and
    tasks claimed by an answer that was lost come back to the queue. Only `retry`, `delete_task` and
    `call` are not repeated then: they may have been carried out, and raise Unavailable with
    `answer_lost` in its data.

    Given several managers of one storage, it stays with one while that answers, and goes on to the
    next when it does not, for the same call if that may be sent again.

    Connections are kept alive and made anew after a fork.
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
        """Nothing is sent yet.

        Args:
            url: where the manager is; http or https, maybe with a path (behind a proxy) and with
                `user:password@` (HTTP basic authentication). Several managers of one storage with
                commas between. By default that of the variable JSONRPC_QM_URL, and without that
                http://127.0.0.1:8642.
            timeout: seconds that connecting may take, and that the manager may be silent; the time
                that a call is to wait comes on top.
            retry_for: seconds after the first failure during which a call is sent again; 0 for not
                at all.
            connections: how many stay open for reuse; more threads than that open their own.
            token: the access token; by default that of the variable JSONRPC_QM_TOKEN, if any.
            tls_ca: the file with the authorities that the manager's certificate is to be from; by
                default those that the system trusts.
            tls_cert: the file with this client's certificate, where the manager asks for one.
            tls_key: the file with its key, if that is not in the same.

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
        self._keep = connections
        self._closed = False
        self._connections = self._connect()

    def close(self) -> None:
        """Close the connections; calls under way in other threads, or made later, raise QueueError.

        A call under way may still get its answer; a long poll that ends this way takes no task.
        """
        self._closed = True
        for connections in self._connections:
            connections.hang_up()

    def _send(self, call: Call[T]) -> T:
        retrying = Retrying(call, self._retry_for, len(self._endpoints))
        while True:
            if self._closed:
                raise closed()
            if self._connections[0].pid != os.getpid():
                self._connections = self._connect()  # a fork's two sides must not share sockets
            place = self._place
            connections = self._connections[place]
            try:
                return read(call, self._endpoints[place], connections.post(call.body, call.wait))
            except Unavailable as error:
                if self._place == place:  # no other thread has moved on
                    self._place = (place + 1) % len(self._endpoints)
                pause = retrying.pause(error, monotonic())
                if pause is None:
                    raise
            connections.pause(pause)

    def _connect(self) -> "list[Connections]":
        # Imported here: urllib3 takes as long as half of `jsonrpc-qm --help`.
        from jsonrpc_qm.client.connections import Connections

        return [
            Connections(endpoint, timeout=self._timeout, keep=self._keep, tls=self._tls)
            for endpoint in self._endpoints
        ]
