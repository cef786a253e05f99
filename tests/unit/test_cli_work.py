"""The `work` command: which workers it starts, and how."""

import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jsonrpc_qm.cli.work import work_in_a_child
from jsonrpc_qm.client.credentials import Credentials
from jsonrpc_qm.worker import main as worker_main
from jsonrpc_qm.worker import supervisor
from jsonrpc_qm.worker.runner import Ending
from tests.unit.cli_fakes import run, run_line

APP = """
from jsonrpc_qm import QueueManager
qm = QueueManager("memory:")

@qm.worker("greet")
def greet(): ...

@qm.worker("add")
def add(a, b): ...
"""


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def app(tmp_path: Path) -> str:
    """An app in the current folder, with a module name of its own."""
    name = f"working_app_{abs(hash(tmp_path))}"
    Path(f"{name}.py").write_text(APP)
    return f"{name}:qm"


class FakeWorkers:
    """In the place of run_workers, leave and run_processes."""

    def __init__(self) -> None:
        self.registry: dict[str, Any] = {}
        self.url = ""
        self.options: dict[str, Any] = {}
        self.left: list[Ending] = []
        self.supervised: tuple[Any, ...] = ()
        self.error: Exception | None = None

    def run_workers(self, registry: Any, source: Any, **options: Any) -> Ending:
        if self.error is not None:
            raise self.error
        self.registry, self.options = registry, options
        with source() as client:
            self.url = client._endpoints[0].url
        return Ending.STOPPED

    def leave(self, ending: Ending) -> None:
        self.left.append(ending)
        sys.exit(0)

    def run_processes(self, *args: Any, **options: Any) -> int:
        self.supervised = (*args, options)
        return 0


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> FakeWorkers:
    fake = FakeWorkers()
    monkeypatch.setattr(worker_main, "run_workers", fake.run_workers)
    monkeypatch.setattr(worker_main, "leave", fake.leave)
    monkeypatch.setattr(supervisor, "run_processes", fake.run_processes)
    return fake


def test_by_default_one_process_works_for_all_names(workers: FakeWorkers, app: str) -> None:
    """In this process, against the local manager."""
    assert run("work", app).exit_code == 0
    assert list(workers.registry) == ["greet", "add"]
    assert workers.url == "http://127.0.0.1:8642"
    assert workers.left == [Ending.STOPPED]
    assert workers.options == {
        "names": None,
        "concurrency": None,
        "pool": "thread",
        "grace": 30.0,
        "max_tasks": None,
        "burst": False,
    }


def test_each_option_reaches_the_workers(workers: FakeWorkers, app: str) -> None:
    """Durations in seconds, names as a list."""
    line = f"work {app} --names add --concurrency 3 --pool process --grace 1m --burst"
    assert run_line(f"{line} --manager http://there:1").exit_code == 0
    assert workers.url == "http://there:1"
    assert workers.options == {
        "names": ["add"],
        "concurrency": 3,
        "pool": "process",
        "grace": 60.0,
        "max_tasks": None,
        "burst": True,
    }


@pytest.mark.parametrize(
    ("options", "count"),
    [("--processes 3", 3), ("--max-tasks 100", 1), ("--grace 5 --processes 2", 2)],
)
def test_several_processes_or_recycled_ones_are_supervised(
    workers: FakeWorkers, app: str, options: str, count: int
) -> None:
    """Each imports the app anew, so what it gets can be pickled."""
    assert run_line(f"work {app} {options} --log-level warning").exit_code == 0
    processes, target, args, settings = workers.supervised
    assert (processes, target) == (count, work_in_a_child)
    assert args[:5] == (app, "http://127.0.0.1:8642", Credentials(), "text", "warning")
    assert settings == {"grace": args[5]["grace"], "final": ()}
    assert workers.left == []


def test_several_processes_of_a_burst_end_as_one_does(workers: FakeWorkers, app: str) -> None:
    """What can't get better by itself is final, else they would be started again for ever."""
    run_line(f"work {app} --burst --processes 2")
    assert workers.supervised[-1]["final"] == (4, 5)


def test_a_child_leaves_the_counting_of_signals_to_its_supervisor(
    workers: FakeWorkers, app: str
) -> None:
    """And gives back why it ended."""
    ending = work_in_a_child(app, "http://there:1", Credentials(), "text", "info", {"grace": 5.0})
    assert ending == Ending.STOPPED
    assert workers.options == {"grace": 5.0, "supervised": True}


def test_a_child_that_cannot_import_the_app_says_so(
    workers: FakeWorkers, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line and the exit code, without a traceback of this package."""
    with pytest.raises(SystemExit) as ended:
        work_in_a_child("no_such_module:qm", "http://there:1", Credentials(), "text", "info", {})
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("Error: no module named 'no_such_module'")


def test_names_without_a_worker_are_a_usage_error(workers: FakeWorkers, app: str) -> None:
    """It says which, and which there are."""
    result = run("work", app, "--names", "add,other,more")
    assert result.exit_code == 2
    assert result.stderr == ("Error: the app has no worker for other, more; it has greet, add\n")


def test_workers_that_cannot_run_like_that_are_a_usage_error(
    workers: FakeWorkers, app: str
) -> None:
    """What the runner calls impossible is one line."""
    workers.error = ValueError("worker 'add' is async, so it can't run in a thread")
    result = run("work", app)
    assert (result.exit_code, result.stderr) == (2, f"Error: {workers.error}\n")


def test_an_app_without_workers_is_a_usage_error(workers: FakeWorkers) -> None:
    """There is nothing to do for it."""
    Path("idle_app.py").write_text("import jsonrpc_qm\nqm = jsonrpc_qm.QueueManager('memory:')\n")
    result = run("work", "idle_app:qm")
    assert result.exit_code == 2
    assert "idle_app:qm has no workers" in result.stderr
