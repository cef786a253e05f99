"""Clients that say little, slowly or without end, seen from a socket."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from urllib.parse import urlsplit

import pytest

from jsonrpc_qm import Client
from jsonrpc_qm.errors import Unavailable
from jsonrpc_qm.server import bodies, connections, running
from jsonrpc_qm.server.running import Settings, in_background
from jsonrpc_qm.storage.memory import MemoryStorage

BODY = b'{"jsonrpc": "2.0", "id": 1, "method": "workers"}'
HEAD = (
    b"POST /rpc HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n"
)
REQUEST = HEAD % len(BODY) + BODY


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "FIRST_REQUEST_SECONDS", 0.3)
    monkeypatch.setattr(connections, "LOOK_EVERY", 0.05)
    monkeypatch.setattr(connections, "SENT_AWAY", 3)
    monkeypatch.setattr(running, "IDLE_SECONDS", 0.3)
    monkeypatch.setattr(bodies, "PATIENCE", 0.3)


@pytest.fixture
def url() -> Iterator[str]:
    """A manager that takes five connections, three of one address, and bodies of 1000 bytes."""
    settings = Settings(port=0, max_body=1000, max_connections=5, max_connections_per_client=3)
    with in_background(MemoryStorage(), settings) as url:
        yield url


def connect(url: str, source: str = "127.0.0.1") -> socket.socket:
    """A connection from an address of this machine."""
    host = urlsplit(url)
    connection = socket.socket()
    connection.bind((source, 0))
    connection.settimeout(20)
    connection.connect((host.hostname, host.port))
    return connection


def answer(connection: socket.socket, *, until_closed: bool = False) -> bytes:
    """What arrives, to the end of the JSON or of the connection; nothing when it was reset."""
    got = b""
    try:
        while part := connection.recv(65536):
            got += part
            if got.endswith(b"}") and not until_closed:
                break
    except ConnectionResetError:
        return got
    return got


def trickle(connection: socket.socket, text: bytes) -> float:
    """Send a byte now and then until the other side hangs up; the seconds that it took."""
    began = time.monotonic()
    connection.settimeout(0.03)
    for byte in text * 100:
        try:
            connection.send(bytes([byte]))
            if not connection.recv(1000):
                break
        except TimeoutError:
            continue
        except ConnectionError:
            break
    else:
        raise AssertionError("it went on listening")
    return time.monotonic() - began


def test_who_says_nothing_is_hung_up_on(url: str) -> None:
    """A connection is for a request."""
    with connect(url) as silent:
        assert answer(silent) == b""


def test_slow_heads_are_hung_up_on(url: str) -> None:
    """However often a byte of it comes, first request or later one."""
    with connect(url) as slow:
        assert trickle(slow, b"POST /rpc HTTP/1.1\r\nX-A: " + b"x" * 99) < 5
    with connect(url) as slow:
        slow.sendall(REQUEST)
        assert b"200 OK" in answer(slow)
        assert trickle(slow, b"POST /rpc HTTP/1.1\r\nX-A: " + b"x" * 99) < 5


def test_an_idle_connection_is_closed(url: str) -> None:
    """After its last answer."""
    with connect(url) as idle:
        idle.sendall(REQUEST)
        assert b"200 OK" in answer(idle)
        assert answer(idle) == b""


def test_a_slow_body_is_answered_408(url: str) -> None:
    """And the connection ends."""
    with connect(url) as slow:
        slow.sendall(HEAD % 900 + b"{")
        said = answer(slow)
        assert b"408 Request Timeout" in said
        assert b"Connection: close" in said


def test_an_endless_body_is_answered_413(url: str) -> None:
    """As soon as it is too large."""
    with connect(url) as endless:
        endless.sendall(
            HEAD.partition(b"Content-Length")[0] + b"Transfer-Encoding: chunked\r\n\r\n"
        )
        for _ in range(11):
            endless.sendall(b"64\r\n" + b" " * 100 + b"\r\n")
        assert b"413 Request Entity Too Large" in endless.recv(1000)


def test_too_many_bodies_at_a_time_are_answered_503(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is for all."""
    monkeypatch.setattr(bodies, "AT_A_TIME", 1)
    monkeypatch.setattr(bodies, "PATIENCE", 10)
    with connect(url) as first, connect(url) as second:
        first.sendall(HEAD % 900 + b"x" * 600)
        time.sleep(0.1)
        second.sendall(HEAD % 900 + b"x" * 600)
        assert b"503 Service Unavailable" in answer(second)


def test_one_address_has_its_share_of_connections(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One more is told to come back; another address is served; who goes makes room."""
    monkeypatch.setattr(connections, "FIRST_REQUEST_SECONDS", 20)
    with ExitStack() as open_ones:
        held = [open_ones.enter_context(connect(url)) for _ in range(3)]
        for connection in held:
            connection.sendall(HEAD % len(BODY))
        with connect(url) as refused:
            refused.sendall(REQUEST)
            said = answer(refused, until_closed=True)
            assert b"503 Service Unavailable" in said
            assert b"Retry-After: 1\r\n" in said
        with closing(Client(url, retry_for=0)) as client, pytest.raises(Unavailable) as error:
            client.stats()
        assert error.value.data == {"retry_after": 1.0}
        with connect(url, "127.0.0.2") as other:
            other.sendall(REQUEST)
            assert b"200 OK" in answer(other)
        held[0].close()
        with closing(Client(url, retry_for=5)) as client:
            assert client.workers() == []


def test_who_is_told_to_come_back_is_limited_too(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections far beyond the limit are just closed."""
    monkeypatch.setattr(connections, "FIRST_REQUEST_SECONDS", 20)
    with ExitStack() as open_ones:
        for _ in range(6):
            open_ones.enter_context(connect(url))
        with connect(url) as seventh:
            assert answer(seventh) == b""
