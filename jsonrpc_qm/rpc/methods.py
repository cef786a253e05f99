"""The methods of protocol.md: check, ask the manager, shape the answer; no rules here.

Their docstrings are the methods' descriptions in the OpenRPC document.
"""

from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import msgspec

from jsonrpc_qm import answers
from jsonrpc_qm import params as p
from jsonrpc_qm.access.grants import Grant
from jsonrpc_qm.errors import (
    Conflict,
    Forbidden,
    InvalidParams,
    InvalidState,
    LeaseLost,
    QueueError,
    TaskNotFound,
    TooLarge,
    Unavailable,
)
from jsonrpc_qm.history import transitions_of
from jsonrpc_qm.record import Record
from jsonrpc_qm.rpc import wire
from jsonrpc_qm.rpc.manager import Manager
from jsonrpc_qm.rpc.reaching import shown_of
from jsonrpc_qm.storage.base import NameStats, Reach
from jsonrpc_qm.task import Task


class Call:
    """What a method knows of the call besides its params."""

    def __init__(self) -> None:
        self.may_wait = True
        """False in a batch, whose members never wait."""
        self.claimed: list[Record] = []
        """The tasks that go out with the answer, to be given back when it can't be delivered."""
        self.grant: Grant | None = None
        """What the caller may do; None where there are no tokens, and all may do everything."""

    @property
    def reach(self) -> Reach | None:
        """Which names the caller may see; None for all."""
        return None if self.grant is None or self.grant.everywhere else self.grant.covers

    def address(self) -> str:
        """Where the caller is, for the log."""
        return "here"

    def alive(self) -> bool:
        """Whether the caller is still there to get the answer."""
        return True

    def waiting(self) -> AbstractContextManager[None]:
        """To be entered while the call waits for something; Unavailable where too many do."""
        return nullcontext()

    def headers(self) -> Mapping[str, str]:
        """What came with the call; nothing when it did not travel."""
        return {}

    def url(self) -> str | None:
        """Where the caller found the endpoint; None when it did not need one."""
        return None


class Notification(Call):
    """A call whose answer nobody gets."""

    def __init__(self, call: Call) -> None:
        super().__init__()
        self._call = call
        self.grant = call.grant
        self.may_wait = False

    def address(self) -> str:
        return self._call.address()

    def alive(self) -> bool:
        return False


async def queue(manager: Manager, call: Call, given: p.QueueParams) -> Any:
    """Once answered, the task is on stable storage. With an `id` the call is safe to send again."""
    return wire.task(await manager.queue(given))


async def queue_many(manager: Manager, call: Call, given: p.QueueManyParams) -> Any:
    """Objects with queue's params: all are stored, or none."""
    return [wire.task(record) for record in await manager.queue_many(given)]


async def get_task(manager: Manager, call: Call, given: p.GetTaskParams) -> Any:
    """With `wait` the answer comes once the task has finished, or else when the time is over."""
    if not given.wait or not call.may_wait:
        return wire.task(await manager.get_task(given, 0.0))
    with call.waiting():
        return wire.task(await manager.get_task(given, given.wait))


async def list_tasks(manager: Manager, call: Call, given: p.ListTasksParams) -> Any:
    """The newest first, a page at a time; `next_cursor` leads to the next page."""
    page = await manager.list_tasks(given, call.reach)
    tasks = [wire.task(record) for record in page.records]
    return {"tasks": tasks, "next_cursor": page.next_cursor}


async def history(manager: Manager, call: Call, given: p.IdParams) -> Any:
    """In order; of a task that was tried very often, the first and the latest hundred."""
    record = await manager.stored(given.id)
    return [wire.transition(step) for step in transitions_of(record)]


async def explain(manager: Manager, call: Call, given: p.IdParams) -> Any:
    """One reason or several: a paused name, a time to come, no worker, others before it."""
    return wire.explanation(await manager.explain(given, call.reach))


async def cancel(manager: Manager, call: Call, given: p.IdParams) -> Any:
    """A queued task is cancelled at once; a started one by its worker, which hears of it.

    A cancelled task gives the same answer again.
    """
    return wire.task(await manager.cancel(given))


async def retry(manager: Manager, call: Call, given: p.IdParams) -> Any:
    """It is queued as if it had never been claimed: attempts and lost are 0 again."""
    return wire.task(await manager.retry(given))


async def delete_task(manager: Manager, call: Call, given: p.IdParams) -> Any:
    """Finished tasks only; the others are to be cancelled first."""
    return await manager.delete_task(given)


DEFAULT_CLAIM_WAIT = 20.0
"""Seconds that a claim waits unless it says otherwise."""


async def claim(manager: Manager, call: Call, given: p.ClaimParams) -> Any:
    """The answer comes as soon as something is due, or empty after `wait` seconds.

    Highest priority first, then oldest run_at, across all names. In a batch it never waits.
    """
    wait = DEFAULT_CLAIM_WAIT if given.wait is None else given.wait
    with call.waiting() if wait and call.may_wait else nullcontext():
        claimed = await manager.claim(given, wait if call.may_wait else 0.0, call.alive)
    call.claimed.extend(claimed)
    return wire.claimed_tasks(claimed)


async def heartbeat(manager: Manager, call: Call, given: p.HeartbeatParams) -> Any:
    """A lost lease is ok=false, not an error.

    `drain`: an operator asks this worker to finish what it has and stop.
    """
    extended, drain = await manager.heartbeat(given)
    leases = [wire.lease(g.id, e) for g, e in zip(given.leases, extended, strict=True)]
    return {"leases": leases, "drain": drain}


async def complete(manager: Manager, call: Call, given: p.CompleteParams) -> Any:
    """The same call again, after a lost answer, is answered as the first time."""
    return wire.task(await manager.complete(given))


async def fail(manager: Manager, call: Call, given: p.FailParams) -> Any:
    """It is queued again after its backoff, or failed for good after max_attempts failures."""
    return wire.task(await manager.fail(given))


async def release(manager: Manager, call: Call, given: p.ReleaseParams) -> Any:
    """The claim does not count as an attempt."""
    return wire.task(await manager.release(given))


async def report(manager: Manager, call: Call, given: p.ReportParams) -> Any:
    """An outcome that is refused carries its error, and holds nothing else back.

    Without `names` nothing is claimed. Never waits.
    """
    ended, claimed = await manager.report(given, call.alive)
    call.claimed.extend(claimed)
    outcomes = [wire.outcome(g.id, e) for g, e in zip(given.outcomes, ended, strict=True)]
    return {"outcomes": outcomes, "tasks": wire.claimed_tasks(claimed)}


async def stats(manager: Manager, call: Call, given: p.NoParams) -> Any:
    """`queued` are due now, `scheduled` are queued with run_at ahead. Cheap at any size."""
    rows = await manager.stats()
    workers = shown_of(await manager.living_workers(), call.reach)
    return {"names": rows, "workers": len(workers), "manager": manager.about()}


async def rates(manager: Manager, call: Call, given: p.RatesParams) -> Any:
    """Of this manager, over the last hour or since it started, in steps of ten seconds."""
    return wire.rates(await manager.rates(given))


async def workers(manager: Manager, call: Call, given: p.NoParams) -> Any:
    """By name, with what they asked for and how many tasks they hold."""
    return [wire.worker(row) for row in await manager.workers(call.reach)]


async def drain(manager: Manager, call: Call, given: p.DrainParams) -> Any:
    """It claims nothing more, and hears of it in its next heartbeat."""
    return await manager.drain(given)


async def pause(manager: Manager, call: Call, given: p.NameParams) -> Any:
    """It is still queued to."""
    return await manager.pause(given)


async def resume(manager: Manager, call: Call, given: p.NameParams) -> Any:
    """What is due goes to the claims that wait."""
    return await manager.resume(given)


async def retry_many(manager: Manager, call: Call, given: p.RetryManyParams) -> Any:
    """Failed and cancelled ones that match, in batches; answers how many."""
    return await manager.retry_many(given)


async def cancel_many(manager: Manager, call: Call, given: p.CancelManyParams) -> Any:
    """Queued ones that match at once, started ones by their workers; answers how many."""
    return await manager.cancel_many(given)


async def delete_many(manager: Manager, call: Call, given: p.DeleteManyParams) -> Any:
    """Finished ones that match, in batches; answers how many."""
    return await manager.delete_many(given)


async def purge(manager: Manager, call: Call, given: p.PurgeParams) -> Any:
    """Finished ones that match; answers how many."""
    return await manager.purge(given)


class Method(msgspec.Struct, frozen=True):
    """One row of the method table."""

    handler: Callable[[Any, Call, Any], Coroutine[Any, Any, Any]]
    params: type[p.Params]
    result: Any
    """The type of the answer, for its JSON Schema."""
    summary: str
    errors: tuple[type[QueueError], ...] = ()
    """Those it may answer besides ALWAYS_POSSIBLE and JSON-RPC's own."""

    @property
    def name(self) -> str:
        return self.handler.__name__


class ManagerInfo(msgspec.Struct):
    """What `stats` says of the manager."""

    version: str
    uptime: float
    """Seconds since it started."""
    storage: str
    """Where the tasks are, without credentials."""


class StatsAnswer(msgspec.Struct):
    """What `stats` answers."""

    names: dict[str, NameStats]
    """By name: each that has a task or is paused."""
    workers: int
    """How many workers it has heard of in the last minute."""
    manager: ManagerInfo


_HELD = (TaskNotFound, LeaseLost, TooLarge)
_STATE = (TaskNotFound, InvalidState)

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(queue, p.QueueParams, Task, "Store a task.", (Conflict, TooLarge)),
        Method(
            queue_many,
            p.QueueManyParams,
            list[Task],
            "Store many tasks, all or none.",
            (Conflict, TooLarge),
        ),
        Method(
            get_task,
            p.GetTaskParams,
            Task,
            "Read a task; with wait, when it has finished.",
            (TaskNotFound,),
        ),
        Method(list_tasks, p.ListTasksParams, answers.TaskPage, "List tasks, newest first."),
        Method(
            history,
            p.IdParams,
            list[answers.TaskTransition],
            "Tell what has happened to a task.",
            (TaskNotFound,),
        ),
        Method(
            explain,
            p.IdParams,
            answers.Explanation,
            "Tell why a task isn't running.",
            (TaskNotFound,),
        ),
        Method(cancel, p.IdParams, Task, "Cancel a task, or ask its worker to.", _STATE),
        Method(
            retry, p.IdParams, Task, "Queue a failed or cancelled task anew.", (*_STATE, Conflict)
        ),
        Method(delete_task, p.IdParams, bool, "Delete a finished task.", _STATE),
        Method(claim, p.ClaimParams, list[Task], "Take due tasks; a long poll.", (TooLarge,)),
        Method(
            heartbeat, p.HeartbeatParams, answers.HeartbeatAnswer, "Extend leases.", (TooLarge,)
        ),
        Method(complete, p.CompleteParams, Task, "End a claim: done.", (*_HELD, Conflict)),
        Method(fail, p.FailParams, Task, "End a claim: the attempt failed.", _HELD),
        Method(release, p.ReleaseParams, Task, "End a claim: given back untouched.", _HELD[:2]),
        Method(
            report,
            p.ReportParams,
            answers.ReportAnswer,
            "End many claims and take what is due next.",
            (TooLarge,),
        ),
        Method(stats, p.NoParams, StatsAnswer, "Count tasks by name and state."),
        Method(rates, p.RatesParams, answers.Rates, "Tell how many tasks came and went."),
        Method(workers, p.NoParams, list[answers.WorkerInfo], "List the workers heard of."),
        Method(drain, p.DrainParams, bool, "Ask a worker to finish what it has and stop."),
        Method(pause, p.NameParams, bool, "Stop the claims of a name."),
        Method(resume, p.NameParams, bool, "Let a name be claimed from again."),
        Method(retry_many, p.RetryManyParams, int, "Queue many tasks anew.", (TooLarge,)),
        Method(cancel_many, p.CancelManyParams, int, "Cancel many tasks.", (TooLarge,)),
        Method(delete_many, p.DeleteManyParams, int, "Delete many finished tasks.", (TooLarge,)),
        Method(purge, p.PurgeParams, int, "Delete finished tasks."),
    )
}
"""Every method but `rpc.discover`, by name, in the order of protocol.md."""

ALWAYS_POSSIBLE = (InvalidParams, Unavailable, Forbidden)
"""What any method may answer."""
