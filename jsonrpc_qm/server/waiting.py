"""Who waits for what: claims for tasks of a name, callers for the end of a task.

A waiting claim holds no thread and polls nothing. It is woken when a task of one of its names
becomes due, in the order of arrival, and only as many are as there are tasks. A woken claim asks
the storage; when another was faster, it waits on in its old place.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from jsonrpc_qm.operations import Operation
from jsonrpc_qm.record import UNFINISHED, Record
from jsonrpc_qm.server.committer import Entry


class Waiter:
    """One claim: parked while `resume` is set, else asking the storage."""

    __slots__ = ("alive", "missed", "names", "operation", "resume", "wants", "worker")

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
        self.missed = False
        """A task became due while it was asking: it may have come too late for the answer."""


class ClaimRoom:
    """The waiting claims, by name, in the order of arrival."""

    def __init__(
        self,
        submit: Callable[[Sequence[Entry]], None],
        received: Callable[[Entry], Awaitable[list[list[Any]]]],
    ) -> None:
        self._submit = submit
        self._received = received
        self._by_name: dict[str, dict[Waiter, None]] = {}
        self._loop = asyncio.get_running_loop()
        self._closed = False

    async def claim(
        self, operation: Operation[list[Record]], wait: float, alive: Callable[[], bool]
    ) -> list[Record]:
        """Take due tasks, now or as soon as there are some; none after `wait` seconds.

        Cancelling it withdraws the claim; what it had taken by then is the committer's to return.
        """
        waiter = Waiter(operation, alive)
        deadline = self._loop.time() + wait
        self._enter(waiter)
        try:
            entry: Entry | None = self._entry(waiter)
            assert entry is not None
            self._submit([entry])
            while entry is not None:
                waiter.missed = False
                records = operation.answer(*await self._received(entry))
                if records or self._closed or self._loop.time() >= deadline:
                    return records
                entry = self._entry(waiter) if waiter.missed else None
                if entry is not None:
                    self._submit([entry])
                else:
                    entry = await self._park(waiter, deadline)
            return []
        finally:
            self._leave(waiter)

    def entries_for(self, name: str, tasks: int) -> list[Entry]:
        """Wake as many parked claims of a name as `tasks` need; the entries that serve them.

        The caller submits them, behind the operation that makes the tasks due.
        """
        woken: list[Entry] = []
        for waiter in self._by_name.get(name, ()):
            if tasks <= 0:
                break
            if waiter.resume is None:
                waiter.missed = True
            elif not waiter.resume.done():
                entry = self._entry(waiter)
                waiter.resume.set_result(entry)
                woken.append(entry)
                tasks -= waiter.wants
        return woken

    def wake(self, name: str, tasks: int) -> None:
        """Have as many claims of a name ask the storage as `tasks` need."""
        if name in self._by_name:
            self._submit(self.entries_for(name, tasks))

    def dismiss(self, worker: str | None) -> None:
        """Answer a worker's waiting claims with nothing; everybody's for None."""
        for waiters in list(self._by_name.values()):
            for waiter in waiters:
                parked = waiter.resume is not None and not waiter.resume.done()
                if parked and worker in (None, waiter.worker):
                    waiter.resume.set_result(None)  # type: ignore[union-attr]

    def close(self) -> None:
        """Answer all waiting claims with nothing, and those to come at once."""
        self._closed = True
        self.dismiss(None)

    @property
    def waiting(self) -> int:
        """How many claims are parked or asking."""
        return len({waiter for waiters in self._by_name.values() for waiter in waiters})

    def _entry(self, waiter: Waiter) -> Entry:
        return Entry(waiter.operation, self._loop.create_future(), waiter.alive)

    async def _park(self, waiter: Waiter, deadline: float) -> Entry | None:
        waiter.resume = self._loop.create_future()
        timer = self._loop.call_at(deadline, _resolve, waiter.resume)
        try:
            return await waiter.resume
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
            elif waiter.missed:
                # It was told of a task that it did not take.
                self.wake(name, 1)


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
