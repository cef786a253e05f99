"""A manager with tokens as its users start it: workers, the command line, signals, slow clients."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from jsonrpc_qm import Client
from jsonrpc_qm.access.files import add_token, revoke_token
from jsonrpc_qm.access.grants import Role
from jsonrpc_qm.access.tokens import new_token
from jsonrpc_qm.errors import Forbidden
from tests.acceptance.conftest import StartManager
from tests.acceptance.managers import ManagerProcess, environment, failed_start, sqlite_url

APP = """
from jsonrpc_qm import QueueManager
qm = QueueManager("memory:")

@qm.worker("reports.add")
def add(a, b):
    return a + b
"""

TRICKLE = """
import socket, sys, time
host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
held = [socket.create_connection((host, port)) for _ in range(count)]
for each in held[::2]:
    each.sendall(b"POST /rpc HTTP/1.1\\r\\nHost: x\\r\\nContent-Type: application/json\\r\\n"
                 b"Content-Length: 100000\\r\\n\\r\\n")
print("ready", flush=True)
while True:
    for place, each in enumerate(held):
        try:
            each.send(b"x")
        except OSError:
            held[place] = socket.create_connection((host, port))
    time.sleep(1)
"""
"""Half of them never end their head, half never their body; who is hung up on comes back."""

SLOW = 500
"""Connections of the slow client."""

KEEPS = 0.8
"""Of its rate the others keep so much."""


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    """The file of tokens."""
    return tmp_path / "tokens.toml"


def token(file: Path, role: Role, *names: str) -> str:
    """A new token in the file."""
    made, entry = new_token(role, names or ("*",))
    add_token(file, entry)
    return made


def guarded(start: StartManager, file: Path, tasks_db: Path) -> ManagerProcess:
    """A manager with those tokens."""
    return start("--storage", sqlite_url(tasks_db), "--tokens", str(file))


def test_workers_work_with_a_token(
    start_manager: StartManager, tokens: Path, tasks_db: Path, tmp_path: Path
) -> None:
    """From the environment, in several processes; and it can't be seen from outside."""
    producer = token(tokens, Role.PRODUCER, "reports.*")
    worker = token(tokens, Role.WORKER, "reports.*")
    manager = guarded(start_manager, tokens, tasks_db)
    (tmp_path / "tokens_app.py").write_text(APP)
    command = [sys.executable, "-m", "jsonrpc_qm", "work", "tokens_app:qm", "--processes", "2"]
    settings = {"JSONRPC_QM_TOKEN": worker, "JSONRPC_QM_URL": manager.url}
    workers = subprocess.Popen(command, cwd=tmp_path, env={**environment(), **settings})
    try:
        with closing(Client(manager.url, token=producer)) as client:
            task = client.queue("reports.add", [1, 2])
            assert client.get_task(task.id, wait=30).result == 3
            with pytest.raises(Forbidden):
                client.stats()
        shown = subprocess.run(["ps", "axww"], capture_output=True, text=True, check=True).stdout
        assert worker not in shown
    finally:
        workers.terminate()
        workers.wait(20)
    assert worker not in manager.log
    assert producer not in manager.log


def test_a_worker_that_is_not_let_in_ends(
    start_manager: StartManager, tokens: Path, tasks_db: Path, tmp_path: Path
) -> None:
    """With one line that says why: trying again would not help."""
    other = token(tokens, Role.WORKER, "mail")
    manager = guarded(start_manager, tokens, tasks_db)
    (tmp_path / "tokens_app.py").write_text(APP)
    command = [sys.executable, "-m", "jsonrpc_qm", "work", "tokens_app:qm"]
    for given, said in [
        ({"JSONRPC_QM_TOKEN": other}, "Forbidden"),
        ({}, "wants a bearer token"),
    ]:
        settings = {**environment(), **given, "JSONRPC_QM_URL": manager.url}
        ended = subprocess.run(
            command, cwd=tmp_path, env=settings, capture_output=True, text=True, timeout=30
        )
        assert ended.returncode == 4, ended.stderr
        assert said in ended.stderr
        assert "Traceback" not in ended.stderr


def test_sighup_reads_the_tokens_again(
    start_manager: StartManager, tokens: Path, tasks_db: Path
) -> None:
    """New ones are good, revoked ones are not; a broken file changes nothing."""
    old = token(tokens, Role.OPERATOR)
    manager = guarded(start_manager, tokens, tasks_db)
    new = token(tokens, Role.OPERATOR)
    assert (good(manager, old), good(manager, new)) == (True, False)
    revoke_token(tokens, old.split("_")[1])
    reload(manager, f"tokens in {tokens}: 1")
    assert (good(manager, old), good(manager, new)) == (False, True)
    text = tokens.read_text()
    tokens.write_text("[[tokens")
    reload(manager, "the tokens stay as they were")
    assert good(manager, new)
    tokens.write_text(text)
    reload(manager, f"tokens in {tokens}: 1")
    with closing(Client(manager.url, token=new)) as client:
        client.pause("mail")
    assert f"jsonrpc_qm.audit: operator {new.split('_')[1]} at 127.0.0.1: pause" in manager.log
    assert manager.stop() == 0


def good(manager: ManagerProcess, token: str) -> bool:
    """Whether a token is let in."""
    with closing(Client(manager.url, token=token, retry_for=0)) as client:
        try:
            client.stats()
        except Forbidden:
            return False
        return True


def reload(manager: ManagerProcess, said: str) -> None:
    """Send SIGHUP, and wait until the log says so once more."""
    before = manager.log.count(said)
    manager.process.send_signal(signal.SIGHUP)
    until = time.monotonic() + 10
    while manager.log.count(said) == before:
        assert time.monotonic() < until, manager.log
        time.sleep(0.01)


def test_without_tokens_it_does_not_listen_to_other_machines(tmp_path: Path, tokens: Path) -> None:
    """One line says what to do; with tokens, or when anyone is allowed, it does."""
    for host in ("0.0.0.0", "::"):
        said = failed_start("--storage", "memory:", "--host", host, folder=tmp_path)
        assert "there are no tokens" in said
        assert "--tokens" in said
        assert "--allow-anyone" in said
        assert said.count("\n") == 1
    token(tokens, Role.ADMIN)
    for more in (["--tokens", str(tokens)], ["--allow-anyone"]):
        with closing(
            ManagerProcess("--storage", "memory:", folder=tmp_path, host="0.0.0.0", more=more)
        ) as manager:
            assert manager.process.poll() is None


def test_a_broken_file_of_tokens_is_one_line(tmp_path: Path, tokens: Path) -> None:
    """A manager that can't tell who may call does not start."""
    tokens.write_text("[[tokens]]\nid = 1\n")
    said = failed_start("--storage", "memory:", "--tokens", str(tokens), folder=tmp_path)
    assert str(tokens) in said
    assert "$.tokens[0].id" in said
    assert said.count("\n") == 1


@pytest.fixture
def slow_clients() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that are ended."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for each in started:
        each.kill()
        each.communicate()


def test_slow_clients_do_not_hold_up_the_others(
    manager: ManagerProcess, slow_clients: list[subprocess.Popen[str]], many_files: None
) -> None:
    """500 connections that send a byte a second leave the others their rate.

    Both are measured in turns, since the machine has other things to do; one good turn shows it.
    """
    ratios = []
    with closing(Client(manager.url)) as client:
        for turn in range(6):
            alone = rate(client, f"alone-{turn}")
            trickle(manager, slow_clients)
            among = rate(client, f"among-{turn}")
            slow_clients[-1].kill()
            slow_clients[-1].wait()
            ratios.append(among / alone)
            if ratios[-1] >= KEEPS:
                break
    assert max(ratios) >= KEEPS, ratios


def trickle(manager: ManagerProcess, started: list[subprocess.Popen[str]]) -> None:
    """Start a slow client; all its connections are there when this returns."""
    command = [sys.executable, "-c", TRICKLE, "127.0.0.1", str(manager.port), str(SLOW)]
    started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    pipe = started[-1].stdout
    assert pipe is not None
    assert pipe.readline() == "ready\n"


def rate(client: Client, name: str) -> float:
    """Calls a second of a producer and worker in one."""
    began = time.monotonic()
    rounds = 0
    while time.monotonic() - began < 2.0:
        client.queue(name, rounds)
        [task] = client.claim([name], wait=5)
        client.complete(task.id, task.token, result=rounds)
        rounds += 1
    return rounds * 3 / (time.monotonic() - began)
