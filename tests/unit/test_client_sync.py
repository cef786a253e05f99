"""What only the sync client has: threads, forks, and being closed from elsewhere."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from jsonrpc_qm.client.sync import Client
from jsonrpc_qm.errors import QueueError
from tests.unit.client_stub import TASK, FakeManager, LongPoll, Received, result


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def test_threads_share_a_client(manager: FakeManager, threads: ThreadPoolExecutor) -> None:
    """Eight calls at once, each with its own answer."""
    meeting = Barrier(8)

    def echo(handler: Any, received: Received) -> None:
        meeting.wait(5)
        result({**TASK, "id": received.params["id"]})(handler, received)

    manager.usual = echo
    with Client(manager.url, retry_for=0) as client:
        ids = [str(number) for number in range(8)]
        assert [task.id for task in threads.map(client.get_task, ids)] == ids


def test_close_ends_a_long_poll_of_another_thread(
    manager: FakeManager, threads: ThreadPoolExecutor
) -> None:
    """The manager sees the connection go, so it takes no task for it."""
    poll = LongPoll()
    manager.will(poll)
    client = Client(manager.url)
    claiming = threads.submit(client.claim, ["a"], wait=55.0)
    assert poll.began.wait(5)
    client.close()
    assert poll.gone.wait(5)
    with pytest.raises(QueueError, match="this client is closed"):
        claiming.result(5)


def test_close_still_lets_an_answer_arrive_that_is_on_its_way(
    manager: FakeManager, threads: ThreadPoolExecutor
) -> None:
    """The tasks in it would else be nobody's until their leases expire."""
    poll = LongPoll()

    def late(handler: Any, received: Received) -> None:
        poll(handler, received)
        result([TASK])(handler, received)

    manager.will(late)
    client = Client(manager.url)
    claiming = threads.submit(client.claim, ["a"], wait=55.0)
    assert poll.began.wait(5)
    client.close()
    assert [task.id for task in claiming.result(5)] == [TASK["id"]]


def test_close_ends_the_pauses_between_tries(threads: ThreadPoolExecutor) -> None:
    """A manager that is away holds up no one's end."""
    with FakeManager() as gone:
        client = Client(gone.url, retry_for=3600)
    trying = threads.submit(client.stats)
    client.close()
    with pytest.raises(QueueError, match="this client is closed"):
        trying.result(5)


def test_a_manager_that_went_and_came_back_is_found(manager: FakeManager) -> None:
    """The connections that died meanwhile are replaced without a failure."""
    with FakeManager() as first:
        client = Client(first.url, retry_for=5)
        client.get_task("x")
        port = int(first.url.rpartition(":")[2])
    with FakeManager(port), client:
        assert client.get_task("x").id == TASK["id"]


FORKS = """
import os, sys
from jsonrpc_qm.client.sync import Client
client = Client(sys.argv[1], retry_for=0)
client.queue("before")
child = os.fork()
client.queue("after")
if child:
    _, status = os.waitpid(child, 0)
    client.queue("at the end")
    sys.exit(os.waitstatus_to_exitcode(status))
"""


def test_a_fork_makes_connections_of_its_own(manager: FakeManager) -> None:
    """Parent and child on one socket would read each other's answers; their ids differ too."""
    subprocess.run([sys.executable, "-c", FORKS, manager.url], check=True, timeout=30)
    ports: dict[str, list[int]] = {"before": [], "after": [], "at the end": []}
    for received in manager.requests:
        ports[received.params["name"]].append(received.port)
    assert len(set(ports["after"])) == 2
    assert ports["before"] == ports["at the end"]
    assert ports["before"][0] in ports["after"]
    # The time is in front; a fork that kept its parent's random state would differ in that only.
    assert len({received.params["id"][-12:] for received in manager.requests}) == 4


def test_neither_client_loads_aiohttp_before_it_is_needed() -> None:
    """It takes longer to load than a small script to run."""
    code = "import sys, jsonrpc_qm.client.sync, jsonrpc_qm.client.aio as a; a.AsyncClient(); "
    code += "sys.exit('aiohttp' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
