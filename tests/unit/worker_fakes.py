"""A manager of cardboard for the workers' tests: no clock, no network, faults on demand."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Condition, Thread
from time import monotonic
from typing import Any

from msgspec.structs import replace

from jsonrpc_qm.answers import HeartbeatAnswer, LeaseState, OutcomeState, ReportAnswer
from jsonrpc_qm.errors import LeaseLost, QueueError, TaskNotFound, Unavailable
from jsonrpc_qm.task import Status, Task
from jsonrpc_qm.worker.attempt import Attempt
from jsonrpc_qm.worker.base import FunctionWorker, Worker
from jsonrpc_qm.worker.handler import Handler
from jsonrpc_qm.worker.jobs import Job
from jsonrpc_qm.worker.runner import Ending, Runner

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PATIENCE = 10.0
"""Seconds that a test waits for what must happen."""


def a_task(id: str = "t1", name: str = "mail", parameters: Any = None, **fields: Any) -> Task:
    """A task as a claim gives it, with a lease of a minute unless `lease` says otherwise."""
    lease = fields.pop("lease", 60.0)
    given: dict[str, Any] = {"status": Status.STARTED, "token": 1, "attempts": 1, **fields}
    return Task(
        id=id,
        name=name,
        parameters=parameters,
        run_at=NOW,
        created_at=NOW,
        updated_at=NOW,
        started_at=NOW,
        lease_expires_at=NOW + timedelta(seconds=lease),
        **given,
    )


def an_attempt(function: Callable[..., Any] | None = None, **fields: Any) -> Attempt:
    """An attempt at a task by a function."""
    handler = Handler(function or (lambda: None))
    job = Job("mail", handler, "async" if handler.is_async else "thread")
    return Attempt(a_task(**fields), job, monotonic())


class FakeManager:
    """Keeps tasks in a dict. Every test of a runner talks to one, through `source`."""

    def __init__(self) -> None:
        self.changed = Condition()
        self.tasks: dict[str, Task] = {}
        self.claims: list[int] = []
        """How many tasks each answered claim asked for, in `claim` or `report`."""
        self.waiting_claims = 0
        self.reports: list[list[dict[str, Any]]] = []
        """The outcomes of each answered report."""
        self.heartbeats: list[list[dict[str, Any]]] = []
        self.lease = 60.0
        self.error: Exception | None = None
        """What every call raises while it is set."""
        self.refuse: Callable[[Mapping[str, Any]], QueueError | None] = lambda outcome: None
        """Says for an outcome why it is refused."""
        self.choke: Callable[[Mapping[str, Any]], Exception | None] = lambda outcome: None
        """Says for an outcome what its whole report raises."""
        self.drain = False
        self.lost: set[str] = set()
        self.cancelled: set[str] = set()
        self._tokens = 0

    def queue(self, name: str = "mail", parameters: Any = None, **fields: Any) -> str:
        """Queue a task and return its id."""
        with self.changed:
            id = fields.pop("id", f"t{len(self.tasks) + 1}")
            queued = {"status": Status.QUEUED, "token": None, "attempts": 0, "lease": self.lease}
            self.tasks[id] = a_task(id, name, parameters, **{**queued, **fields})
            self.changed.notify_all()
            return id

    def source(self) -> "FakeSource":
        """A TaskSource of its own."""
        return FakeSource(self)

    def wait_until(self, reached: Callable[[], Any]) -> None:
        """Wait for something to become true; it is looked at after every call."""
        with self.changed:
            assert self.changed.wait_for(reached, PATIENCE), "it did not happen"

    def finished(self, id: str) -> Task:
        """The task, once it is finished."""
        self.wait_until(lambda: self.tasks[id].finished)
        return self.tasks[id]

    def all_finished(self) -> bool:
        return all(task.finished for task in self.tasks.values())

    def take(self, names: Sequence[str], max_tasks: int) -> list[Task]:
        self.claims.append(max_tasks)
        due = [t for t in self.tasks.values() if t.status == "queued" and t.name in names]
        taken = []
        for task in [] if self.drain else due[:max_tasks]:
            self._tokens += 1
            taken.append(
                replace(task, status=Status.STARTED, attempts=task.attempts + 1, token=self._tokens)
            )
            self.tasks[task.id] = taken[-1]
        return taken

    def end(self, outcome: Mapping[str, Any]) -> QueueError | None:
        """Take an outcome, or say why not."""
        task = self.tasks.get(outcome["id"])
        if task is None:
            return TaskNotFound.of(outcome["id"])
        if task.token != outcome["token"] or task.status != "started":
            return LeaseLost.of(task.id, task.status)
        if refusal := self.refuse(outcome):
            return refusal
        changes: dict[str, Any] = {"status": Status(outcome["status"])}
        if outcome["status"] == "completed":
            changes["result"] = outcome.get("result")
            for follow_up in outcome.get("queue", ()):
                self.queue(**follow_up)
        elif outcome["status"] == "failed":
            changes["error"] = outcome["error"]
        else:
            changes["attempts"] = task.attempts - 1
        self.tasks[task.id] = replace(task, **changes)
        return None


class FakeSource:
    """The TaskSource of a FakeManager."""

    def __init__(self, manager: FakeManager) -> None:
        self._manager = manager
        self.closed = False

    def claim(
        self,
        names: Sequence[str],
        *,
        worker: str | None = None,
        max_tasks: int = 1,
        wait: float = 20.0,
        lease: float | None = None,
    ) -> list[Task]:
        manager = self._manager
        with self._call():
            taken = manager.take(names, max_tasks)
            manager.waiting_claims += 1
            manager.changed.notify_all()
            until = monotonic() + wait
            while not taken and not self.closed and not manager.drain and not manager.error:
                if not manager.changed.wait(until - monotonic()):
                    break
                taken = manager.take(names, max_tasks)
                manager.claims.pop()
            manager.waiting_claims -= 1
            return taken

    def heartbeat(
        self, leases: Sequence[Mapping[str, Any]], *, worker: str | None = None
    ) -> HeartbeatAnswer:
        manager = self._manager
        with self._call():
            manager.heartbeats.append([dict(lease) for lease in leases])
            states = [
                LeaseState(
                    id=lease["id"],
                    ok=lease["id"] not in manager.lost,
                    cancel_requested=lease["id"] in manager.cancelled,
                )
                for lease in leases
            ]
            return HeartbeatAnswer(leases=states, drain=manager.drain)

    def report(
        self,
        outcomes: Sequence[Mapping[str, Any]],
        *,
        names: Sequence[str] | None = None,
        worker: str | None = None,
        max_tasks: int = 1,
        lease: float | None = None,
    ) -> ReportAnswer:
        manager = self._manager
        with self._call():
            for outcome in outcomes:
                if error := manager.choke(outcome):
                    raise error
            manager.reports.append([dict(outcome) for outcome in outcomes])
            states = []
            for outcome in outcomes:
                refusal = manager.end(outcome)
                told = None
                if refusal is not None:
                    told = {"code": refusal.code, "message": refusal.message, "data": refusal.data}
                states.append(OutcomeState(id=outcome["id"], ok=refusal is None, error=told))
            tasks = manager.take(names, max_tasks) if names is not None else []
            return ReportAnswer(outcomes=states, tasks=tasks)

    def get_task(self, id: str) -> Task:
        with self._call():
            if id not in self._manager.tasks:
                raise TaskNotFound.of(id)
            return self._manager.tasks[id]

    def close(self) -> None:
        with self._manager.changed:
            self.closed = True
            self._manager.changed.notify_all()

    @contextmanager
    def _call(self) -> Iterator[None]:
        with self._manager.changed:
            if self.closed:
                raise QueueError("this source is closed")
            if self._manager.error is not None:
                raise self._manager.error
            yield
            self._manager.changed.notify_all()


class RunningWorker:
    """A Runner in a thread."""

    def __init__(self, manager: FakeManager, registry: Mapping[str, Worker], options: Any) -> None:
        self.runner = Runner(registry, manager.source, **options)
        self.ending: Ending | None = None
        self.error: BaseException | None = None
        self._thread = Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.ending = self.runner.run()
        except BaseException as error:
            self.error = error

    def stop(self, grace: float = PATIENCE) -> None:
        """Stop it and wait for its end."""
        self.runner.stop(grace)
        self.join()

    def join(self) -> None:
        """Wait for its end."""
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "the runner did not end"


@contextmanager
def working(
    manager: FakeManager, *functions: Callable[..., Any], **options: Any
) -> Iterator[RunningWorker]:
    """A runner whose workers are these functions, by their names; stopped at the end."""
    registry: dict[str, Worker] = options.pop("registry", {})
    registry.update({function.__name__: FunctionWorker(function) for function in functions})
    worker = RunningWorker(manager, registry, options)
    try:
        yield worker
    finally:
        manager.error = None
        worker.runner.abandon()
        worker.join()


def away() -> Unavailable:
    """What a call raises while there is no manager."""
    return Unavailable("no manager answers")
