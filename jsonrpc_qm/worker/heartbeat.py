"""Keeps the leases of all held tasks, whatever their handlers are doing."""

import logging
import threading
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

from msgspec import UNSET

from jsonrpc_qm.answers import HeartbeatAnswer
from jsonrpc_qm.worker.attempt import Attempt, Stop
from jsonrpc_qm.worker.link import AWAY, REFUSALS, Link
from jsonrpc_qm.worker.source import TaskSource

logger = logging.getLogger("jsonrpc_qm.worker")

SHARE = 3.0
"""A lease is extended after this part of it, so that two heartbeats may fail."""
LONGEST = 5.0
"""Seconds after which a lease is extended at the latest: a cancellation arrives that way."""
IDLE = 10.0
"""Seconds after which a worker that holds nothing is heard of, and hears whether it is to drain."""
HURRY = 1.0
"""Seconds between heartbeats that are sent because something might be up."""
PROGRESS = 0.5
"""Seconds between heartbeats that only carry progress."""
EARLY = 0.75
"""A lease that is due this soon, as a part of its interval, goes with the others."""


class Heartbeat:
    """Sends one heartbeat for all leases that need it; runs in a thread of its own."""

    def __init__(
        self,
        source: TaskSource,
        worker: str,
        link: Link,
        *,
        held: Callable[[], Sequence[Attempt]],
        is_running: Callable[[Attempt], bool],
        drain: Callable[[], None],
    ) -> None:
        """`held` says whose leases to keep, `drain` is called when an operator asks for it."""
        self._source = source
        self._worker = worker
        self._link = link
        self._held = held
        self._is_running = is_running
        self._drain = drain
        self._bell = threading.Event()
        self._closed = False
        self._last = monotonic()
        self._hurried = False
        self._not_before = 0.0
        self._next = 0.0

    def expect(self, lease: float) -> None:
        """A lease of this many seconds begins."""
        if monotonic() + min(lease / SHARE, LONGEST) < self._next:
            self._bell.set()

    def hurry(self) -> None:
        """There may be something to learn before the next lease is due."""
        self._hurried = True
        self._bell.set()

    def told(self) -> None:
        """A handler has said how far it is."""
        if not self._bell.is_set():
            self._bell.set()

    def close(self) -> None:
        """Stop; `run` returns soon."""
        self._closed = True
        self._bell.set()

    def run(self) -> None:
        """Send heartbeats until it is closed."""
        while not self._closed:
            self._next = max(self._due_at(), self._not_before)
            pause = self._next - monotonic()
            if pause > 0:
                self._bell.wait(pause)
                self._bell.clear()
            else:
                self._beat()

    def _due_at(self) -> float:
        at = self._last + (HURRY if self._hurried else IDLE)
        for attempt in self._held():
            if attempt.stopping is not Stop.LOST:
                at = min(at, attempt.seen + _interval(attempt))
                if attempt.progress is not UNSET:
                    at = min(at, self._last + PROGRESS)
        return at

    def _beat(self) -> None:
        now = monotonic()
        due = [attempt for attempt in self._held() if _is_due(attempt, now)]
        said = [_said(attempt) for attempt in due]
        try:
            answer = self._source.heartbeat(said, worker=self._worker)
        except REFUSALS as error:
            # Progress is the only part of it that can be too much.
            logger.error("heartbeat refused, so progress is dropped: %s", error)
            self._not_before = now + PROGRESS
        except AWAY as error:
            for attempt, lease in zip(due, said, strict=True):
                if "progress" in lease and attempt.progress is UNSET:
                    attempt.progress = lease["progress"]
            self._not_before = monotonic() + self._link.failed(error)
        else:
            self._last = now
            self._hurried = False
            self._link.answered()
            self._learn(due, answer, now)

    def _learn(self, due: list[Attempt], answer: HeartbeatAnswer, now: float) -> None:
        states = {state.id: state for state in answer.leases}
        for attempt in due:
            state = states.get(attempt.task.id)
            if state is None or not self._is_running(attempt):
                continue
            if not state.ok:
                logger.warning("lease of %s %s is lost", attempt.task.name, attempt.task.id)
                attempt.stop(Stop.LOST)
                continue
            attempt.seen = now
            if state.cancel_requested and attempt.stopping is None:
                logger.info("%s %s is to be cancelled", attempt.task.name, attempt.task.id)
                attempt.stop(Stop.CANCELLED)
        if answer.drain:
            self._drain()


def _interval(attempt: Attempt) -> float:
    return min(attempt.lease / SHARE, LONGEST)


def _is_due(attempt: Attempt, now: float) -> bool:
    if attempt.stopping is Stop.LOST:
        return False
    return attempt.progress is not UNSET or now - attempt.seen >= EARLY * _interval(attempt)


def _said(attempt: Attempt) -> dict[str, Any]:
    lease: dict[str, Any] = {"id": attempt.task.id, "token": attempt.task.token}
    if attempt.progress is not UNSET:
        lease["progress"], attempt.progress = attempt.progress, UNSET
    return lease
