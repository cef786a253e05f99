"""What the manager does by itself: it moves tasks that time has changed, and forgets old ones."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from jsonrpc_qm.errors import QueueError
from jsonrpc_qm.moments import SECOND, seconds
from jsonrpc_qm.operations import PURGE_BATCH, Operation, Step
from jsonrpc_qm.storage.base import SWEEP_LIMIT, Filter

logger = logging.getLogger("jsonrpc_qm.server")

LONGEST_SLEEP = 1.0
"""Seconds between sweeps when nothing is known to be due: another process may have stored it."""

KEEP_COMPLETED = 7 * 86400.0
"""Seconds that completed tasks are kept, by default."""

KEEP_FAILED = 30 * 86400.0
"""Seconds that failed and cancelled tasks are kept, by default."""

PRUNE_EVERY = 60.0
"""Seconds between two looks for tasks that are old enough to forget."""

FORGET_WORKERS_AFTER = 86400.0
"""Seconds without a word after which a worker is forgotten."""

_NEVER = 2**62


class Chores:
    """Sweeps when the next task is due by time alone, and prunes now and then.

    `keep_completed` and `keep_failed` in seconds; None keeps for ever.
    """

    def __init__(
        self,
        write: Callable[[Operation[Any]], Awaitable[Any]],
        now: Callable[[], int],
        *,
        keep_completed: float | None = KEEP_COMPLETED,
        keep_failed: float | None = KEEP_FAILED,
    ) -> None:
        self._write = write
        self._now = now
        self._keep = {
            "completed": keep_completed,
            "failed": keep_failed,
            "cancelled": keep_failed,
        }
        self._next = 0
        self._earlier = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin; the first sweep comes at once."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._sweep_for_ever()), loop.create_task(self._prune())]

    async def stop(self) -> None:
        """End, in the middle of anything but a transaction."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def due_at(self, moment: int) -> None:
        """Some task changes by itself at that moment, in microseconds."""
        if moment < self._next:
            self._next = moment
            self._earlier.set()

    def sweep_now(self) -> None:
        """Sweep at once."""
        self.due_at(0)

    async def _sweep_for_ever(self) -> None:
        while True:
            delay = min(LONGEST_SLEEP, (self._next - self._now()) / SECOND)
            if delay > 0 and await self._slept_less_than(delay):
                continue
            self._next = _NEVER
            try:
                await self._write(_SWEEP)
            except QueueError as error:
                logger.warning("no sweep: %s", error)
                await asyncio.sleep(LONGEST_SLEEP)

    async def _slept_less_than(self, delay: float) -> bool:
        self._earlier.clear()
        try:
            async with asyncio.timeout(delay):
                await self._earlier.wait()
        except TimeoutError:
            return False
        return True

    async def _prune(self) -> None:
        while True:
            try:
                for status, keep in self._keep.items():
                    if keep is not None:
                        await self._prune_status(status, self._now() - seconds(keep))
                before = self._now() - seconds(FORGET_WORKERS_AFTER)
                await self._write(_operation("forget", (before,)))
            except QueueError as error:
                logger.warning("nothing pruned: %s", error)
            await asyncio.sleep(PRUNE_EVERY)

    async def _prune_status(self, status: str, before: int) -> None:
        filter = Filter(status=status, finished_before=before)
        while await self._write(_operation("purge", filter)) == PURGE_BATCH:
            # Let others go first: pruning is never urgent.
            await asyncio.sleep(0.01)


def _operation(verb: str, item: Any) -> Operation[Any]:
    return Operation((Step(verb, [item]),), lambda answers: answers[0])


_SWEEP = _operation("sweep", SWEEP_LIMIT)
