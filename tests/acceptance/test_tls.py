"""Storages by TLS: who can't prove who he is is refused, and passwords are told to nobody."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

import psycopg
import pymysql
import pytest

from jsonrpc_qm.storage.mysql_url import options_of
from tests.acceptance.conftest import StartManager
from tests.acceptance.managers import failed_start
from tests.acceptance.rpc import Refused, Rpc
from tests.servers.certificates import make_certificate
from tests.servers.mysql import MysqlServer
from tests.servers.postgresql import PostgresServer
from tests.servers.processes import Certificate, PrivateServer
from tests.servers.redis import RedisProcess

SECRET = "pass/word"
QUOTED = "pass%2Fword"


def postgresql(certificate: Certificate | None) -> PrivateServer:
    """PostgreSQL, where jo has a password."""
    # By itself, version 13 would keep it in a form that the tests' servers refuse.
    server = PostgresServer(certificate, password_encryption="scram-sha-256")
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE jo LOGIN PASSWORD '{SECRET}'")
        connection.execute("CREATE DATABASE tasks OWNER jo")
    return server


def mysql(certificate: Certificate | None) -> PrivateServer:
    """MariaDB, the same."""
    server = MysqlServer(certificate=certificate)
    with pymysql.connect(**options_of(server.url)) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE USER jo IDENTIFIED BY '{SECRET}'")
        cursor.execute("CREATE DATABASE tasks")
        cursor.execute("GRANT ALL ON tasks.* TO jo")
    return server


def redis(certificate: Certificate | None) -> PrivateServer:
    """Redis, with a password for all."""
    return RedisProcess(password=SECRET, certificate=certificate)


Start = Callable[[Certificate | None], PrivateServer]
"""Starts a server, with TLS only or without any."""


class Kind(NamedTuple):
    """How a kind of storage is reached by TLS."""

    start: Start
    url: str
    """With the host, the port, and the file of the authorities that are trusted."""


KINDS = {
    "postgresql": Kind(
        postgresql,
        f"postgresql://jo:{QUOTED}@{{host}}:{{port}}/tasks?sslmode=verify-full&sslrootcert={{ca}}",
    ),
    "mysql": Kind(
        mysql,
        f"mysql://jo:{QUOTED}@{{host}}:{{port}}/tasks?ssl-mode=verify-identity&ssl-ca={{ca}}",
    ),
    "redis": Kind(
        redis,
        f"rediss://default:{QUOTED}@{{host}}:{{port}}/0?ssl_ca_certs={{ca}}"
        # Without TLS it waits for the end of a line.
        "&socket_timeout=1&socket_connect_timeout=1",
    ),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each kind of storage that has TLS."""
    return KINDS[request.param]


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    """For a server at `localhost`."""
    return make_certificate(tmp_path / "certificate")


@pytest.fixture
def start(kind: Kind) -> Iterator[Start]:
    """Start a server that ends with the test."""
    with ExitStack() as ended:
        yield lambda certificate: ended.enter_context(closing(kind.start(certificate)))


def refused(url: str, folder: Path) -> str:
    """The one line in which a manager says why it does not start, which has no password."""
    said = failed_start("--storage", url, folder=folder)
    assert said.count("\n") == 1
    assert SECRET not in said
    assert QUOTED not in said
    return said


def test_a_manager_works_by_tls(
    kind: Kind,
    start: Start,
    certificate: Certificate,
    start_manager: StartManager,
) -> None:
    """With a server that takes nothing else, and whose authority is trusted."""
    server = start(certificate)
    url = kind.url.format(host="localhost", port=server.port, ca=certificate.authority)
    manager = start_manager("--storage", url, "--log-level", "debug")
    with Rpc(manager.url) as rpc:
        queued = rpc("queue", name="mail")
        [task] = rpc("claim", names=["mail"], wait=0)
        assert task["id"] == queued["id"]
        stats = json.dumps(rpc("stats"))
        assert f"localhost:{server.port}" in stats
        server.kill()
        with pytest.raises(Refused) as refusal:
            rpc("queue", name="mail")
    assert manager.stop() == 0
    for said in (stats, json.dumps(refusal.value.args), manager.log):
        assert SECRET not in said
        assert QUOTED not in said


def test_a_server_that_does_not_prove_who_it_is_is_refused(
    kind: Kind, start: Start, certificate: Certificate, tmp_path: Path
) -> None:
    """By an authority that is trusted, and for the name by which it is called."""
    port = start(certificate).port
    other = make_certificate(tmp_path / "other")
    of_another = kind.url.format(host="localhost", port=port, ca=other.authority)
    assert "certificate verify failed" in refused(of_another, tmp_path)
    by_another_name = kind.url.format(host="127.0.0.1", port=port, ca=certificate.authority)
    assert "match" in refused(by_another_name, tmp_path)


def test_a_server_without_tls_is_refused(
    kind: Kind, start: Start, certificate: Certificate, tmp_path: Path
) -> None:
    """Where TLS is demanded nothing goes in the clear."""
    url = kind.url.format(host="localhost", port=start(None).port, ca=certificate.authority)
    assert re.search("SSL|Timeout", refused(url, tmp_path))
