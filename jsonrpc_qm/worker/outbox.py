"""Outcomes on their way to the manager: kept until it has answered."""

import logging
from collections import deque
from collections.abc import Sequence
from typing import Any

from jsonrpc_qm.errors import (
    BY_CODE,
    InternalError,
    LeaseLost,
    QueueError,
    TaskNotFound,
    Unavailable,
)
from jsonrpc_qm.task import ClaimedTask
from jsonrpc_qm.worker.attempt import Attempt
from jsonrpc_qm.worker.link import REFUSALS, Link
from jsonrpc_qm.worker.outcome import Outcome, refused
from jsonrpc_qm.worker.source import TaskSource

logger = logging.getLogger("jsonrpc_qm.worker")

MAX_BATCH = 1000
MAX_BATCH_BYTES = 4 * 1024 * 1024
"""What one report carries at most, unless a single outcome is larger."""

Entry = tuple[Attempt, Outcome]


class Outbox:
    """What has ended and was not yet delivered. Any thread adds, one delivers.

    An outcome is sent until it is answered. Its token makes that safe: the manager takes it once.
    """

    def __init__(self, source: TaskSource, worker: str, link: Link) -> None:
        self._source = source
        self._worker = worker
        self._link = link
        # Appending to a deque and taking from it are atomic.
        self._waiting: deque[Entry] = deque()
        self._sending: list[Entry] = []

    def __len__(self) -> int:
        return len(self._waiting) + len(self._sending)

    def add(self, attempt: Attempt, outcome: Outcome) -> None:
        """Keep an outcome."""
        self._waiting.append((attempt, outcome))

    def attempts(self) -> list[Attempt]:
        """Whose leases are to be kept until the outcome has arrived."""
        return [attempt for attempt, _ in [*self._sending, *self._waiting.copy()]]

    def deliver(self, names: Sequence[str] | None, max_tasks: int) -> list[ClaimedTask]:
        """Send what there is, up to a batch; take up to `max_tasks` new tasks if `names` are given.

        Raises:
            QueueError, OSError: the manager can't be reached; everything is kept.
        """
        self._sending = self._next_batch()
        try:
            return self._send(self._sending.copy(), names, max_tasks)
        finally:
            self._waiting.extendleft(reversed(self._sending))
            self._sending = []

    def _next_batch(self) -> list[Entry]:
        batch: list[Entry] = []
        size = 0
        while self._waiting and len(batch) < MAX_BATCH:
            size += self._waiting[0][1].size
            if batch and size > MAX_BATCH_BYTES:
                break
            batch.append(self._waiting.popleft())
        return batch

    def _send(
        self, part: list[Entry], names: Sequence[str] | None, max_tasks: int
    ) -> list[ClaimedTask]:
        wires = [outcome.wire for _, outcome in part]
        try:
            answer = self._source.report(
                wires, names=names, worker=self._worker, max_tasks=max(max_tasks, 1)
            )
        except REFUSALS as error:
            # One of them spoils the call for all: look for it in halves.
            if len(part) > 1:
                half = len(part) // 2
                self._send(part[:half], None, 0)
                return self._send(part[half:], names, max_tasks)
            del self._sending[:1]
            self._refused(*part[0], error)
            return []
        self._link.answered()
        del self._sending[: len(part)]
        for (attempt, outcome), state in zip(part, answer.outcomes, strict=True):
            if not state.ok:
                self._refused(attempt, outcome, _typed(state.error or {}))
        return answer.tasks

    def _refused(self, attempt: Attempt, outcome: Outcome, error: Exception) -> None:
        task = attempt.task
        if isinstance(error, Unavailable | InternalError):
            self._waiting.append((attempt, outcome))
        elif isinstance(error, LeaseLost | TaskNotFound):
            logger.warning("outcome of %s %s dropped: %s", task.name, task.id, error)
        elif outcome.last_word:
            logger.error("%s %s is left to its lease: %s", task.name, task.id, error)
        else:
            logger.error("outcome of %s %s refused: %s", task.name, task.id, error)
            self._waiting.append((attempt, refused(task, error)))


def _typed(error: dict[str, Any]) -> QueueError:
    kind = BY_CODE.get(error.get("code", 0), QueueError)
    data = error.get("data")
    return kind(data=data if isinstance(data, dict) else None)
