"""The verbs of the protocol as Python methods, whoever carries them out."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from jsonrpc_qm.answers import (
    Explanation,
    HeartbeatAnswer,
    Rates,
    ReportAnswer,
    TaskPage,
    TaskTransition,
    WorkerInfo,
)
from jsonrpc_qm.client import calls
from jsonrpc_qm.client.calls import Call, Which
from jsonrpc_qm.client.waiting import not_in_time, result_of, waits
from jsonrpc_qm.retry import Backoff
from jsonrpc_qm.task import ClaimedTask, Task

T = TypeVar("T")


class Verbs(ABC):
    """What a manager does for producers, workers and operators.

    Arguments, ranges and refusals are those of docs/protocol.md, "Methods"; None stands for the
    manager's default. A value that has no JSON form raises InvalidParams.
    """

    @abstractmethod
    def close(self) -> None:
        """Release what the verbs need; the end of a `with` block does so too."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @abstractmethod
    def _send(self, call: Call[T]) -> T:
        """Have a call carried out.

        Raises:
            QueueError: it was refused, or could not be carried out.
        """

    def queue(
        self,
        name: str,
        parameters: Any = None,
        *,
        priority: int | None = None,
        delay: float | None = None,
        run_at: datetime | None = None,
        max_attempts: int | None = None,
        max_lost: int | None = None,
        lease: float | None = None,
        timeout: float | None = None,
        expires_in: float | None = None,
        backoff: Backoff | None = None,
        unique_key: str | None = None,
        id: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Task:
        """Store a task; when this returns, it is on stable storage.

        Args:
            name: what workers register for; 1 to 200 characters.
            parameters: any JSON value.
            priority: higher is claimed first; -1,000,000 to 1,000,000.
            delay: seconds until it may be claimed; not together with `run_at`.
            run_at: when it may be claimed; an aware datetime.
            max_attempts: how many attempts may fail; from 1.
            max_lost: how many leases may expire; from 0.
            lease: seconds that a claim lasts without a heartbeat; 0.1 to 30 days.
            timeout: seconds that one attempt may run.
            expires_in: seconds after which it fails if it has not started.
            backoff: how long failed attempts wait.
            unique_key: while an unfinished task of this name has it, that one is returned.
            id: 1 to 64 of `A-Za-z0-9._:-`; a UUIDv7 made here by default.
            metadata: up to 32 strings, never interpreted.

        Raises:
            Conflict: the id is taken by a different task.
            TooLarge: parameters are over the manager's limit.
        """
        return self._send(
            calls.queue(
                name,
                parameters,
                priority=priority,
                delay=delay,
                run_at=run_at,
                max_attempts=max_attempts,
                max_lost=max_lost,
                lease=lease,
                timeout=timeout,
                expires_in=expires_in,
                backoff=backoff,
                unique_key=unique_key,
                id=id,
                metadata=metadata,
            )
        )

    def queue_many(self, tasks: Sequence[Mapping[str, Any]]) -> list[Task]:
        """Store up to 10,000 tasks, all or none; each a mapping of `queue`'s arguments."""
        return self._send(calls.queue_many(tasks))

    def get_task(self, id: str, *, wait: float = 0.0) -> Task:
        """The task as it is, or once it is finished: `wait` up to 55 seconds for that.

        Raises:
            TaskNotFound: there is none.
        """
        return self._send(calls.get_task(id, wait))

    def result(self, id: str, *, timeout: float | None = None) -> Any:
        """The result of a task, once it is completed.

        Args:
            id: the task's.
            timeout: seconds that it may take; None for as long as it takes.

        Raises:
            TaskFailed: it has failed or was cancelled; the error's `task` is the task.
            TimeoutError: it is not finished in time, and goes on.
            TaskNotFound: there is none.
        """
        for wait in waits(timeout):
            task = self.get_task(id, wait=wait)
            if task.finished:
                return result_of(task)
        raise not_in_time(id, timeout)

    def list_tasks(
        self,
        *,
        name: str | None = None,
        status: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
        query: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> TaskPage:
        """Up to `limit` (1 to 1000) tasks, newest first; `cursor` from the page before.

        Only those queued from `since` on and before `until`, with the text `query` in their id or
        their parameters as compact JSON. A page of such a search may be short, or empty, and have
        a `next_cursor` nevertheless.
        """
        which = {"name": name, "status": status, "query": query, "since": since, "until": until}
        return self._send(calls.list_tasks(limit=limit, cursor=cursor, **which))

    def history(self, id: str) -> list[TaskTransition]:
        """What has happened to a task, in order; the latest hundred steps, after the first.

        Raises:
            TaskNotFound: there is none.
        """
        return self._send(calls.history(id))

    def explain(self, id: str) -> Explanation:
        """Why a task isn't running, or what it is doing.

        Raises:
            TaskNotFound: there is none.
        """
        return self._send(calls.explain(id))

    def cancel(self, id: str) -> Task:
        """Cancel a queued task; ask the worker of a started one to end it.

        Raises:
            TaskNotFound, InvalidState: there is none, or it is completed or failed.
        """
        return self._send(calls.cancel(id))

    def retry(self, id: str) -> Task:
        """Queue a failed or cancelled task again, as if it had never been tried.

        Raises:
            TaskNotFound, InvalidState: there is none, or it is neither failed nor cancelled.
            Unavailable: with `answer_lost` in its data, it may be queued again; it is not repeated.
        """
        return self._send(calls.retry(id))

    def delete_task(self, id: str) -> bool:
        """Delete a finished task; True.

        Raises:
            TaskNotFound, InvalidState: there is none, or it is not finished.
            Unavailable: with `answer_lost` in its data, it may be gone; it is not repeated.
        """
        return self._send(calls.delete_task(id))

    def claim(
        self,
        names: Sequence[str],
        *,
        worker: str | None = None,
        max_tasks: int = 1,
        wait: float = 20.0,
        lease: float | None = None,
    ) -> list[ClaimedTask]:
        """Take up to `max_tasks` (1 to 1000), waiting up to `wait` (0 to 55) seconds for the first.

        Each has its `token`. `lease` in seconds; each task's own by default. When an answer got
        lost, a new claim is made, and the manager takes back what the lost one held: at once if it
        could see that the connection was gone, else when the lease expires.
        """
        return self._send(
            calls.claim(names, worker=worker, max_tasks=max_tasks, wait=wait, lease=lease)
        )

    def heartbeat(
        self, leases: Sequence[Mapping[str, Any]], *, worker: str | None = None
    ) -> HeartbeatAnswer:
        """Extend leases: members `id`, `token`, and maybe `progress` and `lease` (seconds)."""
        return self._send(calls.heartbeat(leases, worker))

    def complete(
        self,
        id: str,
        token: int,
        *,
        result: Any = None,
        queue: Sequence[Mapping[str, Any]] = (),
    ) -> Task:
        """Finish a claimed task; `queue` holds tasks to store in the same transaction.

        Raises:
            LeaseLost: somebody else has it, or it is finished.
        """
        return self._send(calls.complete(id, token, result, queue))

    def fail(
        self,
        id: str,
        token: int,
        error: Mapping[str, Any],
        *,
        retry: bool = True,
        delay: float | None = None,
    ) -> Task:
        """End a failed attempt: `error` has `type`, `message`, maybe `traceback` and `data`.

        With `retry` it runs again, after `delay` seconds or its backoff, if attempts are left.

        Raises:
            LeaseLost: somebody else has it, or it is finished.
        """
        return self._send(calls.fail(id, token, error, retry=retry, delay=delay))

    def release(self, id: str, token: int, *, delay: float | None = None) -> Task:
        """Give a claimed task back untouched, due again after `delay` seconds.

        Raises:
            LeaseLost: somebody else has it, or it is finished.
        """
        return self._send(calls.release(id, token, delay))

    def report(
        self,
        outcomes: Sequence[Mapping[str, Any]],
        *,
        names: Sequence[str] | None = None,
        worker: str | None = None,
        max_tasks: int = 1,
        lease: float | None = None,
    ) -> ReportAnswer:
        """Finish many tasks and, with `names`, take what is due next; never waits.

        An outcome that the manager refuses says so in its place; one that has no JSON form raises
        InvalidParams for all, and nothing is sent. A lost answer is as with `claim`.
        """
        options = {"names": names, "worker": worker, "max_tasks": max_tasks, "lease": lease}
        return self._send(calls.report(outcomes, **options))

    def stats(self) -> dict[str, Any]:
        """How many tasks each name has in which state (docs/protocol.md, `stats`)."""
        return self._send(calls.stats())

    def rates(self, name: str | None = None) -> Rates:
        """How many tasks of each name came and went, in steps of ten seconds over the last hour;
        of the manager that answers, since it started."""
        return self._send(calls.rates(name))

    def workers(self) -> list[WorkerInfo]:
        """The workers that the manager has heard of lately."""
        return self._send(calls.workers())

    def drain(self, worker: str) -> bool:
        """Ask a worker to finish what it has and stop; True."""
        return self._send(calls.drain(worker))

    def pause(self, name: str) -> bool:
        """Let no task of this name be claimed; True."""
        return self._send(calls.pause(name))

    def resume(self, name: str) -> bool:
        """Let tasks of this name be claimed again; True."""
        return self._send(calls.resume(name))

    def retry_many(self, **which: Unpack[Which]) -> int:
        """Queue failed and cancelled tasks again: those that `which` describes, or all; how many.

        Args:
            which: `ids`, up to 10,000, or any of `name`, `status`, `query`, `since` and `until`, as
                `list_tasks` takes them; with `dry_run=True` they are only counted.

        Raises:
            Unavailable: with `answer_lost` in its data, a part may be done; it is not repeated.
        """
        return self._send(calls.change_many("retry_many", which))

    def cancel_many(self, **which: Unpack[Which]) -> int:
        """Cancel queued and started tasks, as `retry_many` queues them again."""
        return self._send(calls.change_many("cancel_many", which))

    def delete_many(self, **which: Unpack[Which]) -> int:
        """Delete finished tasks, as `retry_many` queues them again."""
        return self._send(calls.change_many("delete_many", which))

    def purge(
        self,
        *,
        name: str | None = None,
        status: str | None = None,
        older_than: float | None = None,
    ) -> int:
        """Delete finished tasks, those that finished `older_than` seconds ago; how many.

        When an answer got lost, the number is of what the repeated call found.
        """
        return self._send(calls.purge(name=name, status=status, older_than=older_than))

    def discover(self) -> dict[str, Any]:
        """The manager's OpenRPC document."""
        return self._send(calls.discover())

    def call(self, method: str, params: Mapping[str, Any] | Sequence[Any] | None = None) -> Any:
        """Any method with params as they are, by name or by position; its result as plain JSON.

        Brings no ids, and is not repeated when its answer got lost.
        """
        return self._send(calls.raw(method, params))
