"""The names that a worker process serves, and what each takes to be run."""

import asyncio
import logging
import pickle
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from jsonrpc_qm.errors import TaskNotFound, Unavailable
from jsonrpc_qm.params import LIST_LIMITS
from jsonrpc_qm.task import Task
from jsonrpc_qm.worker.base import PoolName, Worker, check_pool
from jsonrpc_qm.worker.context import Context
from jsonrpc_qm.worker.handler import Handler
from jsonrpc_qm.worker.outcome import Fail
from jsonrpc_qm.worker.source import TaskSource

Kind = Literal["thread", "async", "process"]

logger = logging.getLogger("jsonrpc_qm.worker")

RESULT_SUFFIX = ".handle_result"
"""A task of this name hands the result of another to its Worker's handle_result."""
MAX_NAME = 200
FETCH_PAUSE = 2.0
"""Seconds between tries to read the completed task while the manager is away."""


class Job:
    """What is run for the tasks of one name."""

    __slots__ = ("handler", "kind", "name", "payload", "result_name", "timeout")

    def __init__(self, name: str, handler: Handler, kind: Kind) -> None:
        self.name = name
        self.handler = handler
        self.kind: Kind = kind
        """The pool that it runs in."""
        self.timeout: float | None = None
        """Seconds that an attempt may run, where the pool can enforce it."""
        self.payload = b""
        """The pickled target, for a process."""
        self.result_name: str | None = None
        """The name of the task that is to follow a completed one."""

    def follow_ups(self, task: Task, lease: float) -> list[dict[str, Any]]:
        """What to store together with the task's result; its lease in seconds, like the task's."""
        follow_up = {
            "name": self.result_name,
            "parameters": {"id": task.id},
            "priority": task.priority,
            "lease": lease,
        }
        if task.metadata:
            follow_up["metadata"] = task.metadata
        return [follow_up]


def jobs_of(
    registry: Mapping[str, Worker],
    source: TaskSource,
    *,
    names: Sequence[str] | None = None,
    pool: PoolName = "thread",
) -> dict[str, Job]:
    """The jobs by name: those of `names`, or all, and of their result handlers.

    `pool` is for plain functions that do not say where they run; `source` is asked for completed
    tasks.

    Raises:
        ValueError: a name is not registered, or can't be served, or there is no such pool.
    """
    check_pool(pool)
    jobs: dict[str, Job] = {}
    for name in registry if names is None else names:
        if name not in registry:
            known = ", ".join(sorted(registry)) or "none"
            raise ValueError(f"no worker is registered for {name!r}; registered: {known}")
        worker = registry[name]
        jobs[name] = job = _job_of(name, worker, pool)
        if worker.result_handler is not None:
            job.result_name = name + RESULT_SUFFIX
            if job.result_name in registry or len(job.result_name) > MAX_NAME:
                raise ValueError(f"{name!r} leaves no room for {job.result_name!r}")
            jobs[job.result_name] = _result_job(job.result_name, worker.result_handler, source)
    if not jobs:
        raise ValueError("there is no worker to run: none is registered")
    if len(jobs) > LIST_LIMITS["names"]:
        raise ValueError(f"{len(jobs)} names are too many for one worker process; see --names")
    return jobs


def _job_of(name: str, worker: Worker, pool: PoolName) -> Job:
    handler = Handler(worker.target)
    kind: Kind = worker.pool or ("async" if handler.is_async else pool)
    if kind == "thread" and handler.is_async:
        raise ValueError(f"worker {name!r} is async, so it can't run in a thread")
    job = Job(name, handler, kind)
    job.timeout = worker.timeout
    if kind == "thread" and worker.timeout is not None:
        logger.warning("a thread can't be stopped, so the timeout of %r is not enforced", name)
    if kind == "process":
        try:
            job.payload = pickle.dumps(worker.target)
        except Exception as error:
            raise ValueError(
                f"worker {name!r} can't run in a process, which has to import it: {error}. "
                "Define it at the top level of a module, or use the pool 'thread'."
            ) from error
    return job


def _result_job(name: str, function: Any, source: TaskSource) -> Job:
    inner = Handler(function)

    def handle(id: str, context: Context) -> None:
        inner.call([_completed_task(source, id, context)], context)

    async def handle_async(id: str, context: Context) -> None:
        task = await asyncio.to_thread(_completed_task, source, id, context)
        await inner.call([task], context)

    if inner.is_async:
        return Job(name, Handler(handle_async), "async")
    return Job(name, Handler(handle), "thread")


def _completed_task(source: TaskSource, id: str, context: Context) -> Task:
    while True:
        try:
            return source.get_task(id)
        except TaskNotFound as error:
            raise Fail("the completed task has been deleted") from error
        except Unavailable:
            context.raise_if_cancelled()
            time.sleep(FETCH_PAUSE)
