"""The configurations in docs/operating.md are good ones."""

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import urllib3

from jsonrpc_qm import Client
from jsonrpc_qm.cli.main import cli
from jsonrpc_qm.errors import Forbidden
from jsonrpc_qm.params import MAX_WAIT
from jsonrpc_qm.server.app import MAX_BODY
from jsonrpc_qm.server.running import Settings, in_background
from jsonrpc_qm.storage.memory import MemoryStorage
from tests.acceptance.rpc import until
from tests.docs.markdown import ROOT, read
from tests.docs.proxies import check_nginx, nginx
from tests.docs.shell import need
from tests.docs.test_command_line import options, variable
from tests.servers.processes import free_port

OPERATING = read(ROOT / "docs" / "operating.md")
BLOCKS = [block for section in OPERATING.sections for block in section.blocks]
UNITS = sorted((ROOT / "deploy" / "systemd").iterdir())
MOST_EXPOSED = {"jsonrpc-qm.service": 1.5, "jsonrpc-qm-workers.service": 4.0}
"""What `systemd-analyze security` may say of a unit: from 0 to 10, less is better."""
(NGINX,) = [block for block in BLOCKS if block.kind == "nginx"]


def test_units_are_shown_as_they_are() -> None:
    """The document has the files, all of them."""
    shown = {block.argument: block.text for block in BLOCKS if block.kind == "ini"}
    assert shown == {path.name: path.read_text() for path in UNITS}


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_units_are_good(unit: Path, tmp_path: Path) -> None:
    """systemd finds nothing to say about a unit whose program is there."""
    command = f"ExecStart={Path(sys.executable).parent}/jsonrpc-qm "
    text = unit.read_text().replace("ExecStart=/opt/jsonrpc-qm/bin/jsonrpc-qm ", command)
    assert command in text
    path = tmp_path / unit.name
    path.write_text(text)
    done = _analyzed("verify", path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_units_expose_little(unit: Path) -> None:
    """Of the machine to the service, by systemd's own measure."""
    threshold = round(MOST_EXPOSED[unit.name] * 10)
    done = _analyzed("security", "--offline=true", f"--threshold={threshold}", unit)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_units_run_commands_that_are_there(unit: Path) -> None:
    """With options and variables that they have, and with time for what they may take to end."""
    text = unit.read_text()
    found = re.search(r"^ExecStart=/opt/jsonrpc-qm/bin/jsonrpc-qm (\w+) ?(.*)$", text, re.MULTILINE)
    assert found is not None
    command = cli.commands[found[1]]
    given = command.make_context(found[1], found[2].split()).params
    said = set(re.findall(r"^Environment=(\w+)=", text, re.MULTILINE))
    assert said
    assert said <= {variable(command, option) for option in options(command).values()}
    stop = re.search(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)
    assert stop is not None
    assert int(stop[1]) >= given.get("grace", 0) + 10


def _analyzed(*args: str | Path) -> "subprocess.CompletedProcess[str]":
    command = [need("systemd-analyze"), *args]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)


def test_nginx_takes_the_configuration(tmp_path: Path) -> None:
    """As it stands there, but for the port and the certificate."""
    openssl = need("openssl")
    pem, key = tmp_path / "pem", tmp_path / "key"
    make = f"req -x509 -newkey rsa:2048 -nodes -subj /CN=queue -keyout {key} -out {pem}"
    subprocess.run([openssl, *make.split()], check=True, capture_output=True)
    text = NGINX.text.replace("listen 443", f"listen 127.0.0.1:{free_port()}")
    text = text.replace("/etc/ssl/queue.example.org.pem", str(pem))
    text = text.replace("/etc/ssl/queue.example.org.key", str(key))
    assert "warn" not in check_nginx(tmp_path, text)


@pytest.fixture
def behind_nginx(tmp_path: Path) -> Iterator[str]:
    """The host and port of nginx in front of a manager, without TLS; ada's password is secret."""
    (tmp_path / "users").write_text("ada:{PLAIN}secret\n")
    address = f"127.0.0.1:{free_port()}"
    with in_background(MemoryStorage(), Settings(port=0)) as url:
        text = re.sub(r"ssl_certificate.*", "", NGINX.text)
        text = text.replace("listen 443 ssl", f"listen {address}")
        text = text.replace("/etc/nginx/jsonrpc-qm.users", str(tmp_path / "users"))
        text = text.replace("127.0.0.1:8642", url.removeprefix("http://"))
        with nginx(tmp_path, text, address):
            yield address


def test_calls_go_through_nginx(behind_nginx: str) -> None:
    """Who has the password can queue and work, with large requests too; others are refused."""
    with closing(Client(f"http://ada:secret@{behind_nginx}", retry_for=0)) as client:
        tasks = client.queue_many([{"name": "a", "parameters": "x" * 1_000_000}] * 4)
        assert [task.id for task in client.claim(["a"], max_tasks=9)] == [task.id for task in tasks]
    with (
        closing(Client(f"http://{behind_nginx}", retry_for=0)) as client,
        pytest.raises(Forbidden),
    ):
        client.stats()


def test_a_claim_that_hangs_up_behind_nginx_takes_nothing(behind_nginx: str) -> None:
    """nginx passes the hang-up on, so the next task goes to who is there."""
    url = f"http://ada:secret@{behind_nginx}"
    body = b'{"jsonrpc": "2.0", "id": 1, "method": "claim", "params": [["a"], "gone"]}'
    head = (
        f"POST /rpc HTTP/1.1\r\nHost: {behind_nginx}\r\nContent-Type: application/json\r\n"
        f"Authorization: Basic YWRhOnNlY3JldA==\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    host, _, port = behind_nginx.partition(":")
    with closing(Client(url, retry_for=0)) as client:
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(head.encode() + body)
            until(lambda: "gone" in [worker.worker for worker in client.workers()])
        task = client.queue("a")
        # The manager hears of it a moment after the client has gone.
        assert [found.id for found in client.claim(["a"], wait=8)] == [task.id]


def test_the_dashboard_is_there_behind_nginx_and_metrics_are_not(behind_nginx: str) -> None:
    """With the password; and its events come at once, not by the buffer."""
    with urllib3.PoolManager(headers={"Authorization": "Basic YWRhOnNlY3JldA=="}) as ada:
        page = ada.request("GET", f"http://{behind_nginx}/")
        assert page.status == 200
        (script,) = re.findall(r'src="([^"]+)"', page.data.decode())
        assert ada.request("GET", f"http://{behind_nginx}/{script}").status == 200
        assert ada.request("GET", f"http://{behind_nginx}/metrics").status == 404
        assert urllib3.request("GET", f"http://{behind_nginx}/").status == 401
        stream = ada.request(
            "GET", f"http://{behind_nginx}/events", preload_content=False, timeout=5
        )
        assert stream.readline().startswith(b":")
        with closing(Client(f"http://ada:secret@{behind_nginx}", retry_for=0)) as client:
            client.queue("a")
        assert stream.readline() == b"\n"
        assert stream.readline() == b"event: changed\n"
        stream.close()


def test_the_numbers_are_those_of_the_manager() -> None:
    """nginx lets through what the manager takes, and waits as long as it may wait."""
    timeout = re.search(r"proxy_read_timeout (\d+)s", NGINX.text)
    body = re.search(r"client_max_body_size (\d+)m", NGINX.text)
    assert timeout is not None
    assert int(timeout[1]) > MAX_WAIT
    assert body is not None
    assert int(body[1]) * 2**20 > MAX_BODY
