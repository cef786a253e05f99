"""Which names a worker process serves, and what it can't serve is said at its start."""

import logging
from collections.abc import Callable
from typing import Any

import pytest

from jsonrpc_qm.worker.base import FunctionWorker, PoolName, Worker
from jsonrpc_qm.worker.jobs import Job, jobs_of
from tests.unit.worker_fakes import FakeManager, a_task


def plain() -> None: ...


async def on_the_loop() -> None: ...


class Adding(Worker):
    def run(self) -> None: ...

    def handle_result(self, task: Any) -> None: ...


def the_jobs(registry: dict[str, Any], **options: Any) -> dict[str, Job]:
    workers = {
        name: worker if isinstance(worker, Worker) else FunctionWorker(worker)
        for name, worker in registry.items()
    }
    return jobs_of(workers, FakeManager().source(), **options)


@pytest.mark.parametrize(
    ("function", "pool", "option", "kind"),
    [
        (plain, None, "thread", "thread"),
        (plain, None, "process", "process"),
        (plain, "thread", "process", "thread"),
        (plain, "process", "thread", "process"),
        (on_the_loop, None, "thread", "async"),
        (on_the_loop, None, "process", "async"),
        (on_the_loop, "process", "thread", "process"),
    ],
)
def test_where_a_worker_runs(
    function: Callable[..., Any], pool: PoolName | None, option: PoolName, kind: str
) -> None:
    """Its own wish first; then the option for plain functions, the event loop for async ones."""
    jobs = the_jobs({"mail": FunctionWorker(function, pool=pool)}, pool=option)
    assert jobs["mail"].kind == kind


def test_a_result_handler_is_served_like_a_name() -> None:
    """In threads or on the loop, even if the work has processes."""
    jobs = the_jobs({"add": Adding()}, pool="process")
    assert {name: job.kind for name, job in jobs.items()} == {
        "add": "process",
        "add.handle_result": "thread",
    }


def test_the_follow_up_takes_priority_lease_and_metadata_along() -> None:
    """A trace that begins with the producer goes on."""
    job = the_jobs({"add": Adding()})["add"]
    task = a_task("t1", priority=3, metadata={"traceparent": "00-1"})
    assert job.follow_ups(task, 5.0) == [
        {
            "name": "add.handle_result",
            "parameters": {"id": "t1"},
            "priority": 3,
            "lease": 5.0,
            "metadata": {"traceparent": "00-1"},
        }
    ]


def test_only_the_names_that_were_asked_for_are_served() -> None:
    """With their result handlers."""
    registry = {"add": Adding(), "mail": plain}
    assert list(the_jobs(registry, names=["add"])) == ["add", "add.handle_result"]
    assert list(the_jobs(registry, names=["mail"])) == ["mail"]


def test_a_name_that_nobody_registered_is_refused() -> None:
    """The message says which there are."""
    with pytest.raises(ValueError, match="'nail'; registered: mail"):
        the_jobs({"mail": plain}, names=["nail"])


def test_nothing_to_serve_is_refused() -> None:
    """A worker without names would wait for ever."""
    with pytest.raises(ValueError, match="none is registered"):
        the_jobs({})


def test_more_names_than_a_claim_takes_are_refused() -> None:
    """500 (protocol.md)."""
    with pytest.raises(ValueError, match="too many"):
        the_jobs({f"n{number}": plain for number in range(501)})


@pytest.mark.parametrize(
    "registry", [{"x" * 190: Adding()}, {"a": Adding(), "a.handle_result": plain}]
)
def test_a_name_that_leaves_no_room_for_its_result_handler_is_refused(
    registry: dict[str, Any],
) -> None:
    """Too long, or taken."""
    with pytest.raises(ValueError, match="leaves no room"):
        the_jobs(registry)


def test_what_a_process_can_not_import_is_refused() -> None:
    """At the start, with what to do about it."""
    with pytest.raises(ValueError, match="top level of a module"):
        the_jobs({"mail": FunctionWorker(lambda: None, pool="process")})


def test_an_async_function_can_not_run_in_a_thread() -> None:
    """That would be a second event loop."""
    with pytest.raises(ValueError, match="can't run in a thread"):
        the_jobs({"mail": FunctionWorker(on_the_loop, pool="thread")})


def test_a_timeout_that_can_not_be_enforced_is_mentioned(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A thread can't be stopped."""
    caplog.set_level(logging.WARNING, "jsonrpc_qm.worker")
    the_jobs({"mail": FunctionWorker(on_the_loop, timeout=5)})
    assert not caplog.records
    the_jobs({"mail": FunctionWorker(plain, timeout=5)})
    assert "not enforced" in caplog.text
