"""Sees that claimed tasks reach whoever claimed them, or takes them back.

A client that was killed closes its connection, and its claim is cancelled. One whose cable was
pulled does not: what is sent to it stays in the kernel's queue, unacknowledged. So a connection
that was given tasks is looked at until the other side has acknowledged them.
"""

import asyncio
import fcntl
import socket
import struct
import termios
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from jsonrpc_qm.record import Record

LOOK_EVERY = 1.0
"""Seconds between two looks at connections that were given tasks."""

GIVE_UP_AFTER = 5.0
"""Seconds without an acknowledgement after which the tasks are taken back."""

KEEPALIVE = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
"""A waiting connection whose other side has vanished is closed after 30 seconds."""


def set_keepalive(listening: socket.socket) -> None:
    """Have the kernel probe quiet connections; accepted ones inherit it."""
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEPALIVE.items():
        if hasattr(socket, option):
            listening.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


class _Sent(msgspec.Struct):
    records: Sequence[Record]
    at: float


class Deliveries:
    """The connections that were given tasks and have not been seen to acknowledge them."""

    def __init__(self, give_back: Callable[[Sequence[Record]], None]) -> None:
        self._give_back = give_back
        self._sent: dict[asyncio.Transport, _Sent] = {}
        self._timer: asyncio.TimerHandle | None = None

    def sent(self, transport: asyncio.Transport, records: Sequence[Record]) -> None:
        """An answer with claimed tasks went into the connection."""
        self._sent[transport] = _Sent(records, time.monotonic())
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LOOK_EVERY, self._look)

    def heard(self, transport: Any) -> None:
        """The connection has sent another request, so the answer before has arrived."""
        if self._sent:
            self._sent.pop(transport, None)

    def close(self) -> None:
        """Stop looking."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        self._timer = None
        now = time.monotonic()
        for transport, sent in list(self._sent.items()):
            if transport.is_closing() or not _unacknowledged(transport):
                del self._sent[transport]
            elif now - sent.at >= GIVE_UP_AFTER:
                del self._sent[transport]
                self._give_back(sent.records)
                transport.abort()
        if self._sent:
            self._timer = asyncio.get_running_loop().call_later(LOOK_EVERY, self._look)


def _unacknowledged(transport: asyncio.Transport) -> int:
    """Bytes that were sent and that the other side's kernel has not acknowledged."""
    if waiting := transport.get_write_buffer_size():
        return waiting
    connection = transport.get_extra_info("socket")
    answer = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, b"\\0" * 4)
    return int(struct.unpack("i", answer)[0])
