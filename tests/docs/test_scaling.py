"""The configurations in docs/storages.md are good ones: HAProxy or nginx before two managers."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
import urllib3

from jsonrpc_qm import Client
from jsonrpc_qm.errors import Unavailable
from jsonrpc_qm.params import MAX_WAIT
from jsonrpc_qm.server.door import OPEN_PATHS
from tests.acceptance.managers import ManagerProcess
from tests.acceptance.rpc import Rpc, until, until_heard_of
from tests.docs.markdown import ROOT, read
from tests.docs.proxies import check_haproxy, check_nginx, haproxy, nginx
from tests.servers.postgresql import empty_schema
from tests.servers.processes import free_port

STORAGES = read(ROOT / "docs" / "storages.md")
BLOCKS = [block for section in STORAGES.sections for block in section.blocks]
(HAPROXY,) = [block.text for block in BLOCKS if block.kind == "haproxy"]
(NGINX,) = [block.text for block in BLOCKS if block.kind == "nginx"]
HOSTS = ("10.0.0.11:8642", "10.0.0.12:8642")
TIMEOUTS = re.compile(r"(timeout (?:client|server|http-keep-alive)|proxy_read_timeout) (\d+)s")
"""What may end a call that waits."""


@pytest.fixture
def storage() -> str:
    """What both managers share."""
    return empty_schema()


@pytest.fixture
def managers(storage: str, tmp_path: Path) -> Iterator[list[ManagerProcess]]:
    """Two, on one storage."""
    with (
        closing(ManagerProcess("--storage", storage, folder=tmp_path)) as first,
        closing(ManagerProcess("--storage", storage, folder=tmp_path)) as second,
    ):
        yield [first, second]


@pytest.fixture
def hurry() -> int:
    """By what a proxy's timeouts for calls are divided; for tests to override."""
    return 1


@pytest.fixture(params=["haproxy", "nginx"])
def url(
    request: pytest.FixtureRequest, managers: list[ManagerProcess], hurry: int, tmp_path: Path
) -> Iterator[str]:
    """The URL of a proxy in front of them, configured as it stands there but for addresses."""
    proxy, text = {"haproxy": (haproxy, HAPROXY), "nginx": (nginx, NGINX)}[request.param]
    address = f"127.0.0.1:{free_port()}"
    assert text.count("0.0.0.0:8642") == 1
    text = text.replace("0.0.0.0:8642", address)
    for host, manager in zip(HOSTS, managers, strict=True):
        assert text.count(host) == 1
        text = text.replace(host, f"127.0.0.1:{manager.port}")
    # HAProxy starts only where it may open more than twice as many files.
    text = re.sub(r"maxconn \d+", "maxconn 100", text)
    text = TIMEOUTS.sub(lambda found: f"{found[1]} {int(found[2]) * 1000 // hurry}ms", text)
    with proxy(tmp_path, text, address):
        yield f"http://{address}"


def test_haproxy_takes_the_configuration(tmp_path: Path) -> None:
    """As it stands there, and has nothing to warn of."""
    said = check_haproxy(tmp_path, HAPROXY)
    assert "WARNING" not in said
    assert "ALERT" not in said


def test_nginx_takes_the_configuration(tmp_path: Path) -> None:
    """As it stands there but for the port, and has nothing to warn of."""
    said = check_nginx(tmp_path, NGINX.replace("0.0.0.0:8642", f"127.0.0.1:{free_port()}"))
    assert "warn" not in said


def test_their_timeouts_are_longer_than_the_longest_poll() -> None:
    """Those of the client's side and of the managers'."""
    found = dict(re.findall(r"timeout (client|server) (\d+)s", HAPROXY))
    found |= dict(re.findall(r"proxy_(read)_timeout (\d+)s", NGINX))
    assert set(found) == {"client", "server", "read"}
    assert all(int(seconds) > MAX_WAIT for seconds in found.values())


def test_its_check_needs_no_token() -> None:
    """A manager that listens for a proxy has tokens."""
    found = re.search(r"httpchk GET (\S+)", HAPROXY)
    assert found is not None
    assert found[1] in OPEN_PATHS


def test_metrics_are_for_the_inside(url: str) -> None:
    """Each manager has its own; the dashboard is there."""
    assert urllib3.request("GET", f"{url}/metrics").status == 404
    assert urllib3.request("GET", f"{url}/").status == 200


@pytest.mark.parametrize("hurry", [10])
@pytest.mark.parametrize("url", ["haproxy"], indirect=True)
def test_the_longest_poll_survives(url: str, hurry: int) -> None:
    """A claim that finds nothing is answered by its manager, not by HAProxy's patience; with the
    timeouts of both in a tenth of the time."""
    wait = MAX_WAIT / hurry
    with Rpc(url) as rpc:
        start = monotonic()
        assert rpc("claim", names=["nothing"], wait=wait) == []
        assert monotonic() - start >= wait


def test_a_task_queued_at_one_manager_is_done_at_another(
    url: str, managers: list[ManagerProcess]
) -> None:
    """All of them are one queue."""
    first, second = (Rpc(manager.url) for manager in managers)
    with first, second, closing(Client(url, retry_for=0)) as client:
        task = client.queue("a")
        [claimed] = first("claim", names=["a"], worker="w")
        assert claimed["id"] == task.id
        second("complete", id=task.id, token=claimed["token"], result=1)
        assert client.get_task(task.id, wait=10).result == 1


def test_a_killed_manager_is_taken_out_and_comes_back(
    url: str, managers: list[ManagerProcess], storage: str, tmp_path: Path
) -> None:
    """No call fails that was made after a kill -9; and when it is back, it serves alone."""
    killed, other = managers
    with closing(Client(url, retry_for=0)) as client:
        for number in range(10):
            client.queue("a", number)
        killed.kill()
        for number in range(10, 40):
            client.queue("a", number)
        assert len(client.claim(["a"], max_tasks=100)) == 40
    with closing(ManagerProcess("--storage", storage, folder=tmp_path, port=killed.port)) as again:
        other.kill()
        with closing(Client(url, retry_for=20)) as client:
            assert client.queue("b").name == "b"
            assert client.stats()["names"]["a"]["started"] == 40
        assert again.process.poll() is None


def test_polls_at_a_killed_manager_end(url: str, managers: list[ManagerProcess]) -> None:
    """Whoever waits there is told within seconds, and finds the other when it calls again."""
    ended: dict[str, Any] = {}

    def wait(worker: str) -> None:
        with closing(Client(url, retry_for=0)) as client:
            try:
                ended[worker] = client.claim(["a"], worker=worker, wait=30)
            except Unavailable as error:
                ended[worker] = error

    waiting = [threading.Thread(target=wait, args=(worker,)) for worker in ("v", "w")]
    # A call past the proxy, so that only these two count: each manager gets one of them.
    with Rpc(managers[1].url) as rpc:
        for worker, thread in zip(("v", "w"), waiting, strict=True):
            thread.start()
            until_heard_of(rpc, worker)
    managers[0].kill()
    until(lambda: len(ended) == 1, within=10)
    assert isinstance(next(iter(ended.values())), Unavailable)
    with closing(Client(url, retry_for=0)) as client:
        task = client.queue("a")
    for thread in waiting:
        thread.join(20)
    assert [[task.id]] == [
        [claimed.id for claimed in answer] for answer in ended.values() if isinstance(answer, list)
    ]


def test_a_claim_that_hangs_up_behind_a_proxy_takes_nothing(url: str) -> None:
    """It passes the hang-up on, so the next task goes to who is there."""
    address = url.removeprefix("http://")
    body = b'{"jsonrpc": "2.0", "id": 1, "method": "claim", "params": [["a"], "gone"]}'
    head = (
        f"POST /rpc HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    host, _, port = address.partition(":")
    with closing(Client(url, retry_for=0)) as client:
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(head.encode() + body)
            until(lambda: "gone" in [worker.worker for worker in client.workers()])
        task = client.queue("a")
        assert [found.id for found in client.claim(["a"], wait=8)] == [task.id]
