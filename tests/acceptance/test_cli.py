"""The command line against a real manager, as scripts and people use it."""

import json
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from jsonrpc_qm.cli.main import cli
from tests.acceptance.managers import ManagerProcess, environment
from tests.acceptance.rpc import Rpc, until
from tests.acceptance.terminals import Terminal

PROGRAM = (sys.executable, "-m", "jsonrpc_qm")
WORKER_APP = """
from jsonrpc_qm import QueueManager
qm = QueueManager("memory:")

@qm.worker("add")
def add(a, b):
    return a + b

@qm.worker("fail")
def fail():
    raise ValueError("as asked")
"""


class Line:
    """The command line in this process, with its real client, against one manager."""

    def __init__(self, url: str) -> None:
        self.env = {"JSONRPC_QM_URL": url}

    def __call__(self, *args: str) -> Result:
        return CliRunner(env=self.env, catch_exceptions=False).invoke(cli, args)

    def json(self, *args: str) -> Any:
        result = self(*args, "--json")
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)


@pytest.fixture
def line(manager: ManagerProcess) -> Line:
    return Line(manager.url)


def program(*args: str, url: str = "", **settings: Any) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
    env = environment() | ({"JSONRPC_QM_URL": url} if url else {})
    return subprocess.run(
        [*PROGRAM, *args], env=env, capture_output=True, text=True, timeout=30, **settings
    )


# -- scripts --------------------------------------------------------------------------------


def test_a_worker_in_shell(manager: ManagerProcess, tmp_path: Path) -> None:
    """queue, claim, heartbeat and complete are all that a shell script needs to work."""
    script = f"""
set -eu
qm() {{ {shlex.join(PROGRAM)} "$@"; }}
ID=$(qm queue count '{{"text": "one two  three"}}')
qm claim count --worker shell | while IFS="$(printf '\\t')" read -r id token name parameters; do
    test "$id" = "$ID"
    qm heartbeat "$id" "$token" --progress 0.5 > /dev/null
    echo "$parameters" | wc -w | qm complete "$id" "$token" - > /dev/null
done
qm get "$ID" --json
"""
    env = {**environment(), "JSONRPC_QM_URL": manager.url}
    done = subprocess.run(
        ["sh", "-c", script], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    task = json.loads(done.stdout)
    assert (task["status"], task["result"]) == ("completed", 4)
    assert (task["progress"], task["worker"]) == (0.5, "shell")


def test_json_is_exactly_what_the_manager_answers(line: Line, rpc: Rpc) -> None:
    """The same document as over the wire: every member, every digit, nothing besides."""
    queued = line.json(
        "queue", "hello", '{"big": 123456789012345678901234567890, "text": "ü\\u0000"}'
    )
    assert queued == rpc("get_task", id=queued["id"])
    assert line.json("list") == rpc("list_tasks")
    (claimed,) = line.json("claim", "hello", "--worker", "w")
    assert claimed == {**rpc("get_task", id=queued["id"]), "token": claimed["token"]}
    assert line.json("workers")[0].keys() == rpc("workers")[0].keys()
    assert line.json("get", queued["id"]) == rpc("get_task", id=queued["id"])
    assert line.json("stats")["names"] == rpc("stats")["names"]
    assert line.json("discover") == rpc("rpc.discover")
    assert line.json("pause", "hello") is True
    token = str(claimed["token"])
    done = line.json("complete", queued["id"], token, "[1.0, 1e300]")
    assert done == rpc("get_task", id=queued["id"])
    assert line.json("purge", "--yes") == 1


def test_a_task_from_queue_to_delete(line: Line) -> None:
    """The operators' verbs, one after the other, on one task."""
    task_id = line("queue", "job", "--id", "my:job", "--delay", "1h").stdout.strip()
    assert task_id == "my:job"
    assert line("cancel", task_id).stdout == f"{task_id} cancelled\n"
    assert line("retry", task_id).stdout == f"{task_id} queued\n"
    assert line("pause", "job").exit_code == 0
    assert "paused" in line("stats").stdout
    assert line("claim", "job", "--wait", "0").exit_code == 6
    assert line("resume", "job").exit_code == 0
    id, token, name, parameters = line("claim", "job", "--worker", "w").stdout.strip().split("\t")
    assert (id, name, parameters) == (task_id, "job", "null")
    assert line("drain", "w").stdout == "w is asked to stop\n"
    assert "draining" in line("workers").stdout
    assert line("release", id, token).stdout == f"{task_id} queued\n"
    assert line("list", "-q").stdout == f"{task_id}\n"
    _, token, *_ = line("claim", "job", "--worker", "other").stdout.split("\t")
    failed = line("fail", id, token, "--message", "no", "--type", "Mine", "--no-retry")
    assert failed.stdout == f"{task_id} failed\n"
    assert "Mine: no" in line("get", id).stdout
    assert line("delete", id).stdout == f"{task_id} deleted\n"
    assert line("get", id).exit_code == 3


def test_exit_codes_of_what_the_manager_refuses(line: Line, rpc: Rpc) -> None:
    """3 not found, 4 refused, 2 invalid, 7 not in time, 8 should stop; one line on stderr each."""
    rpc("queue", name="a", id="a", parameters=1)
    (task,) = rpc("claim", names=["a"])
    token = str(task["token"])
    refusals = {
        ("get", "none"): (3, "Task not found"),
        ("delete", "none"): (3, "Task not found"),
        ("queue", "a", "2", "--id", "a"): (4, "Conflict"),
        ("retry", "a"): (4, "Invalid state"),
        ("complete", "a", "1"): (4, "Lease lost"),
        ("heartbeat", "a", "1"): (4, "Lease lost"),
        ("queue", "a", f'"{"x" * 2**20}"'): (4, "Too large"),
        ("queue", "a", "--priority", "9999999"): (2, "Invalid params: priority"),
        ("claim", "a", "--wait", "60"): (2, "Invalid params: wait"),
        ("list", "--limit", "0"): (2, "Invalid params: limit"),
        ("drain", "nobody"): (2, "Invalid params: worker"),
        ("get", "a", "--wait-for", "0.01"): (7, "not finished yet"),
    }
    for args, (code, said) in refusals.items():
        result = line(*args)
        assert (result.exit_code, said in result.stderr) == (code, True), (args, result.stderr)
        assert result.stderr.count("\n") == 1
    line("cancel", "a")
    assert line("heartbeat", "a", token).exit_code == 8


@pytest.fixture
def nobody() -> Iterator[str]:
    """The URL of a port where nobody listens."""
    with closing(socket.socket()) as kept:
        kept.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{kept.getsockname()[1]}"


COMMANDS = [
    "queue a", "get x", "list", "cancel x y", "retry x", "delete x", "stats", "stats --watch",
    "workers", "drain w", "pause a", "resume a", "purge --yes", "claim a", "complete x 1",
    "release x 1", "fail x 1 --message m", "heartbeat x 1", "discover", "get x --wait",
    "list --all --json",
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_a_manager_that_is_not_there_is_one_line(command: str, nobody: str) -> None:
    """At once, with exit code 5, and no traceback."""
    began = time.monotonic()
    result = Line(nobody)(*command.split())
    assert (result.exit_code, result.stdout) == (5, "")
    assert result.stderr.count("\n") == 1
    assert f"no manager answers at {nobody} (connection refused)" in result.stderr
    assert time.monotonic() - began < 2.0


def test_retry_for_waits_for_a_manager(line: Line, nobody: str) -> None:
    """For a script that starts together with its manager."""
    began = time.monotonic()
    result = Line(nobody)("stats", "--retry-for", "300ms")
    assert result.exit_code == 5
    assert time.monotonic() - began >= 0.25
    assert line("stats", "--retry-for", "300ms").exit_code == 0


# -- workers --------------------------------------------------------------------------------


@contextmanager
def working(
    manager: ManagerProcess, folder: Path, *options: str
) -> Iterator[subprocess.Popen[str]]:
    """`jsonrpc-qm work` on an app in the folder."""
    folder.joinpath("app.py").write_text(WORKER_APP)
    worker = subprocess.Popen(
        [*PROGRAM, "work", "app:qm", *options],
        env={**environment(), "JSONRPC_QM_URL": manager.url},
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield worker
    finally:
        worker.kill()
        worker.communicate()


def test_queue_wait_prints_what_the_worker_returned(
    manager: ManagerProcess, line: Line, tmp_path: Path
) -> None:
    """The result alone, or the failure; and SIGTERM ends the worker with 0."""
    with working(manager, tmp_path) as worker:
        result = line("queue", "add", '{"a": 1, "b": 2}', "--wait-for", "20")
        assert (result.exit_code, result.stdout) == (0, "3\n")
        result = line("queue", "fail", "--max-attempts", "1", "--wait-for", "20")
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.endswith(" failed: ValueError: as asked\n")
        worker.terminate()
        assert worker.wait(20) == 0


def test_work_ends_by_itself_with_burst(manager: ManagerProcess, rpc: Rpc, tmp_path: Path) -> None:
    """Several processes, each replaced after a task, until nothing is due; logs as JSON."""
    rpc("queue_many", tasks=[{"name": "add", "parameters": [n, 1]} for n in range(4)])
    options = shlex.split("--processes 2 --max-tasks 1 --burst --concurrency 1 --log-format json")
    with working(manager, tmp_path, *options) as worker:
        _, logs = worker.communicate(timeout=40)
        assert worker.returncode == 0
    assert rpc("stats")["names"]["add"]["completed"] == 4
    said = [json.loads(entry) for entry in logs.splitlines()]
    assert all({"ts", "level", "logger", "message"} <= entry.keys() for entry in said)


@pytest.mark.parametrize(
    ("url", "options", "said"),
    [
        ("http://{}/wrong", (), "answered HTTP 404 Not Found: is this the URL of a manager?"),
        ("https://{}", (), "no secure connection to"),
        ("http://{}/wrong", ("--processes", "2"), "answered HTTP 404 Not Found"),
    ],
)
def test_a_burst_ends_where_there_is_no_manager(
    manager: ManagerProcess, tmp_path: Path, url: str, options: tuple[str, ...], said: str
) -> None:
    """A wrong URL does not get better: exit code 5, and a line that says what is wrong."""
    tmp_path.joinpath("app.py").write_text(WORKER_APP)
    result = program(
        *("work", "app:qm", "--burst", *options),
        url=url.format(f"127.0.0.1:{manager.port}"),
        cwd=tmp_path,
    )
    assert result.returncode == 5
    assert said in result.stderr.splitlines()[-1]
    assert "Queue error" not in result.stderr


def test_work_without_an_app_is_one_line(tmp_path: Path) -> None:
    """The usual mistakes end at once."""
    result = program("work", "app:qm", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr == f"Error: no module named 'app', looked in {tmp_path}\n"


# -- the manager ----------------------------------------------------------------------------


def test_a_port_that_is_taken_is_one_line(manager: ManagerProcess, tmp_path: Path) -> None:
    """Exit code 5, and which port."""
    where = ["--port", str(manager.port), "--storage", "memory:"]
    result = program("serve", *where, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (5, "")
    address = f"127.0.0.1:{manager.port}"
    assert result.stderr == f"Error: can't listen on {address}: Address already in use\n"


def test_the_commands_that_serve_shows_work(tmp_path: Path) -> None:
    """Both ways to queue a first task can be copied from the screen."""
    serving = subprocess.Popen(
        [*PROGRAM, "serve", "--port", "0", "--storage", "memory:"],
        env=environment(),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert serving.stdout is not None
        shown = [serving.stdout.readline() for _ in range(6)]
        queue, curl, claim = (shlex.split(shown[number]) for number in (2, 3, 5))
        assert queue[0] == claim[0] == "jsonrpc-qm"
        assert len(program(*queue[1:]).stdout.strip()) == 36
        assert curl[0] == "curl"
        if shutil.which("curl"):
            answer = subprocess.run(curl, capture_output=True, timeout=30, check=True)
            assert json.loads(answer.stdout)["result"]["status"] == "queued"
        assert program(*claim[1:]).stdout.split("\t")[2:] == ["hello", '{"name": "Ada"}\n']
        serving.send_signal(signal.SIGTERM)
        assert serving.wait(20) == 0
    finally:
        serving.kill()
        serving.communicate()


# -- on a terminal --------------------------------------------------------------------------


def test_tables_have_colours_on_a_terminal(manager: ManagerProcess, rpc: Rpc) -> None:
    """And fit into its 80 columns, whatever names there are."""
    rpc("queue", name="n" * 200, id="i" * 36)
    with closing(Terminal("list", url=manager.url)) as terminal:
        assert terminal.read_to_the_end() == 0
    assert "\x1b[" in terminal.shown
    assert "i" * 36 in terminal.shown
    assert "…" in terminal.shown
    assert "queued" in terminal.shown


def test_watched_stats_are_repainted_until_ctrl_c(manager: ManagerProcess, rpc: Rpc) -> None:
    """A change appears by itself; Ctrl-C leaves with 0 and without a traceback."""
    with closing(Terminal("stats", "--watch", "--every", "50ms", url=manager.url)) as terminal:
        terminal.read_until("0 workers")
        rpc("queue", name="appears")
        terminal.read_until("appears")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.read_to_the_end() == 0
    assert "Traceback" not in terminal.shown


def test_watched_stats_outlast_the_manager(manager: ManagerProcess) -> None:
    """While it is away that is said below the last table."""
    with closing(Terminal("stats", "--watch", "--every", "50ms", url=manager.url)) as terminal:
        terminal.read_until("0 workers")
        manager.kill()
        terminal.read_until("no manager answers at")
        assert terminal.process.poll() is None


def test_purge_asks_on_a_terminal(manager: ManagerProcess, rpc: Rpc) -> None:
    """No keeps everything, yes deletes."""
    rpc("queue", name="a", id="a")
    rpc("cancel", id="a")
    for answer, code, left in (("n", 1, 1), ("y", 0, 0)):
        with closing(Terminal("purge", "--status", "cancelled", url=manager.url)) as terminal:
            terminal.read_until("Delete 1 cancelled task? [y/N]")
            terminal.type(f"{answer}\n")
            assert terminal.read_to_the_end() == code
        assert len(rpc("list_tasks")["tasks"]) == left


def test_ctrl_c_while_waiting_is_130(manager: ManagerProcess, rpc: Rpc) -> None:
    """The task goes on; who waits sees its id before."""
    with closing(Terminal("queue", "never", "--wait", url=manager.url)) as terminal:
        terminal.read_until("waiting for its end")
        until(lambda: rpc("list_tasks")["tasks"])
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.read_to_the_end() == 130
    assert "Traceback" not in terminal.shown
