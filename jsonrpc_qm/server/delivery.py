"""Sees that claimed tasks reach whoever claimed them, or takes them back.

A client that was killed while it waited closes its connection, and its claim is cancelled. Three
others can't be told from a living one when their answer is written: one whose cable was pulled
(what is sent to it stays in the kernel's queue, unacknowledged), one that was killed a moment ago,
and one that is killed before it has read (its kernel refuses what was left unread with a reset). So
a connection that was given tasks is looked at until it has sent its next request, or GIVE_UP_AFTER.
"""

import asyncio
import fcntl
import os
import socket
import struct
import sys
import termios
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from jsonrpc_qm.record import Record

LOOK_EVERY = 0.5
"""Seconds between two looks at connections that were given tasks."""

GIVE_UP_AFTER = 5.0
"""Seconds without an acknowledgement after which the tasks are taken back."""

KEEPALIVE = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
"""A waiting connection whose other side has vanished is closed after 30 seconds."""

CAN_LOOK = sys.platform == "linux"
"""Elsewhere tasks that did not arrive come back when their leases expire."""

# States of a connection, from Linux's net/tcp_states.h.
_CLOSED = 7
_CLOSED_BY_CLIENT = 8

_NEVER_SEEN = 2**62


def set_keepalive(listening: socket.socket) -> None:
    """Have the kernel probe quiet connections; accepted ones inherit it."""
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEPALIVE.items():
        if hasattr(socket, option):
            listening.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


class _Sent(msgspec.Struct):
    """An answer with claimed tasks on its way."""

    records: Sequence[Record]
    descriptor: int
    """A second one for the connection: it tells how it ended when the first is closed."""
    ends: bool
    """Whether the connection is closed after this answer."""
    progress_at: float
    outstanding: int = _NEVER_SEEN
    """Bytes that the other side's kernel had not acknowledged at the last look."""


class Deliveries:
    """The connections that were given tasks and may not have got them."""

    def __init__(self, give_back: Callable[[Sequence[Record]], None]) -> None:
        self._give_back = give_back
        self._sent: dict[asyncio.Transport, _Sent] = {}
        self._timer: asyncio.TimerHandle | None = None

    def sending(
        self, transport: asyncio.Transport, records: Sequence[Record], *, ends: bool
    ) -> None:
        """An answer with claimed tasks is about to go into the connection."""
        if not CAN_LOOK:
            return
        try:
            descriptor = os.dup(transport.get_extra_info("socket").fileno())
        except OSError:
            # No descriptor is left: the lease has to do.
            return
        self._sent[transport] = _Sent(records, descriptor, ends, time.monotonic())
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LOOK_EVERY, self._look)

    def heard(self, transport: Any) -> None:
        """The connection has sent another request, so the answer before has arrived.

        Also when writing the answer failed: whoever noticed gives the tasks back.
        """
        sent = self._sent.pop(transport, None) if self._sent else None
        if sent is not None:
            os.close(sent.descriptor)

    def close(self) -> None:
        """Stop looking."""
        if self._timer is not None:
            self._timer.cancel()
        for transport in list(self._sent):
            self.heard(transport)

    def _look(self) -> None:
        self._timer = None
        now = time.monotonic()
        for transport, sent in list(self._sent.items()):
            arrived = _has_arrived(transport, sent, now)
            if arrived is None:
                continue
            if not arrived:
                self._give_back(sent.records)
                _drop(transport, sent.descriptor)
            self.heard(transport)
        if self._sent:
            self._timer = asyncio.get_running_loop().call_later(LOOK_EVERY, self._look)


def _has_arrived(transport: asyncio.Transport, sent: _Sent, now: float) -> bool | None:
    """Whether the answer has reached the client; None while that is open."""
    connection = socket.socket(fileno=sent.descriptor)
    try:
        outstanding = transport.get_write_buffer_size() + _unacknowledged(connection)
        state = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        if state == _CLOSED:
            # When this side has closed too, only an error tells a reset from the usual end.
            was_reset = not sent.ends or connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            return not (outstanding or was_reset)
    finally:
        connection.detach()
    if state == _CLOSED_BY_CLIENT and not outstanding:
        return True
    if outstanding < sent.outstanding:
        sent.outstanding, sent.progress_at = outstanding, now
    return not outstanding if now - sent.progress_at >= GIVE_UP_AFTER else None


def _unacknowledged(connection: socket.socket) -> int:
    """Bytes that were sent and that the other side's kernel has not acknowledged."""
    answer = fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4))
    return int(struct.unpack("i", answer)[0])


def _drop(transport: asyncio.Transport, descriptor: int) -> None:
    """End a connection so that nothing of the answer arrives any more."""
    connection = socket.socket(fileno=descriptor)
    # Closing then throws away what was not acknowledged.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.detach()
    transport.abort()
