"""Group commit: one thread carries out everything that is waiting in one transaction.

While a transaction is on its way to the disk the next operations gather; so under load a commit is
shared by many calls, and a lone call waits for nobody.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from jsonrpc_qm.errors import QueueError, Unavailable
from jsonrpc_qm.execution import execute_apart
from jsonrpc_qm.operations import Operation
from jsonrpc_qm.storage.base import Storage

logger = logging.getLogger("jsonrpc_qm.server")

WATCH_SECONDS = 0.05
"""How often an idle committer looks whether another process has changed the storage."""

MOST_ITEMS = 2000
"""Members of lists after which a transaction takes no further operation."""


def always() -> bool:
    """For operations that nobody can lose interest in."""
    return True


class Entry:
    """An operation on its way: `future` gets the answers to its steps, or the error."""

    __slots__ = ("alive", "future", "operation", "size")

    def __init__(
        self,
        operation: Operation[Any],
        future: "asyncio.Future[list[list[Any]]]",
        alive: Callable[[], bool] = always,
    ) -> None:
        self.operation = operation
        self.future = future
        self.alive = alive
        """Asked right before the transaction; when false, the operation is left out."""
        self.size = sum(len(step.items) for step in operation.steps)


Committed = Sequence[tuple[Entry, list[list[Any]] | QueueError]]


class Committer:
    """Owns the writing connection and its thread.

    `committed` is called in the event loop for every transaction, before its futures resolve;
    `foreign` is called there when another process has changed the storage.
    """

    def __init__(
        self,
        storage: Storage,
        *,
        committed: Callable[[Committed], None],
        foreign: Callable[[], None],
    ) -> None:
        self._storage = storage
        self._committed = committed
        self._foreign = foreign
        self._loop = asyncio.get_running_loop()
        self._pending: list[Entry] = []
        self._ready = threading.Condition(threading.Lock())
        self._stopping = False
        self._changes: int | None = None
        self._looked = 0.0
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
        self._thread.start()

    def submit(self, entries: Sequence[Entry]) -> None:
        """Have operations carried out in the next transaction, together if they fit."""
        with self._ready:
            self._pending.extend(entries)
            self._ready.notify()

    async def stop(self) -> None:
        """Carry out what is waiting, then end the thread."""
        with self._ready:
            self._stopping = True
            self._ready.notify()
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join)

    def _run(self) -> None:
        while True:
            batch = self._next_batch()
            if batch is None:
                return
            if batch:
                self._carry_out(batch)
            if time.monotonic() - self._looked >= WATCH_SECONDS:
                self._look_for_changes()

    def _next_batch(self) -> list[Entry] | None:
        """What is waiting; nothing after WATCH_SECONDS; None at the end."""
        with self._ready:
            if not self._pending and not self._stopping:
                self._ready.wait(WATCH_SECONDS)
            if not self._pending:
                return None if self._stopping else []
            taken, size = 0, 0
            while taken < len(self._pending) and (size < MOST_ITEMS or not taken):
                size += self._pending[taken].size
                taken += 1
            batch, self._pending = self._pending[:taken], self._pending[taken:]
            return batch

    def _carry_out(self, batch: list[Entry]) -> None:
        wanted: list[Entry] = []
        done: list[tuple[Entry, list[list[Any]] | QueueError]] = []
        for entry in batch:
            if entry.alive():
                wanted.append(entry)
            else:
                done.append((entry, Unavailable.of("the caller has gone")))
        answers = execute_apart(self._storage, [entry.operation for entry in wanted])
        done.extend(zip(wanted, answers, strict=True))
        self._loop.call_soon_threadsafe(self._resolve, done)

    def _resolve(self, done: Committed) -> None:
        self._committed(done)
        for entry, answer in done:
            if entry.future.done():
                continue
            if isinstance(answer, QueueError):
                entry.future.set_exception(answer)
            else:
                entry.future.set_result(answer)

    def _look_for_changes(self) -> None:
        self._looked = time.monotonic()
        try:
            changes = self._storage.changes()
        except Unavailable:
            return
        if self._changes is not None and changes != self._changes:
            self._loop.call_soon_threadsafe(self._foreign)
        self._changes = changes
