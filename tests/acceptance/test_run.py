"""`qm.run()`: a manager and its workers in one process, with all that `serve` can be told."""

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from jsonrpc_qm import Client
from jsonrpc_qm.access.files import add_token
from jsonrpc_qm.access.grants import Role
from jsonrpc_qm.access.tokens import new_token
from jsonrpc_qm.errors import Forbidden, Unavailable
from tests.acceptance.managers import environment
from tests.acceptance.rpc import until
from tests.servers.authorities import Authority

APP = """
import logging, sys
from jsonrpc_qm import QueueManager

qm = QueueManager("memory:")

@qm.worker("add")
def add(a, b):
    return a + b

if __name__ == "__main__":
    {logging}
    {run}
"""

START_SECONDS = 30.0
LOGGING = 'logging.basicConfig(level="INFO")'
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts an app that ends with this line, after that which sets up its logging."""
    started: list[subprocess.Popen[str]] = []

    def run(line: str, logging: str = LOGGING) -> subprocess.Popen[str]:
        (tmp_path / "app.py").write_text(APP.format(run=line, logging=logging))
        process = subprocess.Popen(
            [sys.executable, "app.py"],
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        port: int = tried.getsockname()[1]
        return port


def token(file: Path, role: Role) -> str:
    """A new token in the file."""
    made, entry = new_token(role)
    add_token(file, entry)
    return made


def is_known(client: Client) -> bool:
    """Whether the manager lets the client in."""
    try:
        client.stats()
    except Forbidden:
        return False
    return True


def test_it_has_tokens_tls_and_limits(start: Start, tmp_path: Path) -> None:
    """Its own workers need none of them; SIGHUP reads the tokens again; SIGTERM ends it at once."""
    authority = Authority(tmp_path, "authority")
    cert, key = authority.pair("manager")
    mine = authority.pair("client")
    file = tmp_path / "tokens.toml"
    producer = token(file, Role.PRODUCER)
    port = free_port()
    app = start(
        f"qm.run(port={port}, tokens='tokens.toml', tls_cert={cert!r}, tls_key={key!r}, "
        f"tls_ca={authority.ca!r}, max_queued=2, concurrency=1)"
    )
    tls = {"tls_ca": authority.ca, "tls_cert": mine.cert, "tls_key": mine.key}
    url = f"https://127.0.0.1:{port}"
    with closing(Client(url, token=producer, retry_for=START_SECONDS, **tls)) as client:
        assert client.get_task(client.queue("add", [1, 2]).id, wait=20).result == 3
        client.queue_many([{"name": "other"}] * 2)
    with closing(Client(url, token=producer, retry_for=0, **tls)) as client:
        with pytest.raises(Unavailable, match="2 tasks are queued"):
            client.queue("other")
        with pytest.raises(Forbidden):
            client.stats()
    later = token(file, Role.OPERATOR)
    with closing(Client(url, token=later, retry_for=0, **tls)) as client:
        assert not is_known(client)
        app.send_signal(signal.SIGHUP)
        until(lambda: is_known(client))
    began = time.monotonic()
    app.send_signal(signal.SIGTERM)
    _, log = app.communicate(timeout=20)
    assert app.returncode == 0, log
    assert time.monotonic() - began < 5
    assert f"listens on {url}, storage memory:" in log
    assert "Traceback" not in log


@pytest.mark.parametrize(
    ("run", "said"),
    [
        ("qm.run(host='0.0.0.0')", "there are no tokens"),
        ("qm.run(keep_completed='7d')", "keep_completed: Expected `float | null`"),
        ("qm.run(tokens='nowhere.toml')", "nowhere.toml"),
        ("qm.run(tokenz='tokens.toml')", "tokenz"),
    ],
)
def test_what_it_can_not_do_is_said_at_the_start(start: Start, run: str, said: str) -> None:
    """And it does not stay."""
    app = start(run)
    _, log = app.communicate(timeout=30)
    assert app.returncode == 1
    assert said in log.splitlines()[-1]


@pytest.mark.parametrize("logging", [LOGGING, "pass"])
def test_a_port_that_is_taken_is_one_line(start: Start, logging: str) -> None:
    """As with `serve`: which port, and why, and exit code 5."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        app = start(f"qm.run(port={taken.getsockname()[1]})", logging)
        said, log = app.communicate(timeout=30)
    assert (app.returncode, said) == (5, "")
    assert log == f"Error: can't listen on {address}: Address already in use\n"


def test_without_logging_of_its_own_a_script_speaks_as_the_commands_do(start: Start) -> None:
    """What `serve` prints, and the log of `work`; a failed attempt has its time and level."""
    port = free_port()
    app = start(f"qm.run(port={port})", "pass")
    url = f"http://127.0.0.1:{port}"
    with closing(Client(url, retry_for=START_SECONDS)) as client:
        task = client.queue("add", ["a", 1], max_attempts=1)
        assert client.get_task(task.id, wait=20).status == "failed"
    app.send_signal(signal.SIGTERM)
    said, log = app.communicate(timeout=20)
    assert app.returncode == 0, log
    assert f"listens on {url}, storage memory:" in said.splitlines()[0]
    assert f'jsonrpc-qm queue add \'{{"a": 1, "b": 1}}\' --manager {url}' in said
    lines = log.splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\d \S+Z (INFO|WARNING) +jsonrpc_qm", line) for line in lines)
    assert any(line.endswith("serves add") for line in lines)
    assert any(f"WARNING jsonrpc_qm.worker: add {task.id} failed" in line for line in lines)


def test_ctrl_c_while_it_starts_or_stops_is_no_traceback(start: Start) -> None:
    """Signals are left to Python while no worker runs: here in the moment before the first does."""
    app = start(
        "import signal; from jsonrpc_qm.cli import script; "
        "script.say_where = lambda *_, **__: signal.raise_signal(signal.SIGINT); qm.run(port=0)"
    )
    _, log = app.communicate(timeout=30)
    assert app.returncode == 130, log
    assert "Traceback" not in log
