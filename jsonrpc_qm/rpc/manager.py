"""What the methods ask: the manager, whatever carries its operations out.

The server's Service shares transactions among its callers and can wait; LocalManager works on the
storage right where it is called.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from msgspec.structs import replace

from jsonrpc_qm import params as p
from jsonrpc_qm.answers import Explanation, Rates
from jsonrpc_qm.division import Division, told
from jsonrpc_qm.errors import QueueError, TaskNotFound
from jsonrpc_qm.moments import datetime_of
from jsonrpc_qm.operations import MAX_PAYLOAD, PURGE_BATCH, Ended, Operation, Rules
from jsonrpc_qm.record import UNFINISHED, Record
from jsonrpc_qm.rpc.explaining import explained
from jsonrpc_qm.rpc.many import change_many, listing_of
from jsonrpc_qm.rpc.reaching import shown_of, with_running
from jsonrpc_qm.storage.base import WORKER_GONE, NameStats, Page, Reach, Storage, WorkerRow
from jsonrpc_qm.task import FINISHED
from jsonrpc_qm.version import VERSION

T = TypeVar("T")


class Manager(ABC):
    """The methods of protocol.md on checked params, but for how to write, read and wait."""

    def __init__(self, storage: Storage, *, max_payload: int = MAX_PAYLOAD) -> None:
        self.storage = storage
        self.rules = Rules(storage.now, max_payload=max_payload)
        self._started = time.monotonic()

    @abstractmethod
    async def write(self, operation: Operation[T]) -> T:
        """Carry an operation out; it is on stable storage when this returns."""

    @abstractmethod
    async def read(self, read: Callable[..., T], *args: Any) -> T:
        """Call one of the storage's reading verbs."""

    @abstractmethod
    async def get_task(self, call: p.GetTaskParams, wait: float) -> Record: ...

    @abstractmethod
    async def claim(
        self, call: p.ClaimParams, wait: float, alive: Callable[[], bool]
    ) -> list[Record]: ...

    @abstractmethod
    async def report(
        self, call: p.ReportParams, alive: Callable[[], bool]
    ) -> tuple[list[Ended], list[Record]]: ...

    @abstractmethod
    async def heartbeat(
        self, call: p.HeartbeatParams
    ) -> tuple[Sequence[Record | QueueError], bool]: ...

    async def stored(self, id: str) -> Record:
        """The task as it is, or TaskNotFound."""
        record = (await self.read(self.storage.get, [id]))[0]
        if record is None:
            raise TaskNotFound.of(id)
        return record

    async def queue(self, call: p.QueueParams) -> Record:
        return await self.write(self.rules.queue(call))

    async def queue_many(self, call: p.QueueManyParams) -> list[Record]:
        return await self.write(self.rules.queue_many(call))

    # `reach`: the names that the caller may see, None for all.

    async def list_tasks(self, call: p.ListTasksParams, reach: Reach | None = None) -> Page:
        listing = replace(listing_of(call), reach=reach)
        return await self.read(self.storage.page, listing, call.limit or 50, call.cursor)

    async def explain(self, call: p.IdParams, reach: Reach | None = None) -> Explanation:
        record, now = await self.stored(call.id), self.storage.now()
        stats = (await self.read(self.storage.stats, now)).get(record.name, NameStats())
        waiting = self.is_waited_for(record.name)
        workers = await self.living_workers(reach)
        return explained(record, now, stats, workers, waiting=waiting)

    async def rates(self, call: p.RatesParams) -> Rates:
        return Rates(interval=10.0, until=datetime_of(self.storage.now()), names={})

    def is_waited_for(self, name: str) -> bool:
        """Whether a claim for tasks of a name waits."""
        return False

    async def retry_many(self, call: p.RetryManyParams) -> int:
        return await change_many(self, call, self.rules.retry_many, ("failed", "cancelled"))

    async def cancel_many(self, call: p.CancelManyParams) -> int:
        return await change_many(self, call, self.rules.cancel_many, ("queued", "started"))

    async def delete_many(self, call: p.DeleteManyParams) -> int:
        return await change_many(self, call, self.rules.delete_many, tuple(FINISHED))

    async def cancel(self, call: p.IdParams) -> Record:
        return await self.write(self.rules.cancel(call))

    async def retry(self, call: p.IdParams) -> Record:
        return await self.write(self.rules.retry(call))

    async def delete_task(self, call: p.IdParams) -> bool:
        return await self.write(self.rules.delete_task(call))

    async def complete(self, call: p.CompleteParams) -> Record:
        return await self.write(self.rules.complete(call))

    async def fail(self, call: p.FailParams) -> Record:
        return await self.write(self.rules.fail(call))

    async def release(self, call: p.ReleaseParams) -> Record:
        return await self.write(self.rules.release(call))

    async def stats(self) -> dict[str, NameStats]:
        return await self.read(self.storage.stats, self.storage.now())

    async def workers(self, reach: Reach | None = None) -> list[WorkerRow]:
        rows = await self.read(self.storage.workers)
        return rows if reach is None else await with_running(self, shown_of(rows, reach), reach)

    async def living_workers(self, reach: Reach | None = None) -> list[WorkerRow]:
        """Those that were heard of within WORKER_GONE."""
        since = self.storage.now() - WORKER_GONE
        return [row for row in await self.workers(reach) if row.last_seen >= since]

    async def drain(self, call: p.DrainParams) -> bool:
        return await self.write(self.rules.drain(call))

    async def pause(self, call: p.NameParams) -> bool:
        return await self.write(self.rules.pause(call))

    async def resume(self, call: p.NameParams) -> bool:
        return await self.write(self.rules.resume(call))

    async def purge(self, call: p.PurgeParams) -> int:
        operation = self.rules.purge(call)
        purged = batch = await self.write(operation)
        while batch == PURGE_BATCH:
            batch = await self.write(operation)
            purged += batch
        return purged

    def about(self) -> dict[str, Any]:
        """What `stats` says of the manager."""
        uptime = round(time.monotonic() - self._started, 3)
        return {"version": VERSION, "uptime": uptime, "storage": self.storage.url}


LOOK_EVERY = 0.02
"""Seconds between two looks of a call that waits on the storage itself."""


class LocalManager(Manager):
    """The manager without a server: it works on the storage in the calling thread.

    Its methods never suspend: what waits sleeps, and looks again.
    """

    def __init__(self, storage: Storage, *, max_payload: int = MAX_PAYLOAD) -> None:
        super().__init__(storage, max_payload=max_payload)
        self._division = Division(storage)

    async def write(self, operation: Operation[T]) -> T:
        [answer] = self._division.execute([operation])
        return told(operation, answer)

    async def read(self, read: Callable[..., T], *args: Any) -> T:
        return read(*args)

    async def get_task(self, call: p.GetTaskParams, wait: float) -> Record:
        deadline = time.monotonic() + wait
        record = await self.stored(call.id)
        while record.status in UNFINISHED and time.monotonic() < deadline:
            time.sleep(LOOK_EVERY)
            record = await self.stored(call.id)
        return record

    async def claim(
        self, call: p.ClaimParams, wait: float, alive: Callable[[], bool]
    ) -> list[Record]:
        deadline = time.monotonic() + wait
        await self._saw(call.worker, call.names)
        records = await self.write(self.rules.claim(call))
        while not records and time.monotonic() < deadline and alive():
            time.sleep(LOOK_EVERY)
            records = await self.write(self.rules.claim(call))
        return records

    async def report(
        self, call: p.ReportParams, alive: Callable[[], bool]
    ) -> tuple[list[Ended], list[Record]]:
        report = self.rules.report(call)
        if call.names is None:
            return await self.write(report), []
        claim = self.rules.claim(call)
        reported, claimed = self._division.execute([report, claim])
        ended = told(report, reported)
        # What has ended is told all the same: the caller would take it for undone.
        return ended, [] if isinstance(claimed, QueueError) else told(claim, claimed)

    async def heartbeat(
        self, call: p.HeartbeatParams
    ) -> tuple[Sequence[Record | QueueError], bool]:
        draining = await self._saw(call.worker)
        return await self.write(self.rules.heartbeat(call)), draining

    async def _saw(self, worker: str | None, names: Sequence[str] = ()) -> bool:
        return False if worker is None else await self.write(self.rules.saw(worker, names))


def finished(coroutine: Coroutine[Any, Any, T]) -> T:
    """The value of a method of a LocalManager, or of one of the method table on it."""
    try:
        coroutine.send(None)
    except StopIteration as finish:
        value: T = finish.value
        return value
    raise RuntimeError("a method of a LocalManager suspended")
