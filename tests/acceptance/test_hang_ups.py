"""A claim whose connection has gone takes nothing (docs/protocol.md, "For workers").

Over real sockets and against the real start-up: an HTTP server under test tools notices a client
that hung up, the same server as it is usually started does not.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.callers import Caller
from tests.acceptance.conftest import StartManager
from tests.acceptance.managers import ManagerProcess
from tests.acceptance.networks import Host, two_hosts
from tests.acceptance.rpc import RawCall, Rpc, until, until_heard_of

pytestmark = pytest.mark.timeout(60)

KEEPALIVE_TIMER = "02"
"""The kind of a connection's running timer, in /proc/net/tcp."""

A_MINUTE = 60
"""Seconds of the leases here: whatever comes back sooner was given back."""


def waiting_claim(manager: ManagerProcess, rpc: Rpc, name: str, who: str) -> RawCall:
    """A claim that has arrived at the manager and waits there."""
    worker = f"{name}-{who}"
    call = RawCall(manager.url, "claim", names=[name], worker=worker, wait=50, lease=A_MINUTE)
    until_heard_of(rpc, worker)
    return call


@pytest.fixture
def manager(shared_manager: ManagerProcess) -> ManagerProcess:
    return shared_manager


@pytest.mark.parametrize("leave", [RawCall.hang_up, RawCall.reset, RawCall.half_close])
def test_a_claim_that_hung_up_takes_nothing(
    manager: ManagerProcess, rpc: Rpc, name: str, leave: Callable[[RawCall], None]
) -> None:
    """A task queued right after goes to the next waiting claim, as its first attempt."""
    with (
        waiting_claim(manager, rpc, name, "gone") as gone,
        waiting_claim(manager, rpc, name, "here") as here,
    ):
        leave(gone)
        queued = rpc("queue", name=name)
        [task] = here.answer(timeout=10)
        assert (task["id"], task["worker"]) == (queued["id"], f"{name}-here")
        assert (task["attempts"], task["lost"]) == (1, 0)


def test_a_half_closed_connection_is_closed_without_an_answer(
    manager: ManagerProcess, rpc: Rpc, name: str
) -> None:
    """Who says that nothing more will be sent counts as gone."""
    with waiting_claim(manager, rpc, name, "half") as half:
        half.half_close()
        assert half.rest(timeout=10) == b""
        rpc("queue", name=name)
        assert len(rpc("claim", names=[name], wait=0)) == 1


def test_two_hundred_killed_claims_take_nothing(
    manager: ManagerProcess, rpc: Rpc, name: str
) -> None:
    """kill -9 of a client with 200 waiting claims leaves all tasks to those who are there."""
    claims = [
        {"method": "claim", "params": {"names": [name], "worker": f"{name}-{n}", "wait": 50}}
        for n in range(200)
    ]
    with Caller(manager.url, claims) as gone, ExitStack() as here:
        until_heard_of(rpc, *(f"{name}-{n}" for n in range(200)))
        waiting = [
            here.enter_context(waiting_claim(manager, rpc, name, f"here{n}")) for n in range(5)
        ]
        gone.kill()
        queued = rpc("queue_many", tasks=[{"name": name}] * 5)
        tasks = [task for call in waiting for task in call.answer(timeout=10)]
        assert {task["id"] for task in tasks} == {task["id"] for task in queued}
        assert {(task["attempts"], task["lost"]) for task in tasks} == {(1, 0)}


def test_hang_ups_around_the_moment_of_the_claim_lose_no_attempt(
    manager: ManagerProcess, rpc: Rpc, name: str
) -> None:
    """200 clients that claim a due task and are gone 0 to 4 ms later leave all as it was."""
    queued = rpc("queue_many", tasks=[{"name": name, "lease": A_MINUTE}] * 200)
    for n in range(200):
        with RawCall(manager.url, "claim", names=[name], wait=0):
            time.sleep(n * 0.00002)
    claimed: list[dict[str, Any]] = []

    def has_all() -> bool:
        claimed.extend(rpc("claim", names=[name], max_tasks=1000, wait=1))
        return len(claimed) >= 200

    until(has_all)
    assert sorted(task["id"] for task in claimed) == sorted(task["id"] for task in queued)
    assert {(task["attempts"], task["lost"]) for task in claimed} == {(1, 0)}


@pytest.mark.parametrize("close", [False, True], ids=["keep-alive", "close"])
def test_an_answer_that_nobody_read_is_taken_back(
    manager: ManagerProcess, rpc: Rpc, name: str, close: bool
) -> None:
    """A client killed between the writing of its claim's answer and the reading has taken nothing.

    Its system had accepted the answer; that nobody has read it shows when the connection ends.
    """
    claim = {"names": [name], "worker": f"{name}-frozen", "wait": 50, "lease": A_MINUTE}
    with Caller(manager.url, [{"method": "claim", "params": claim, "close": close}]) as frozen:
        until_heard_of(rpc, f"{name}-frozen")
        frozen.freeze()
        queued = rpc("queue", name=name)
        until(lambda: rpc("get_task", id=queued["id"])["status"] == "started")
        with waiting_claim(manager, rpc, name, "here") as here:
            frozen.kill()
            [task] = here.answer(timeout=15)
        assert (task["id"], task["worker"]) == (queued["id"], f"{name}-here")
        assert (task["attempts"], task["lost"]) == (1, 0)


def test_a_task_is_kept_by_a_client_that_read_its_answer_and_left(
    manager: ManagerProcess, rpc: Rpc, name: str
) -> None:
    """Shell workers claim on one connection and complete on another."""
    queued = rpc("queue", name=name)
    with RawCall(manager.url, "claim", names=[name], wait=0, lease=A_MINUTE) as call:
        [task] = call.answer()
    # Longer than the manager looks after a connection.
    assert rpc("claim", names=[name], wait=2.5) == []
    assert rpc("complete", id=queued["id"], token=task["token"])["status"] == "completed"


def test_a_connection_that_is_to_be_closed_is_closed_at_once(
    manager: ManagerProcess, rpc: Rpc, name: str
) -> None:
    """A client that reads to the end of the stream does not wait for the manager's watching."""
    rpc("queue", name=name)
    with RawCall(manager.url, "claim", keep_alive=False, names=[name], wait=0) as call:
        start = time.monotonic()
        assert b'"token"' in call.rest()
        # The watching alone would take five seconds.
        assert time.monotonic() - start < 3


@pytest.mark.skipif(sys.platform != "linux", reason="/proc/net/tcp is Linux's")
def test_waiting_connections_are_probed(manager: ManagerProcess, rpc: Rpc, name: str) -> None:
    """The manager's system asks a silent client within 15 seconds whether it is still there."""
    with waiting_claim(manager, rpc, name, "silent") as silent:
        client = f":{silent.socket.getsockname()[1]:04X}"
        rows = Path(f"/proc/{manager.pid}/net/tcp").read_text().splitlines()
        [timer] = [row.split()[5] for row in rows if row.split()[2].endswith(client)]
    kind, _, hundredths = timer.partition(":")
    assert kind == KEEPALIVE_TIMER
    assert 0 < int(hundredths, 16) <= 1500


# -- the cable -------------------------------------------------------------------------------------


class Site:
    """A manager on one machine, and calls that are made there."""

    def __init__(self, manager: ManagerProcess, server: Host, client: Host) -> None:
        self.server = server
        self.client = client
        self.url = f"http://{server.address}:{manager.port}"

    def __call__(self, method: str, **params: Any) -> Any:
        call = {"method": method, "params": params}
        with Caller(self.url, [call], prefix=self.server.prefix) as caller:
            return caller.answer()["result"]

    def far_claims(self, *claims: tuple[str, bool]) -> Caller:
        """A client on the other machine that waits for tasks of these names."""
        calls = [
            {
                "method": "claim",
                "params": {"names": [name], "worker": f"far-{name}", "wait": 50},
                "close": close,
            }
            for name, close in claims
        ]
        caller = Caller(self.url, calls, prefix=self.client.prefix)
        until(lambda: len(self("workers")) == len(claims))
        return caller


@pytest.fixture
def site(start_manager: StartManager) -> Iterator[Site]:
    """A manager, and a second machine at the other end of a cable."""
    with two_hosts() as (server, client):
        manager = start_manager(host="0.0.0.0", more=["--allow-anyone"], prefix=server.prefix)
        yield Site(manager, server, client)


def test_a_claim_over_a_pulled_cable_takes_nothing(site: Site) -> None:
    """What went into a dead connection can be claimed again within seconds, as a first attempt."""
    with site.far_claims(("kept", False), ("closed", True)):
        site.client.pull_cable()
        queued = site("queue_many", tasks=[{"name": "kept"}, {"name": "closed"}])
        tasks: list[Any] = []
        for _ in range(2):
            tasks += site("claim", names=["kept", "closed"], wait=15, lease=A_MINUTE)
    assert {task["id"] for task in tasks} == {task["id"] for task in queued}
    assert {(task["attempts"], task["lost"]) for task in tasks} == {(1, 0)}


def test_a_short_outage_takes_no_task_away(site: Site) -> None:
    """A claim's answer that arrives late, but arrives, is the client's."""
    with site.far_claims(("mail", False)) as client:
        site.client.pull_cable()
        [queued] = site("queue_many", tasks=[{"name": "mail"}])
        site.client.plug_cable()
        [task] = client.answer()["result"]
        assert task["id"] == queued["id"]
        # Longer than the manager takes to give up a connection.
        assert site("claim", names=["mail"], wait=7) == []
        done = site("complete", id=task["id"], token=task["token"])
        assert (done["status"], done["attempts"]) == ("completed", 1)
