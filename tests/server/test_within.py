"""A manager's verbs for the other threads of its process."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import urllib3

from jsonrpc_qm.errors import InvalidParams, QueueError, TaskNotFound, Unavailable
from jsonrpc_qm.server.running import Settings, beside
from jsonrpc_qm.server.within import Within
from jsonrpc_qm.storage.memory import MemoryStorage
from tests.acceptance.rpc import until


@pytest.fixture
def made() -> Iterator[Callable[[], Within]]:
    """Makes the verbs of a fresh manager."""
    with beside(MemoryStorage(), Settings(port=0), on_ready=lambda url: None) as makes:
        yield makes


def test_they_answer_what_a_client_is_answered(made: Callable[[], Within]) -> None:
    """Values, and the same typed errors."""
    verbs = made()
    task = verbs.queue("add", [1, 2])
    assert verbs.get_task(task.id) == task
    (held,) = verbs.claim(["add"], worker="here")
    report = verbs.report([{"id": held.id, "token": held.token, "status": "completed"}])
    assert report.outcomes[0].ok
    with pytest.raises(TaskNotFound):
        verbs.get_task("nope")
    with pytest.raises(InvalidParams, match="priority"):
        verbs.queue("add", priority=10**9)


def test_their_calls_are_counted(made: Callable[[], Within]) -> None:
    """As those over HTTP are."""
    verbs = made()
    verbs.queue("add")
    text = urllib3.request("GET", f"{verbs._endpoint.url}/metrics").data.decode()
    assert 'jsonrpc_qm_requests_total{error="",method="queue"} 1.0' in text


def test_closing_ends_a_waiting_claim_which_takes_nothing(made: Callable[[], Within]) -> None:
    """At once; the next task is for who comes then."""
    waiting, other = made(), made()
    with ThreadPoolExecutor(1) as thread:
        claim = thread.submit(waiting.claim, ["add"], worker="w", wait=30)
        until(lambda: "w" in {row.worker for row in other.workers()})
        began = time.monotonic()
        waiting.close()
        with pytest.raises(QueueError, match="closed"):
            claim.result(10)
        assert time.monotonic() - began < 2
    with pytest.raises(QueueError, match="closed"):
        waiting.stats()
    task = other.queue("add")
    assert [held.id for held in other.claim(["add"], wait=0)] == [task.id]


def test_when_the_manager_has_ended_they_are_unavailable() -> None:
    """As a client's are."""
    with beside(MemoryStorage(), Settings(port=0), on_ready=lambda url: None) as makes:
        verbs = makes()
    with pytest.raises(Unavailable):
        verbs.stats()
    verbs.close()
