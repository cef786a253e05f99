"""What the hash `tasks` on Redis has of a task.

It begins with what Lua reads, numbers of eight bytes with the first byte first:

    revision  8 bytes that differ from one transaction to the next
    number    the task's place in the order in which tasks were stored
    status    one character
    token     the latest claim's
    due_at    when time alone changes it, as in sorted sets; 0 for None
    lease     how long a claim lasts unless the claim says otherwise, in microseconds
    timeout   how long one attempt may run, in microseconds; 0 for None
    size      four bytes: that of the record

Then comes the record in MessagePack, and after it what the server has done to the task since, as
events: it was taken, it was completed, or one after the other. They are parts of records: whoever
reads them makes the same of them as of any other event.
"""

import struct

import msgspec
from msgspec import msgpack

from jsonrpc_qm.record import SCHEDULED, Record
from jsonrpc_qm.transitions import Complete, claimed

REVISION = 8
"""Bytes of a revision, with which a value begins."""

ZERO = 1 << 63
"""Added to what may be negative: bytes have no sign."""

Stored = tuple[Record, int]
"""A record and its place in the order in which tasks were stored."""

_STATUS = {
    "queued": b"q",
    SCHEDULED: b"w",
    "started": b"s",
    "completed": b"c",
    "failed": b"f",
    "cancelled": b"x",
}

_begin = struct.Struct(">QcQQQQI")
_size = struct.Struct(">I")
_encode = msgpack.Encoder().encode
_decode = msgpack.Decoder(Record).decode


class Taken(msgspec.Struct, frozen=True, array_like=True, tag=0, gc=False):
    """The server gave the task to a claim."""

    at: int
    worker: str | None
    lease: int | None


class Done(msgspec.Struct, frozen=True, array_like=True, tag=1, gc=False):
    """The server completed the task."""

    at: int
    token: int
    result: str | None


_decode_event = msgpack.Decoder(Taken | Done).decode


def packed(record: Record, number: int) -> bytes:
    """A task as `tasks` has it, after its revision."""
    fields = _encode(record)
    begin = _begin.pack(
        number,
        _STATUS[record.status],
        record.token,
        0 if record.due_at is None else record.due_at + ZERO,
        record.lease,
        record.timeout or 0,
        len(fields),
    )
    return begin + fields


def packed_event(event: Taken | Done) -> bytes:
    """What is put behind a task."""
    fields = _encode(event)
    return _size.pack(len(fields)) + fields


def unpacked(value: bytes) -> Stored:
    """The task that `tasks` has, with its revision."""
    record, number, place = unpacked_record(value)
    while place < len(value):
        begin = place + _size.size
        place = begin + _size.unpack_from(value, place)[0]
        event = _decode_event(value[begin:place])
        if isinstance(event, Taken):
            record = claimed(record, event.at, worker=event.worker, lease=event.lease)
        else:
            done = Complete(id=record.id, token=event.token, result=event.result)
            record = done.apply(record, event.at)
    return record, number


def unpacked_record(value: bytes) -> tuple[Record, int, int]:
    """The record before the events, its number, and where the events begin."""
    number, *_, size = _begin.unpack_from(value, REVISION)
    begin = REVISION + _begin.size
    return _decode(value[begin : begin + size]), number, begin + size
