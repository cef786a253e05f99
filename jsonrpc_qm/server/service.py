"""The manager as the server runs it: writes through the committer, reads beside it, and waiting."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from jsonrpc_qm import params as p
from jsonrpc_qm.answers import Rates
from jsonrpc_qm.errors import QueueError, Unavailable
from jsonrpc_qm.operations import MAX_PAYLOAD, Ended, Operation, Step
from jsonrpc_qm.record import UNFINISHED, Record
from jsonrpc_qm.rpc.manager import Manager
from jsonrpc_qm.server import patience
from jsonrpc_qm.server.chores import KEEP_COMPLETED, KEEP_FAILED, Chores
from jsonrpc_qm.server.committer import Committed, Committer
from jsonrpc_qm.server.entry import Entry, always
from jsonrpc_qm.server.limits import Limits, QueueLimits
from jsonrpc_qm.server.metrics import Metrics
from jsonrpc_qm.server.outcome import Outcome, claimed_tasks, due_names, has_changed, new_tasks
from jsonrpc_qm.server.rates import RateBook
from jsonrpc_qm.server.reader import Reader
from jsonrpc_qm.server.threads import ended
from jsonrpc_qm.server.waiting import ClaimRoom, TaskWatch
from jsonrpc_qm.server.workers import Sightings
from jsonrpc_qm.storage.base import WORKER_GONE, News, Storage
from jsonrpc_qm.storage.moves import Moves
from jsonrpc_qm.transitions import Complete, Release

logger = logging.getLogger("jsonrpc_qm.server")

T = TypeVar("T")

LOOK_EVERY = 1.0
"""Seconds between two looks at the tasks whose end somebody waits for."""


class Service(Manager):
    """The manager behind HTTP. To be made in the running event loop, and closed in it."""

    def __init__(
        self,
        storage: Storage,
        *,
        max_payload: int = MAX_PAYLOAD,
        keep_completed: float | None = KEEP_COMPLETED,
        keep_failed: float | None = KEEP_FAILED,
        limits: Limits | None = None,
    ) -> None:
        super().__init__(storage, max_payload=max_payload)
        self._loop = asyncio.get_running_loop()
        self._looked_at = 0.0
        self._stopping = False
        self._reader = Reader()
        self.metrics = Metrics()
        self._rates = RateBook(self.metrics.names.label)
        storage.watch(self._moved)
        self._committer = Committer(
            storage, self.metrics, committed=self._committed, foreign=self._foreign
        )
        self._room = ClaimRoom(self._committer.submit, self._received, self._abandon, self._parks)
        self._watch = TaskWatch()
        storage.subscribe(self._hear)
        self._sightings = Sightings(self._submit_sighting, self._dismiss)
        self._may_drain = False
        """Whether a worker whose claim waits may be asked to drain without this manager knowing."""
        self._limits = QueueLimits(limits or Limits(), self.stats, self._loop.time)
        self.chores = Chores(
            self.write, storage.now, keep_completed=keep_completed, keep_failed=keep_failed
        )
        self._background: set[asyncio.Task[Any]] = set()
        self.observers: set[Callable[[], None]] = set()
        """Called in the event loop when a task, a name or a worker has changed, here or not."""

    # -- carrying out ---------------------------------------------------------------------------

    async def write(self, operation: Operation[T]) -> T:
        """Carry an operation out; its answer is on stable storage when this returns.

        Raises:
            Unavailable: nothing was done; or, with `answer_lost`, the storage has not answered
                within patience.PATIENCE, and it may be done yet.
        """
        return operation.answer(*await self._submit(operation).future)

    def _submit_sighting(self, worker: str, names: Sequence[str]) -> Entry:
        return self._submit(self.rules.saw(worker, names))

    def _entry(self, operation: Operation[Any], alive: Callable[[], bool] = always) -> Entry:
        if self._stopping:
            raise Unavailable.of("the manager is stopping")
        return Entry(operation, self._loop.create_future(), alive)

    def _submit(self, operation: Operation[Any]) -> Entry:
        entry = self._entry(operation)
        self._committer.submit([entry, *self._served_along(operation)])
        return entry

    async def _received(self, entry: Entry) -> list[list[Any]]:
        """The answers of an entry that claims; gives back what its caller does not get to see."""
        try:
            return await entry.future
        except asyncio.CancelledError:
            self._abandon(entry)
            raise

    def _abandon(self, entry: Entry) -> None:
        """Give back what an entry has taken, or will: _committed looks for those."""
        if not entry.future.done():
            entry.future.cancel()
        elif not entry.future.cancelled() and entry.future.exception() is None:
            self.give_back(claimed_tasks(entry, entry.future.result()))

    def _served_along(self, operation: Operation[Any]) -> list[Entry]:
        """Waiting claims that may take what this operation adds, in the same transaction."""
        if self._room.is_empty:
            return []
        return [
            entry
            for step in operation.steps
            for group in new_tasks(step)
            for name, tasks in due_names(group).items()
            for entry in self._room.entries_for(name, tasks)
        ]

    async def read(self, read: Callable[..., T], *args: Any) -> T:
        try:
            async with asyncio.timeout(patience.PATIENCE):
                return await self._reader.read(partial(read, *args))
        except TimeoutError:
            self.metrics.storage_failed("read")
            raise patience.unanswered() from None
        except Unavailable:
            self.metrics.storage_failed("read")
            raise

    async def probe(self) -> None:
        """See whether the storage can be written and read, without changing anything.

        Raises:
            Unavailable: it can't be used.
        """
        await self.write(_NOTHING)
        await self.read(self.storage.get, ["probe"])

    @property
    def stopping(self) -> bool:
        """Whether it is about to end, and calls are better made elsewhere."""
        return self._watch.closed

    @property
    def waiting_claims(self) -> int:
        """How many claims wait for a task."""
        return self._room.waiting

    def _moved(self, moves: Moves) -> None:
        self.metrics.moved(moves)
        self._rates.moved(moves)

    def _committed(self, done: Committed) -> None:
        """See what a transaction has brought about, before its callers hear of it."""
        outcome = Outcome(shared=self.storage.shared)
        for entry, answers in done:
            if isinstance(answers, QueueError):
                continue
            for step, found in zip(entry.operation.steps, answers, strict=True):
                if step.verb == "complete":
                    self._saw_completed(step.items, found)
                outcome.see(step, found)
            if entry.future.done():  # its caller has gone, or was told that it takes too long
                self.give_back(claimed_tasks(entry, answers))
        self._spread(outcome)
        if self.observers and has_changed(done):
            self._tell_observers()

    def _saw_completed(self, outcomes: Sequence[Complete], found: Sequence[Ended]) -> None:
        """Look for the records of what was completed without, if somebody waits for them by now."""
        done = (outcome.id for outcome, ended in zip(outcomes, found, strict=True) if ended is True)
        if ids := self._watch.watched(done):
            self._later(self._look_at(ids))

    def _spread(self, outcome: Outcome) -> None:
        """Tell who waits here, and the other managers."""
        if outcome.next_due is not None:
            self.chores.due_at(outcome.next_due)
        for record in outcome.finished:
            self._watch.tell(record)
        for worker in outcome.drained:
            self._sightings.drained(worker)
        for name, tasks in (*outcome.due.items(), *outcome.ready.items()):
            self._room.wake(name, tasks)
        if outcome.has_swept:
            self._look_now_and_then()
        # Waiting claims were served along with what was added, if transactions have an order.
        if self.storage.writers > 1:
            for name, tasks in outcome.added.items():
                self._room.wake(name, tasks)
        if self.storage.shared and (news := outcome.news()):
            self.storage.announce(news)

    def _hear(self, news: News) -> None:
        with suppress(RuntimeError):  # the event loop has ended
            self._loop.call_soon_threadsafe(self._heard, news)

    def _heard(self, news: News) -> None:
        """Another manager tells."""
        for name, tasks in news.due.items():
            self._room.wake(name, tasks)
        for worker in news.drained:
            self._sightings.drained(worker)
        if news.more and not self._room.is_empty:
            self._may_drain = True
            self.chores.sweep_now()
        if ids := self._watch.ids if news.more else self._watch.watched(news.finished):
            self._later(self._look_at(ids))
        self._tell_observers()

    def _look_now_and_then(self) -> None:
        """Look for ends that nobody told of: what a claim finds that time has ended is in no
        answer. And for drains, if there may be any."""
        if self._loop.time() - self._looked_at >= LOOK_EVERY:
            self._looked_at = self._loop.time()
            self._later(self._look_at(self._watch.ids))
            if self._may_drain:
                self._may_drain = False
                self._later(self._look_for_drains(self._room.workers))

    def _foreign(self) -> None:
        """Another process has changed something: look for what is due and what has finished."""
        self._may_drain = True
        self.chores.sweep_now()
        self._later(self._look_at(self._watch.ids))
        self._tell_observers()

    def _tell_observers(self) -> None:
        for observer in self.observers:
            observer()

    async def _look_at(self, ids: Sequence[str]) -> None:
        if not ids:
            return
        for record in await self.read(self.storage.get, ids):
            if record is not None:
                self._watch.tell(record)

    def _parks(self, worker: str | None, woken: bool) -> None:
        """A claim begins to wait; nobody may have told that its worker is asked to drain."""
        if self.storage.shared and worker is not None:
            self._may_drain |= woken or not self._sightings.is_fresh(worker)

    async def _look_for_drains(self, workers: Collection[str]) -> None:
        """See which of some workers are asked to drain."""
        if not workers:
            return
        gone = self.storage.now() - WORKER_GONE
        for row in await self.read(self.storage.workers):
            # One that was gone starts anew.
            if row.drain and row.last_seen >= gone and row.worker in workers:
                self._sightings.drained(row.worker)

    def _dismiss(self, worker: str) -> None:
        """A worker is asked to drain: its claims wait no more, and others are served instead."""
        if self._room.dismiss(worker):
            self.chores.sweep_now()

    def _later(self, work: Coroutine[Any, Any, Any]) -> None:
        task = self._loop.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def give_back(self, records: Sequence[Record]) -> None:
        """Release tasks whose claim can't be delivered, as if it had never been."""
        if not records:
            return
        logger.info("gave %d undelivered tasks back", len(records))
        events = [Release(id=record.id, token=record.token) for record in records]
        operation: Operation[Any] = Operation((Step("transition", events),), lambda ended: ended)
        entry = Entry(operation, self._loop.create_future())
        # When it fails, the leases end by themselves.
        entry.future.add_done_callback(lambda future: future.exception())
        self._committer.submit([entry])

    async def close(self) -> None:
        """Answer everything that waits, finish what is running, and end the threads."""
        self._stopping = True
        self._room.close()
        self._watch.close()
        await self.chores.stop()
        for task in self._background:
            task.cancel()
        self._committer.stop()
        self._reader.stop()
        await ended([*self._committer.threads, self._reader.thread])

    def start(self) -> None:
        """Begin with the chores."""
        self.chores.start()

    def stop_waiting(self) -> None:
        """Answer waiting claims with nothing and waiting readers with what is there."""
        self._room.close()
        self._watch.close()

    # -- methods --------------------------------------------------------------------------------

    async def queue(self, call: p.QueueParams) -> Record:
        if not self._limits.are_set:
            return await super().queue(call)
        async with self._limits.room_for(Counter([call.name]), "tasks"):
            return await super().queue(call)

    async def queue_many(self, call: p.QueueManyParams) -> list[Record]:
        if not self._limits.are_set:
            return await super().queue_many(call)
        async with self._limits.room_for(Counter(task.name for task in call.tasks), "tasks"):
            return await super().queue_many(call)

    async def get_task(self, call: p.GetTaskParams, wait: float) -> Record:
        if wait <= 0:
            return await self.stored(call.id)
        finished = self._watch.add(call.id)
        try:
            record = await self.stored(call.id)
            if record.status not in UNFINISHED or self._watch.closed:
                return record
            await asyncio.wait({finished}, timeout=wait)
            told = finished.result() if finished.done() else None
            return told or await self.stored(call.id)
        finally:
            self._watch.remove(call.id, finished)

    async def claim(
        self, call: p.ClaimParams, wait: float, alive: Callable[[], bool]
    ) -> list[Record]:
        operation = self.rules.claim(call)
        if self._stopping:
            return []
        stored = self._sightings.saw(call.worker, call.names)
        if await self._sightings.still_drains(call.worker, stored) or self._stopping:
            return []
        return await self._room.claim(operation, wait, alive)

    async def heartbeat(self, call: p.HeartbeatParams) -> tuple[list[Record | QueueError], bool]:
        stored = self._sightings.saw(call.worker)
        extended = await self.write(self.rules.heartbeat(call)) if call.leases else []
        if stored is not None:
            await asyncio.wait({stored}, timeout=patience.PATIENCE)
        return extended, self._sightings.is_draining(call.worker)

    async def report(
        self, call: p.ReportParams, alive: Callable[[], bool]
    ) -> tuple[list[Ended], list[Record]]:
        # Who waits for a result is told from the record, without another read.
        watched = self._watch.watched(outcome.id for outcome in call.outcomes)
        report = self.rules.report(call, records=bool(watched))
        if call.names is None:
            return await self.write(report), []
        claim = self.rules.claim(call)
        self._sightings.saw(call.worker, call.names)
        # Two operations of one transaction: what has ended counts even if nobody is there any
        # more to take the next tasks.
        reported, claimed = self._entry(report), self._entry(claim, alive)
        self._committer.submit([reported, claimed])
        try:
            ended = report.answer(*await reported.future)
        except BaseException:
            self._abandon(claimed)
            raise
        try:
            return ended, claim.answer(*await self._received(claimed))
        except QueueError:
            # What has ended is told all the same: the caller would take it for undone.
            return ended, []

    async def rates(self, call: p.RatesParams) -> Rates:
        return self._rates.rates(call.name)

    def is_waited_for(self, name: str) -> bool:
        return self._room.waits_for(name)

    async def resume(self, call: p.NameParams) -> bool:
        resumed = await super().resume(call)
        self.chores.sweep_now()
        return resumed


_NOTHING: Operation[None] = Operation((), lambda: None)
