"""What has happened to a task: the transitions that its record still tells, and those it keeps.

A record tells when it was stored, last claimed and finished. What the next attempt would overwrite
is kept in its field `history` then, so a task that runs once, as most do, keeps nothing.
"""

from collections.abc import Sequence

import msgspec

from jsonrpc_qm.record import Record, public_status
from jsonrpc_qm.task import FINISHED

MOST_KEPT = 100
"""Of how many transitions a task is known to have; the oldest are forgotten first."""

LONGEST_REASON = 200
"""Characters of a reason; one that was longer ends with an ellipsis."""


class Transition(msgspec.Struct, frozen=True, array_like=True):
    """One step of a task from state to state; both as the outside sees them."""

    at: int
    """When, in microseconds."""
    before: str | None
    """The state that it left; None for the first."""
    to: str
    worker: str | None = None
    """Who held it then."""
    reason: str | None = None
    tasks: tuple[str, ...] = ()
    """The ids of the tasks that its completion queued."""


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    token: int
    """The latest claim that is among the transitions."""
    transitions: list[Transition]


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Kept).decode


def transitions_of(record: Record) -> list[Transition]:
    """All that is known to have happened to a task, in order."""
    kept = _Kept(0, []) if record.history is None else _decode(record.history)
    found = [Transition(record.created_at, None, "queued"), *kept.transitions]
    if record.token != kept.token and record.started_at is not None:
        found.append(Transition(record.started_at, found[-1].to, "started", record.worker))
    last, status = found[-1].to, public_status(record.status)
    if status in FINISHED and status != last and record.finished_at is not None:
        worker = record.worker if last == "started" or status == "completed" else None
        reason = why(record.error) if status == "failed" else None
        found.append(Transition(record.finished_at, last, status, worker, reason))
    return found


def noted(
    record: Record, now: int, to: str, *, reason: str | None = None, tasks: Sequence[str] = ()
) -> str:
    """The `history` of a record that goes from its state to another now."""
    found = transitions_of(record)
    last = found[-1].to
    worker = record.worker if last == "started" else None
    found.append(Transition(now, last, to, worker, reason, tuple(tasks[:MOST_KEPT])))
    # The first is told by created_at.
    return _encode(_Kept(record.token, found[1:][-MOST_KEPT:])).decode()


def why(error: str | None) -> str | None:
    """An error in a line: its type and message."""
    if error is None:
        return None
    told = msgspec.json.decode(error)
    words = [str(told[member]) for member in ("type", "message") if member in told]
    line = ": ".join(words)
    return line if len(line) <= LONGEST_REASON else f"{line[: LONGEST_REASON - 1]}…"
