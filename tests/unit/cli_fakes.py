"""A manager that only remembers what the command line asked of it."""

import shlex
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Self, cast

from click.testing import CliRunner, Result

from jsonrpc_qm.answers import (
    Explanation,
    HeartbeatAnswer,
    LeaseState,
    NameRates,
    Rates,
    Reason,
    TaskPage,
    TaskTransition,
    WorkerInfo,
)
from jsonrpc_qm.cli.main import cli
from jsonrpc_qm.cli.options import Parts
from jsonrpc_qm.client.sync import Client
from jsonrpc_qm.task import Status, Task

ID = "0198f2a4-6f0e-7cc3-98c4-dc0c0c07398f"
WHEN = datetime(2030, 1, 31, 8, 0, 0, 120_000, tzinfo=UTC)


def a_task(**members: Any) -> Task:
    """A task with everything that a task must have."""
    given = {
        "id": ID,
        "name": "hello",
        "status": Status.QUEUED,
        "run_at": WHEN,
        "created_at": WHEN,
        "updated_at": WHEN,
    }
    return Task(**{**given, **members})


STATS = {
    "names": {
        "hello": {
            "queued": 2,
            "scheduled": 1,
            "started": 0,
            "completed": 10,
            "failed": 1,
            "cancelled": 0,
            "oldest_queued_age": 75.5,
            "paused": True,
        }
    },
    "workers": 1,
    "manager": {"version": "0.1.0", "uptime": 3700.0, "storage": "sqlite:///tasks.db"},
}

WORKER = WorkerInfo(worker="host-1", names=["hello"], last_seen=WHEN, running=2, drain=False)

ANSWERS: dict[str, Any] = {
    "queue": a_task(),
    "get_task": a_task(status=Status.COMPLETED, result={"sum": 3}, finished_at=WHEN),
    "list_tasks": TaskPage(tasks=[a_task()], next_cursor=None),
    "history": [TaskTransition(at=WHEN, to="queued")],
    "explain": Explanation(
        id=ID, status="queued", reasons=[Reason(code="paused", message="hello is paused")]
    ),
    "rates": Rates(interval=10, until=WHEN, names={"hello": NameRates(queued=[4], finished=[2])}),
    "retry_many": 3,
    "cancel_many": 3,
    "delete_many": 3,
    "cancel": a_task(status=Status.CANCELLED),
    "retry": a_task(),
    "delete_task": True,
    "claim": [a_task(status=Status.STARTED, token=17, parameters={"a": 1})],
    "heartbeat": HeartbeatAnswer(leases=[LeaseState(id=ID, ok=True, lease_expires_at=WHEN)]),
    "complete": a_task(status=Status.COMPLETED),
    "fail": a_task(),
    "release": a_task(),
    "stats": STATS,
    "workers": [WORKER],
    "drain": True,
    "pause": True,
    "resume": True,
    "purge": 12,
    "discover": {"openrpc": "1.3.2"},
}
"""What each verb answers unless a test says otherwise."""


class FakeManager:
    """In the client's place: keeps the calls, gives the answers."""

    def __init__(self, **answers: Any) -> None:
        """An answer that is an exception is raised; a list of `Each` answers one after another."""
        self.answers = {**ANSWERS, **answers}
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.url = ""
        self.retry_for = -1.0
        for verb in self.answers:
            setattr(self, verb, self._verb(verb))

    def connect(self, url: str, retry_for: float) -> Self:
        self.url, self.retry_for = url, retry_for
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    def _verb(self, verb: str) -> Callable[..., Any]:
        def call(*args: Any, **settings: Any) -> Any:
            given = {name: value for name, value in settings.items() if value is not None}
            self.calls.append((verb, args, given))
            answer = self.answers[verb]
            if isinstance(answer, Each):
                answer = answer.pop(0)
            if isinstance(answer, BaseException):
                raise answer
            return answer

        return call

    @property
    def call(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """The only call."""
        (call,) = self.calls
        return call


def run_line(line: str, manager: FakeManager | None = None) -> Result:
    """The same for a line as one types it into a shell."""
    return run(*shlex.split(line), manager=manager)


class Each(list[Any]):
    """Answers for one call after the other."""


def run(*args: str, manager: FakeManager | None = None, **settings: Any) -> Result:
    """Run the command line against a fake manager."""
    manager = manager or FakeManager()
    # It has what the commands ask of a client, by a catch-all that types can't see.
    connect = cast(Callable[[str, float], Client], manager.connect)
    parts = Parts(connect=connect)
    return CliRunner(catch_exceptions=False).invoke(cli, args, obj=parts, **settings)
