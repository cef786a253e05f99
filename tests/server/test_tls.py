"""TLS: the manager's certificate, clients' certificates, and long polls over it."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from jsonrpc_qm import AsyncClient, Client
from jsonrpc_qm.errors import InvalidParams, QueueError, Unavailable
from jsonrpc_qm.server.access import Access
from jsonrpc_qm.server.running import Settings, in_background
from jsonrpc_qm.storage.memory import MemoryStorage
from tests.servers.authorities import Authority, Pair


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Whom manager and clients trust."""
    return Authority(tmp_path_factory.mktemp("tls"), "ours")


@pytest.fixture(scope="module")
def own(authority: Authority) -> Pair:
    """The manager's certificate."""
    return authority.pair("manager")


@pytest.fixture(scope="module")
def url(own: Pair) -> Iterator[str]:
    """A manager that speaks TLS."""
    settings = Settings(port=0, tls_cert=own.cert, tls_key=own.key)
    with in_background(MemoryStorage(), settings) as url:
        yield url


@pytest.fixture(scope="module")
def strict_url(own: Pair, authority: Authority) -> Iterator[str]:
    """A manager that wants to see certificates."""
    settings = Settings(port=0, tls_cert=own.cert, tls_key=own.key, tls_ca=authority.ca)
    with in_background(MemoryStorage(), settings) as url:
        yield url


def call(kind: str, url: str, verb: str, *args: Any, **options: Any) -> Any:
    """Call a verb with a client of either kind."""
    if kind == "Client":
        with closing(Client(url, retry_for=0, **options)) as client:
            return getattr(client, verb)(*args)

    async def run() -> Any:
        async with AsyncClient(url, retry_for=0, **options) as client:
            return await getattr(client, verb)(*args)

    return asyncio.run(run())


KINDS = ["Client", "AsyncClient"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_clients_trust_the_authority_they_are_given(
    url: str, authority: Authority, kind: str, host: str
) -> None:
    """And check the name."""
    assert url.startswith("https://127.0.0.1:")
    there = url.replace("127.0.0.1", host)
    assert call(kind, there, "queue", "a", tls_ca=authority.ca).name == "a"


@pytest.mark.parametrize("kind", KINDS)
def test_clients_trust_nobody_else(url: str, tmp_path: Path, kind: str) -> None:
    """One line that says why, and no second try."""
    other = Authority(tmp_path, "other")
    for options in ({}, {"tls_ca": other.ca}):
        with pytest.raises(QueueError, match="certificate verify failed") as refusal:
            call(kind, url, "stats", **options)
        assert not isinstance(refusal.value, Unavailable)


@pytest.mark.parametrize("kind", KINDS)
def test_who_shows_a_certificate_is_let_in(
    strict_url: str, authority: Authority, tmp_path: Path, kind: str
) -> None:
    """Of the right authority; without one, or with another's, there is no connection."""
    mine = authority.pair("worker")
    foreign = Authority(tmp_path, "foreign").pair("worker")
    good = {"tls_ca": authority.ca, "tls_cert": mine.cert, "tls_key": mine.key}
    assert call(kind, strict_url, "workers", **good) == []
    for options in ({}, {"tls_cert": foreign.cert, "tls_key": foreign.key}):
        with pytest.raises(QueueError):
            call(kind, strict_url, "workers", tls_ca=authority.ca, **options)


def test_a_long_poll_over_tls_gets_its_task(url: str, authority: Authority) -> None:
    """It waits, and is woken."""
    with (
        closing(Client(url, tls_ca=authority.ca)) as worker,
        closing(Client(url, tls_ca=authority.ca)) as producer,
    ):
        timer = threading.Timer(0.3, producer.queue, ["polled", 1])
        timer.start()
        [task] = worker.claim(["polled"], wait=20)
        assert worker.complete(task.id, task.token, result=2).result == 2
        timer.join()


def test_a_claim_that_hangs_up_over_tls_takes_nothing(url: str, authority: Authority) -> None:
    """As without TLS: the next task is for who is there."""
    with (
        closing(Client(url, tls_ca=authority.ca, retry_for=0)) as client,
        closing(Client(url, tls_ca=authority.ca, retry_for=0)) as gone,
    ):
        ended: list[Any] = []

        def poll() -> None:
            try:
                ended.append(gone.claim(["left"], worker="gone", wait=30))
            except QueueError as error:
                ended.append(error)

        thread = threading.Thread(target=poll)
        thread.start()
        while "gone" not in [worker.worker for worker in client.workers()]:
            thread.join(0.02)
        gone.close()
        thread.join(10)
        assert ended != []
        task = client.queue("left")
        assert [found.id for found in client.claim(["left"], wait=8)] == [task.id]


def test_an_answer_with_tasks_may_end_the_connection(url: str, authority: Authority) -> None:
    """Connection: close, where TLS has no way to end one direction alone."""
    with closing(Client(url, tls_ca=authority.ca)) as client:
        client.queue("closing")
    host, _, port = url.removeprefix("https://").partition(":")
    body = b'{"jsonrpc": "2.0", "id": 1, "method": "claim", "params": [["closing"], null, 1, 0]}'
    head = (
        f"POST /rpc HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    context = ssl.create_default_context(cafile=authority.ca)

    async def talk() -> bytes:
        reader, writer = await asyncio.open_connection(host, int(port), ssl=context)
        writer.write(head.encode() + body)
        answer = await reader.read()
        writer.close()
        return answer

    assert b'"token":' in asyncio.run(asyncio.wait_for(talk(), 10))


def test_a_new_certificate_is_taken_without_a_restart(authority: Authority, tmp_path: Path) -> None:
    """Access.reload is what SIGHUP does; half of a new pair leaves the old one."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    def put(pair: Pair) -> None:
        cert.write_bytes(Path(pair.cert).read_bytes())
        key.write_bytes(Path(pair.key).read_bytes())

    put(authority.pair("first"))
    access = Access(tls_cert=str(cert), tls_key=str(key))
    assert subject_of(access, authority) == "first"
    put(authority.pair("second"))
    access.reload()
    assert subject_of(access, authority) == "second"
    cert.write_bytes(Path(authority.pair("third").cert).read_bytes())
    access.reload()
    assert subject_of(access, authority) == "second"


def subject_of(access: Access, authority: Authority) -> str:
    """Whose certificate a context shows, in a handshake without a network."""
    assert access.tls is not None
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = access.tls.wrap_bio(to_server, to_client, server_side=True)
    trusting = ssl.create_default_context(cafile=authority.ca)
    client = trusting.wrap_bio(to_client, to_server, server_hostname="localhost")
    for side in (client, server) * 4:
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    shown = client.getpeercert()
    assert shown is not None
    subject: Any = shown["subject"]
    return str(subject[0][0][1])


def test_files_that_cannot_be_used_are_named(own: Pair, tmp_path: Path) -> None:
    """With the parameter, the path and the reason; none of them is asked a password."""
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nonsense")
    other = Authority(tmp_path, "x").pair("x")
    for options, param, reason in [
        ({"tls_cert": "/no/such.pem"}, "tls_cert", "/no/such.pem: no such file"),
        ({"tls_cert": own.cert, "tls_key": "/no/such.key"}, "tls_key", "no such file"),
        ({"tls_cert": str(nonsense)}, "tls_cert", "no certificate and key in PEM"),
        ({"tls_cert": own.cert}, "tls_cert", "no certificate and key in PEM"),
        ({"tls_cert": own.cert, "tls_key": other.key}, "tls_cert", "does not belong to the key"),
        ({"tls_cert": own.cert, "tls_key": own.key, "tls_ca": str(nonsense)}, "tls_ca", "nonsense"),
        ({"tls_key": own.key}, "tls_key", "goes with a certificate"),
        ({"tls_ca": own.cert}, "tls_ca", "goes with a certificate"),
    ]:
        with pytest.raises(InvalidParams) as refusal:
            Access(**options)
        assert refusal.value.data["param"] == param
        assert reason in refusal.value.data["reason"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_clients_files_that_cannot_be_used_are_named(own: Pair, kind: str) -> None:
    """When it is made, not when it calls."""
    for options, param in [
        ({"tls_ca": "/no/such.pem"}, "tls_ca"),
        ({"tls_cert": "/no/such.pem"}, "tls_cert"),
        ({"tls_cert": own.key, "tls_key": own.key}, "tls_cert"),
    ]:
        with pytest.raises(InvalidParams) as refusal:
            call(kind, "https://127.0.0.1:1", "stats", **options)
        assert refusal.value.data["param"] == param
