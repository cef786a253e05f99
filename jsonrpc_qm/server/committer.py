"""Group commit: one thread carries out everything that is waiting in one transaction.

While a transaction is on its way to the disk the next operations gather; so under load a commit is
shared by many calls, and a lone call waits for nobody.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

from jsonrpc_qm.division import Division
from jsonrpc_qm.errors import InternalError, QueueError, Unavailable
from jsonrpc_qm.server.entry import Entry
from jsonrpc_qm.server.metrics import Metrics
from jsonrpc_qm.server.patience import Patience
from jsonrpc_qm.storage.base import Storage

logger = logging.getLogger("jsonrpc_qm.server")

WATCH_SECONDS = 0.05
"""How often an idle committer looks whether another process has changed the storage."""

MOST_ITEMS = 2000
"""Members of lists that all writers together take before they take no further operation: with a
larger share one of them would have all that is waiting, and the others nothing."""


Committed = Sequence[tuple[Entry, list[list[Any]] | QueueError]]


class Committer:
    """Owns the writing connections, each with its thread: one, or what the storage gains from.

    `committed` is called in the event loop for every transaction, before its futures resolve;
    `foreign` is called there when another process has changed the storage.
    """

    def __init__(
        self,
        storage: Storage,
        metrics: Metrics,
        *,
        committed: Callable[[Committed], None],
        foreign: Callable[[], None],
    ) -> None:
        self._storage = storage
        self._division = Division(storage)
        self._metrics = metrics
        self._committed = committed
        self._foreign = foreign
        self._loop = asyncio.get_running_loop()
        self._patience = Patience(lambda: metrics.storage_failed("write"))
        self._gathered: list[Sequence[Entry]] = []
        self._pending: SimpleQueue[Sequence[Entry] | None] = SimpleQueue()
        """Entries that belong together; None at the end."""
        self._changes: int | None = None
        self._looked = 0.0
        self._most_items = MOST_ITEMS // storage.writers
        self.threads = [
            threading.Thread(target=self._run, name=f"committer-{number}", daemon=True)
            for number in range(storage.writers)
        ]
        for thread in self.threads:
            thread.start()

    def submit(self, entries: Sequence[Entry]) -> None:
        """Have operations carried out together in the next transaction; from the event loop."""
        if not self._gathered:
            # What this turn of the event loop brings wakes the thread once.
            self._loop.call_soon(self._hand_over)
        self._gathered.append(entries)
        for entry in entries:
            self._patience.begin(entry)

    def _hand_over(self) -> None:
        for entries in self._gathered:
            self._pending.put(entries)
        self._gathered.clear()

    def stop(self) -> None:
        """Carry out what is waiting, then end the threads."""
        self._hand_over()
        for _ in self.threads:
            self._pending.put(None)
        self._patience.stop()

    def _run(self) -> None:
        ending = False
        while not ending:
            batch, ending = self._next_batch()
            if batch:
                self._carry_out(batch)
            if time.monotonic() - self._looked >= WATCH_SECONDS:
                self._look_for_changes()

    def _next_batch(self) -> tuple[list[Entry], bool]:
        """What is waiting, nothing after WATCH_SECONDS; and whether it is the end."""
        batch: list[Entry] = []
        size = 0
        wait = WATCH_SECONDS
        while size < self._most_items:
            try:
                entries = self._pending.get(timeout=wait)
            except Empty:
                break
            if entries is None:
                return batch, True
            batch.extend(entries)
            size += sum(entry.size for entry in entries)
            wait = 0.0
        return batch, False

    def _carry_out(self, batch: list[Entry]) -> None:
        wanted: list[Entry] = []
        done: list[tuple[Entry, list[list[Any]] | QueueError]] = []
        for entry in batch:
            if entry.alive():
                wanted.append(entry)
            else:
                done.append((entry, Unavailable.of("the caller has gone")))
        began = time.perf_counter()
        answers = self._division.execute([entry.operation for entry in wanted])
        self._metrics.committed(len(wanted), time.perf_counter() - began)
        for answer in answers:
            if isinstance(answer, Unavailable | InternalError):
                self._metrics.storage_failed("write")
        done.extend(zip(wanted, answers, strict=True))
        with suppress(RuntimeError):  # the event loop has ended
            self._loop.call_soon_threadsafe(self._resolve, done)

    def _resolve(self, done: Committed) -> None:
        try:
            self._committed(done)
        except Exception:
            # It is on the disk: whatever went wrong here, its callers are to hear of it.
            logger.exception("what a transaction brought about could not be seen to")
        for entry, answer in done:
            self._patience.end(entry)
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
