"""Carries outcomes to the manager and brings tasks back."""

import logging
import random
import threading
from collections.abc import Sequence
from time import monotonic
from typing import Protocol

from jsonrpc_qm.errors import (
    Forbidden,
    InvalidParams,
    InvalidRequest,
    MethodNotFound,
    QueueError,
    Unavailable,
)
from jsonrpc_qm.task import Task
from jsonrpc_qm.worker.attempt import Attempt
from jsonrpc_qm.worker.link import AWAY, Link
from jsonrpc_qm.worker.outbox import Outbox
from jsonrpc_qm.worker.outcome import Outcome
from jsonrpc_qm.worker.pace import MAX_HELD
from jsonrpc_qm.worker.source import TaskSource

logger = logging.getLogger("jsonrpc_qm.worker")

WAIT = 20.0
"""Seconds that a claim waits at the manager."""
EARLY = 0.9
"""A claim that comes back empty before this part of its wait says something: the manager stops, or
an operator has asked this worker to drain."""
PAUSE = 1.0
"""Seconds between claims that do not wait, at most."""
LINGER = 0.005
"""Seconds to gather outcomes while more are about to come."""
BATCH = 500
"""Outcomes that are not held back for more."""
LOOK = 1.0
"""Seconds between looks at tasks that wait to be started."""

FATAL = (Forbidden, MethodNotFound, InvalidParams, InvalidRequest)
"""Refusals of a claim that trying again does not change."""


def is_lasting(error: Exception) -> bool:
    """Whether what answers is no manager, or is not trusted: a wrong URL, most likely.

    Somebody may set it right meanwhile, so a worker that is to stay tries on.
    """
    return type(error) is QueueError


class Holder(Protocol):
    """Who has the tasks meanwhile."""

    def room(self) -> int:
        """How many more it could take now."""

    def accept(self, tasks: Sequence[Task]) -> None:
        """Here they are."""

    def waiting(self) -> int:
        """How many it has that have not started."""

    def release_overdue(self) -> None:
        """Give back what should have been started long ago."""

    def holds_nothing(self) -> bool:
        """Whether it has no task, and none that it had is on its way to being reported."""

    def found_nothing(self, held_nothing: bool) -> None:
        """A claim came back empty before its wait was over; whether it held nothing when that was
        sent."""


class Courier:
    """Two loops, for two threads: one waits for tasks, one reports and takes what is due next.

    Only one of them claims at a time. While there is more to take, `report` brings the next tasks
    along with its answer; a waiting claim is sent when there was not.
    """

    def __init__(
        self,
        polling: TaskSource,
        outbox: Outbox,
        link: Link,
        holder: Holder,
        *,
        names: Sequence[str],
        worker: str,
        wait: float = WAIT,
    ) -> None:
        """`polling` is for the waiting claims alone: it is closed to end one.

        With `wait` 0 it is for a worker that is not to stay.
        """
        self._polling = polling
        self._outbox = outbox
        self._link = link
        self._holder = holder
        self._names = list(names)
        self._worker = worker
        self._wait = wait
        self._bell = threading.Event()
        self._stopped = threading.Event()
        self._closed = threading.Event()
        self._turn = threading.Condition()
        self._is_waiting = False
        self._is_reporting = False
        self._just_took = False
        self._more = True

    def add(self, attempt: Attempt, outcome: Outcome, waiting: int) -> None:
        """Deliver this; soon, or with others if `waiting` attempts are about to start."""
        self._outbox.add(attempt, outcome)
        if not waiting or len(self._outbox) in (1, BATCH):
            self._ring()

    def look(self) -> None:
        """There may be room for more tasks now, without an outcome to report."""
        with self._turn:
            self._turn.notify_all()

    def is_idle(self) -> bool:
        """Whether nothing is to be delivered or being delivered."""
        return not self._outbox and not self._is_reporting

    def stop_claiming(self) -> None:
        """Take no more tasks; a waiting claim ends at once."""
        self._stopped.set()
        self._polling.close()
        self.look()

    def close(self) -> None:
        """Deliver nothing more; both loops end."""
        self._closed.set()
        self._bell.set()

    def claim_loop(self) -> None:
        """Claim whenever there is room and nothing to report."""
        while room := self._turn_to_claim():
            try:
                pause = self._claim(room)
            finally:
                self._is_waiting = False
            if pause:
                self._stopped.wait(pause)

    def report_loop(self) -> None:
        """Report whenever something has ended."""
        while not self._closed.is_set():
            if not self._outbox:
                self._bell.wait(LOOK)
            elif self._holder.waiting() and len(self._outbox) < BATCH:
                self._bell.wait(LINGER)
            self._bell.clear()
            if self._holder.waiting():
                self._holder.release_overdue()
            if self._outbox:
                self._report()

    def _ring(self) -> None:
        if not self._bell.is_set():
            self._bell.set()

    def _turn_to_claim(self) -> int:
        """How many to claim, once that is this loop's to do; 0 when it is to end."""
        with self._turn:
            if self._just_took and not self._stopped.is_set():
                # What is done in a moment is reported first: it has somebody waiting for it.
                self._just_took = False
                self._turn.wait(LINGER)
            while not self._stopped.is_set():
                room = min(self._holder.room(), MAX_HELD)
                if room > 0 and not self._outbox and not self._is_reporting:
                    self._is_waiting = True
                    return room
                self._turn.wait()
            return 0

    def _claim(self, room: int) -> float:
        """Claim once; the seconds to wait before the next claim."""
        began = monotonic()
        held_nothing = self._holder.holds_nothing()
        try:
            tasks = self._polling.claim(
                self._names, worker=self._worker, max_tasks=room, wait=self._wait
            )
        except AWAY as error:
            if self._stopped.is_set():
                return 0.0
            if isinstance(error, FATAL):
                raise
            if self._wait == 0 and is_lasting(error):
                raise Unavailable(str(error)) from error
            return self._link.failed(error)
        self._link.answered()
        if tasks:
            self._took(tasks, room)
            self._just_took = True
            return 0.0
        took = monotonic() - began
        if self._stopped.is_set() or took > EARLY * self._wait > 0:
            return 0.0
        self._holder.found_nothing(held_nothing)
        # Not for secrets: many workers should not come back all at once.
        return random.uniform(PAUSE / 4, PAUSE) if took < PAUSE else 0.0  # noqa: S311

    def _report(self) -> None:
        with self._turn:
            self._is_reporting = True
            claims = self._more and not self._is_waiting and not self._stopped.is_set()
            room = min(self._holder.room(), MAX_HELD) if claims else 0
        try:
            tasks = self._outbox.deliver(self._names if room > 0 else None, room)
        except AWAY as error:
            self._closed.wait(self._link.failed(error))
        else:
            if room > 0:
                self._took(tasks, room)
        with self._turn:
            self._is_reporting = False
            self._turn.notify_all()

    def _took(self, tasks: Sequence[Task], room: int) -> None:
        # One that came alone to a worker with room is likely to have been the last.
        self._more = len(tasks) > 1 or len(tasks) == room
        if tasks:
            self._holder.accept(tasks)
