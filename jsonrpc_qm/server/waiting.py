"""Who waits for what: claims for tasks of a name, callers for the end of a task.

A waiting claim holds no thread and polls nothing. It is woken when a task of one of its names
becomes due, in the order of arrival, and only as many are as there are tasks. A woken claim asks
the storage; when another was faster, it waits on in its old place.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from jsonrpc_qm.operations import Operation
from jsonrpc_qm.record import UNFINISHED, Record
from jsonrpc_qm.server.entry import Entry


class Waiter:
    """One claim: parked while `resume` waits, else asking the storage."""

    __slots__ = ("alive", "dismissed", "names", "operation", "resume", "told", "wants", "worker")

    def __init__(
        self,
        operation: Operation[list[Record]],
        alive: Callable[[], bool],
    ) -> None:
        claim = operation.steps[0].items[0]
        self.operation = operation
        self.alive = alive
        self.names: Sequence[str] = tuple(dict.fromkeys(claim.names))
        self.wants: int = claim.max_tasks
        self.worker: str | None = claim.worker
        self.resume: asyncio.Future[Entry | None] | None = None
        self.told = 0
        """How many tasks became due while it was asking: the answer may have been too early."""
        self.dismissed = False
        """Whether it is to wait no more."""

    @property
    def parked(self) -> bool:
        """Whether it waits to be told of a task."""
        return self.resume is not None and not self.resume.done()


class ClaimRoom:
    """The waiting claims, by name, in the order of arrival.

    `received` awaits the answers of an entry, and `abandon` gives back what an entry takes that
    nobody awaits any more. `parks` is called with the worker of a claim that begins to wait, and
    with whether it was woken for nothing.
    """

    def __init__(
        self,
        submit: Callable[[Sequence[Entry]], None],
        received: Callable[[Entry], Awaitable[list[list[Any]]]],
        abandon: Callable[[Entry], None],
        parks: Callable[[str | None, bool], None],
    ) -> None:
        self._submit = submit
        self._received = received
        self._abandon = abandon
        self._parks = parks
        self._by_name: dict[str, dict[Waiter, None]] = {}
        self._loop = asyncio.get_running_loop()
        self._closed = False

    async def claim(
        self, operation: Operation[list[Record]], wait: float, alive: Callable[[], bool]
    ) -> list[Record]:
        """Take due tasks, now or as soon as there are some; none after `wait` seconds.

        Cancelling it withdraws the claim, and others hear of the tasks that it was told of.
        """
        waiter = Waiter(operation, alive)
        deadline = self._loop.time() + wait
        self._enter(waiter)
        asking, woken = True, False
        try:
            entry: Entry | None = self._ask(waiter)
            while entry is not None:
                asking = True
                records = operation.answer(*await self._received(entry))
                asking = False
                if records or self._closed or waiter.dismissed or self._loop.time() >= deadline:
                    return records
                if waiter.told:
                    waiter.told = 0
                    entry = self._ask(waiter)
                else:
                    self._parks(waiter.worker, woken)
                    entry = await self._park(waiter, deadline)
                    woken = True
            return []
        finally:
            self._leave(waiter)
            if unserved := waiter.told + asking:
                for name in waiter.names:
                    self.wake(name, unserved)

    def entries_for(self, name: str, tasks: int) -> list[Entry]:
        """Wake as many parked claims of a name as `tasks` need; the entries that serve them.

        The caller submits them, behind the operation that makes the tasks due.
        """
        woken: list[Entry] = []
        for waiter in self._by_name.get(name, ()):
            if tasks <= 0:
                break
            if waiter.parked:
                assert waiter.resume is not None
                entry = self._entry(waiter)
                waiter.resume.set_result(entry)
                woken.append(entry)
                tasks -= waiter.wants
            else:
                waiter.told += tasks
        return woken

    def wake(self, name: str, tasks: int) -> None:
        """Have as many claims of a name ask the storage as `tasks` need."""
        if name in self._by_name:
            self._submit(self.entries_for(name, tasks))

    def dismiss(self, worker: str | None) -> bool:
        """Answer a worker's waiting claims with nothing, everybody's for None; whether there were
        any. One that asks gets what it finds."""
        dismissed = [waiter for waiter in self._waiters if worker in (None, waiter.worker)]
        for waiter in dismissed:
            waiter.dismissed = True
            if waiter.resume is not None:
                _resolve(waiter.resume)
        return bool(dismissed)

    def close(self) -> None:
        """Answer all waiting claims with nothing, and those to come at once."""
        self._closed = True
        self.dismiss(None)

    @property
    def is_empty(self) -> bool:
        """Whether nobody waits for anything."""
        return not self._by_name

    def waits_for(self, name: str) -> bool:
        """Whether a claim for tasks of a name waits, or asks."""
        return name in self._by_name

    @property
    def waiting(self) -> int:
        """How many claims are parked or asking."""
        return len(self._waiters)

    @property
    def workers(self) -> set[str]:
        """Those whose claims are parked or asking."""
        return {waiter.worker for waiter in self._waiters if waiter.worker is not None}

    @property
    def _waiters(self) -> set[Waiter]:
        return {waiter for waiters in self._by_name.values() for waiter in waiters}

    def _entry(self, waiter: Waiter) -> Entry:
        return Entry(waiter.operation, self._loop.create_future(), waiter.alive)

    def _ask(self, waiter: Waiter) -> Entry:
        entry = self._entry(waiter)
        self._submit([entry])
        return entry

    async def _park(self, waiter: Waiter, deadline: float) -> Entry | None:
        """Wait to be told of a task; the entry that asks for it then, None at the end."""
        resume: asyncio.Future[Entry | None] = self._loop.create_future()
        waiter.resume = resume
        timer = self._loop.call_at(deadline, _resolve, resume)
        try:
            return await resume
        except asyncio.CancelledError:
            if not resume.cancelled() and (entry := resume.result()) is not None:
                waiter.told += waiter.wants
                self._abandon(entry)
            raise
        finally:
            timer.cancel()
            waiter.resume = None

    def _enter(self, waiter: Waiter) -> None:
        for name in waiter.names:
            self._by_name.setdefault(name, {})[waiter] = None

    def _leave(self, waiter: Waiter) -> None:
        for name in waiter.names:
            waiters = self._by_name[name]
            del waiters[waiter]
            if not waiters:
                del self._by_name[name]


def _resolve(future: "asyncio.Future[Any]") -> None:
    if not future.done():
        future.set_result(None)


class TaskWatch:
    """Callers that wait for a task to finish."""

    def __init__(self) -> None:
        self._by_id: dict[str, set[asyncio.Future[Record | None]]] = {}
        self.closed = False
        """Whether nobody is to wait any more."""

    @property
    def ids(self) -> list[str]:
        """The tasks that somebody waits for."""
        return list(self._by_id)

    def watched(self, ids: Iterable[str]) -> list[str]:
        """Those of some tasks that somebody waits for."""
        return [id for id in ids if id in self._by_id] if self._by_id else []

    def add(self, id: str) -> "asyncio.Future[Record | None]":
        """A future that gets the task when it has finished; None when waiting is over."""
        future: asyncio.Future[Record | None] = asyncio.get_running_loop().create_future()
        self._by_id.setdefault(id, set()).add(future)
        return future

    def remove(self, id: str, future: "asyncio.Future[Record | None]") -> None:
        """Stop waiting."""
        futures = self._by_id[id]
        futures.discard(future)
        if not futures:
            del self._by_id[id]

    def tell(self, record: Record) -> None:
        """A task has changed."""
        if self._by_id and record.id in self._by_id and record.status not in UNFINISHED:
            for future in self._by_id[record.id]:
                if not future.done():
                    future.set_result(record)

    def close(self) -> None:
        """Waiting is over for all."""
        self.closed = True
        for futures in self._by_id.values():
            for future in futures:
                _resolve(future)
