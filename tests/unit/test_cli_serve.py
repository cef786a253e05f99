"""The `serve` command: what it starts, and what it says when that can't be."""

import json
import logging
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from jsonrpc_qm.cli.options import DEFAULT_STORAGE, DEFAULT_URL
from jsonrpc_qm.cli.serve import HELLO, FirstTask, first_task, greeting, reachable_url
from jsonrpc_qm.cli.serve import serve as serve_command
from jsonrpc_qm.errors import InvalidParams
from jsonrpc_qm.manager import QueueManager
from jsonrpc_qm.server import running
from jsonrpc_qm.server.running import Settings
from jsonrpc_qm.storage.base import Storage
from jsonrpc_qm.storage.memory import MemoryStorage
from jsonrpc_qm.storage.sqlite import DEFAULT_PATH
from jsonrpc_qm.worker.context import Context
from tests.unit.cli_fakes import run

URL = "http://127.0.0.1:8642"


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


class FakeServer:
    """In the place of `running.serve`: ready at once, and at once told to stop."""

    def __init__(self) -> None:
        self.storage = ""
        self.settings = Settings()

    def __call__(
        self, storage: Storage, settings: Settings, *, on_ready: Callable[[str], None]
    ) -> None:
        self.storage, self.settings = storage.url, settings
        on_ready(f"http://{settings.host}:{settings.port}")
        storage.close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeServer:
    fake = FakeServer()
    monkeypatch.setattr(running, "serve", fake)
    monkeypatch.chdir(tmp_path)
    return fake


def serve(*args: str, **settings: Any) -> Result:
    return run("serve", *args, **settings)


def test_by_default_it_serves_a_file_in_the_current_folder(server: FakeServer) -> None:
    """With the settings that the server has by default, on the loopback address."""
    assert serve().exit_code == 0
    assert server.storage == DEFAULT_STORAGE == f"sqlite:///{DEFAULT_PATH}"
    assert server.settings == Settings()
    assert f"http://{running.DEFAULT_HOST}:{running.DEFAULT_PORT}" == DEFAULT_URL
    assert Path(DEFAULT_PATH).exists()


def test_each_option_reaches_the_server(server: FakeServer) -> None:
    """Sizes in bytes, durations in seconds, forever as None."""
    result = serve(
        *shlex.split(
            "--storage memory: --host 0.0.0.0 --port 99 --max-body 1MiB --max-payload 2KiB "
            "--keep-completed 12h --keep-failed forever --allow-anyone --public-host a "
            "--public-host b --tls-cert c --tls-key k --tls-ca ca --max-queued 1 "
            "--max-queued-per-name 2 --max-connections 3 --max-connections-per-client 4 "
            "--max-waiting-claims 5 --max-waiting-per-client 6"
        )
    )
    assert result.exit_code == 0
    assert server.storage == "memory:"
    assert server.settings == Settings(
        host="0.0.0.0",
        port=99,
        max_body=1048576,
        max_payload=2048,
        keep_completed=43200.0,
        keep_failed=None,
        allow_anyone=True,
        public_host=("a", "b"),
        tls_cert="c",
        tls_key="k",
        tls_ca="ca",
        max_queued=1,
        max_queued_per_name=2,
        max_connections=3,
        max_connections_per_client=4,
        max_waiting_claims=5,
        max_waiting_per_client=6,
    )


def test_the_servers_settings_are_its_options() -> None:
    """All of them, by the same names, for `qm.run()` takes them too."""
    others = {"app", "storage_url", "log_format", "log_level"}
    assert {param.name for param in serve_command.params} == set(
        Settings.__struct_fields__
    ) | others


def test_with_tokens_the_commands_it_shows_have_one(server: FakeServer) -> None:
    """From the variable, which the shell puts in."""
    stdout = serve("--tokens", "tokens.toml").stdout
    assert server.settings.tokens == "tokens.toml"
    assert "callers need a token, in JSONRPC_QM_TOKEN" in stdout
    assert ' -H "Authorization: Bearer $JSONRPC_QM_TOKEN"\n' in stdout


def test_it_says_where_it_listens_and_how_to_queue_afirst_task(server: FakeServer) -> None:
    """On stdout, where logs don't go."""
    lines = serve().stdout.splitlines()
    assert lines[0].endswith(f"listens on {URL}, storage sqlite:///jsonrpc-qm.db")
    assert shlex.split(lines[2]) == ["jsonrpc-qm", "queue", "hello", '{"name": "Ada"}']
    curl = shlex.split(lines[3])
    assert curl[:2] == ["curl", f"{URL}/rpc"]
    assert json.loads(curl[-1])["params"] == {"name": "hello", "parameters": {"name": "Ada"}}
    assert lines[5].strip() == "jsonrpc-qm claim hello"
    assert lines[7].strip() == f"{URL}/"


def test_with_json_logs_it_says_so_in_the_log(server: FakeServer) -> None:
    """Whoever collects JSON lines gets nothing else."""
    result = serve("--log-format", "json")
    assert result.stdout == ""
    (line,) = map(json.loads, result.stderr.splitlines())
    assert f"listens on {URL}, storage sqlite:///jsonrpc-qm.db" in line["message"]


def test_the_storage_may_come_from_the_environment(server: FakeServer) -> None:
    """JSONRPC_QM_STORAGE, as in a container."""
    serve(env={"JSONRPC_QM_STORAGE": "memory:"})
    assert server.storage == "memory:"


APP = """
from jsonrpc_qm import QueueManager
qm = QueueManager("sqlite:///of-the-app.db")

@qm.worker("greet")
def greet(): ...
"""


def test_what_a_storage_warns_of_when_it_is_opened_is_logged(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That an answered call could be lost, for one."""

    def opened(url: str) -> Storage:
        logging.getLogger("jsonrpc_qm.storage").warning("calls could be lost")
        return MemoryStorage()

    monkeypatch.setattr("jsonrpc_qm.manager.open_storage", opened)
    assert serve().stderr.count("calls could be lost") == 1


@pytest.fixture
def app(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """An app in the current folder, with a module name of its own."""
    name = f"served_app_{abs(hash(Path.cwd()))}"
    Path(f"{name}.py").write_text(APP)
    monkeypatch.syspath_prepend(str(Path.cwd()))
    return f"{name}:qm"


def test_with_an_app_it_serves_the_storage_of_the_app(server: FakeServer, app: str) -> None:
    """And it names a task that the app can do."""
    result = serve(app)
    assert server.storage == "sqlite:///of-the-app.db"
    assert result.stderr == ""
    assert "jsonrpc-qm queue greet '{}'\n" in result.stdout
    assert f"  jsonrpc-qm work {app}\n" in result.stdout


@pytest.mark.parametrize(
    ("named", "served", "said"),
    [
        ("", "memory:", ""),
        ('"memory:"', "memory:", ""),
        ('"other.db"', "", "'other.db' is no storage URL"),
        (
            'Path("other.db")',
            "sqlite:///other.db",
            "has a storage of its own, sqlite:///other.db: JSONRPC_QM_STORAGE is not used\n",
        ),
    ],
)
def test_the_storage_of_an_app_goes_before_that_of_the_environment(
    server: FakeServer, app: str, named: str, served: str, said: str
) -> None:
    """Where the app names none, it is that of the environment; where they differ, it says so."""
    text = APP.replace('"sqlite:///of-the-app.db"', named)
    Path(f"{app.partition(':')[0]}.py").write_text(f"from pathlib import Path\n{text}")
    result = serve(app, env={"JSONRPC_QM_STORAGE": "memory:"})
    assert server.storage == served
    assert said in result.stderr
    assert bool(said) == bool(result.stderr)


def test_without_an_app_the_option_goes_before_the_environment(server: FakeServer) -> None:
    """As with every option, so nothing is said about it."""
    result = serve("--storage", "memory:", env={"JSONRPC_QM_STORAGE": "sqlite:///other.db"})
    assert (server.storage, result.stderr) == ("memory:", "")


def test_an_app_and_a_storage_are_one_too_many(server: FakeServer, app: str) -> None:
    """Which of them is meant is for the caller to say."""
    result = serve(app, "--storage", "memory:")
    assert (result.exit_code, server.storage) == (2, "")
    assert "either APP:QM or --storage, not both" in result.stderr


@pytest.mark.parametrize(
    ("url", "code", "said"),
    [
        ("nonsense", 2, "'nonsense' is no storage URL"),
        ("memory:x", 2, "nothing may follow memory:"),
        ("sqlite:////no/such/folder/x.db", 5, "the database /no/such/folder/x.db can't be used"),
    ],
)
def test_a_storage_that_cannot_be_used_is_one_line(
    server: FakeServer, url: str, code: int, said: str
) -> None:
    """Without a traceback, without a log line that says it again."""
    result = serve("--storage", url)
    assert (result.exit_code, result.stdout) == (code, "")
    assert said in result.stderr
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OSError(98, "Address already in use (while attempting to bind on address ('x', 1))"),
            "Error: can't listen on 127.0.0.1:8642: Address already in use\n",
        ),
        (
            PermissionError(13, "Permission denied"),
            "Error: can't listen on 127.0.0.1:8642: Permission denied\n",
        ),
    ],
)
def test_an_address_that_cannot_be_had_is_one_line(
    monkeypatch: pytest.MonkeyPatch, error: OSError, said: str
) -> None:
    """Exit code 5, and the reason of the operating system."""

    def refuse(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("socket.create_server", refuse)
    result = serve("--storage", "memory:")
    assert (result.exit_code, result.stdout, result.stderr) == (5, "", said)


@pytest.mark.parametrize(
    ("url", "reachable"),
    [
        ("http://0.0.0.0:8642", URL),
        ("http://[::]:99", "http://[::1]:99"),
        ("http://10.0.0.1:8642", "http://10.0.0.1:8642"),
    ],
)
def test_the_commands_it_shows_reach_it(url: str, reachable: str) -> None:
    """An address that means all addresses is none to call."""
    assert reachable_url(url) == reachable


def test_a_storage_in_memory_is_said_to_be_lost() -> None:
    """And another port than the usual one is in the commands."""
    text = greeting("http://127.0.0.1:99", "memory:", app=None, first=HELLO)
    assert "storage memory: (tasks are lost when it stops)" in text
    assert 'queue hello \'{"name": "Ada"}\' --manager http://127.0.0.1:99\n' in text


def test_a_script_with_workers_needs_no_others() -> None:
    """So it does not say how to start some."""
    text = greeting(URL, "memory:", first=HELLO, has_workers=True)
    assert "Queue a first task:" in text
    assert "Work on it" not in text


def test_thefirst_task_has_what_the_worker_needs() -> None:
    """It can be copied from the screen and does not fail for want of a parameter."""
    manager = QueueManager("memory:")

    @manager.worker("add")
    def add(a: int, b: int, context: Context, c: int = 0) -> int:
        return a + b + c

    assert first_task(manager.registry) == FirstTask("add", {"a": 1, "b": 1})
    assert first_task({}) == HELLO


def test_an_app_that_serves_itself_stays_on_this_machine() -> None:
    """Unless it says that anyone may call."""
    with pytest.raises(InvalidParams, match=r"0\.0\.0\.0 can be reached from other machines"):
        QueueManager("memory:").run(host="0.0.0.0", port=0)
