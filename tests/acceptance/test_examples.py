"""The examples, run as their readers run them."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from examples.files import report
from examples.files.__main__ import files_of
from examples.files.app import TOTALS, FileDigest, digest
from examples.files.totals import Results, Totals
from jsonrpc_qm import Client, Fail, MemoryStorage, Status, Task
from jsonrpc_qm.access.files import add_token
from jsonrpc_qm.access.grants import Role
from jsonrpc_qm.access.tokens import new_token
from jsonrpc_qm.server.running import Settings, in_background
from tests.acceptance.conftest import StartManager
from tests.acceptance.foreign_workers import EXAMPLES, LANGUAGES, ForeignWorker, Language
from tests.acceptance.managers import environment
from tests.acceptance.rpc import NoAnswer, Rpc, until
from tests.acceptance.stub_managers import stub_manager

TEXT = "to be,  or\nnot tö be 日本\u3000語"
WORDS = 8

ROOT = EXAMPLES.parent
StartForeign = Callable[[str], ForeignWorker]


@pytest.fixture
def url() -> Iterator[str]:
    """Where a manager listens, in this process: the workers are what is tested here."""
    with in_background(MemoryStorage(), Settings(port=0)) as listening:
        yield listening


@pytest.fixture
def rpc(url: str) -> Iterator[Rpc]:
    """Calls that manager."""
    with Rpc(url) as caller:
        yield caller


# -- workers in other languages ------------------------------------------------------------------


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> Language:
    """Each language that can be run here."""
    found = LANGUAGES[request.param]
    found.skip_if_missing()
    return found


@pytest.fixture
def work(language: Language, tmp_path: Path) -> Iterator[StartForeign]:
    """Starts the language's worker for the manager at a URL."""
    with ExitStack() as ended:
        yield lambda url: ended.enter_context(closing(ForeignWorker(language, url, tmp_path)))


def count_words(rpc: Rpc, parameters: Any) -> dict[str, Any]:
    """A task for the workers, once it is finished."""
    id = rpc("queue", name="word-count", parameters=parameters, max_attempts=1)["id"]
    return finished(rpc, id)


def finished(rpc: Rpc, id: str) -> dict[str, Any]:
    """The task, once it is finished."""
    task: dict[str, Any] = rpc("get_task", id=id, wait=25)
    assert task["finished_at"], task
    return task


def waits(rpc: Rpc) -> None:
    """Return once a worker has asked for tasks."""
    until(lambda: rpc("workers"))


@pytest.mark.parametrize("name", sorted(language.file for language in LANGUAGES.values()))
def test_a_worker_needs_fewer_than_60_lines(name: str) -> None:
    """It is there to be copied."""
    assert len((EXAMPLES / name).read_text().splitlines()) < 60


def test_a_foreign_worker_does_its_tasks(url: str, rpc: Rpc, work: StartForeign) -> None:
    """All languages count the same words, also in texts that are long, empty or not English."""
    work(url)
    for text, words in [(TEXT, WORDS), ("", 0), ("ab " * 300_000, 300_000)]:
        task = count_words(rpc, {"text": text})
        assert (task["status"], task["result"]) == ("completed", {"words": words})


def test_a_foreign_worker_says_why_it_failed(url: str, rpc: Rpc, work: StartForeign) -> None:
    """The task's error says what is wrong with its parameters, and the worker goes on."""
    work(url)
    for parameters in (None, "text", [1], {"text": 3}):
        task = count_words(rpc, parameters)
        assert (task["status"], task["result"]) == ("failed", None)
        assert task["error"]["message"] == "parameters.text must be a string"
        assert task["error"]["type"]
    assert count_words(rpc, {"text": TEXT})["status"] == "completed"


def test_a_foreign_worker_keeps_the_lease_of_a_long_job(
    url: str, rpc: Rpc, language: Language, tmp_path: Path
) -> None:
    """A job that takes longer than its lease is run once, and others come after it."""
    once = {"name": "word-count", "parameters": {"text": TEXT}, "max_attempts": 1, "max_lost": 0}
    ids = [rpc("queue", **once)["id"] for _ in range(2)]
    with closing(ForeignWorker(language, url, tmp_path, language.slow_copy(tmp_path))):
        for id in ids:
            task = finished(rpc, id)
            assert (task["status"], task["error"]) == ("completed", None)
            assert (task["attempts"], task["lost"]) == (1, 0)


def test_a_foreign_worker_has_a_token(language: Language, tmp_path: Path) -> None:
    """From the environment; without one it works for no manager that wants one."""
    tokens, made = tmp_path / "tokens.toml", {}
    for role in (Role.PRODUCER, Role.WORKER):
        made[role], entry = new_token(role, ("*",))
        add_token(tokens, entry)
    with (
        in_background(MemoryStorage(), Settings(port=0, tokens=str(tokens))) as url,
        closing(Client(url, token=made[Role.PRODUCER])) as client,
    ):
        task = client.queue("word-count", {"text": TEXT})
        with closing(ForeignWorker(language, url, tmp_path)) as without:
            until(lambda: without.log)
            assert not client.get_task(task.id).attempts
        with closing(ForeignWorker(language, url, tmp_path, JSONRPC_QM_TOKEN=made[Role.WORKER])):
            assert client.get_task(task.id, wait=25).result == {"words": WORDS}
            shown = subprocess.run(["ps", "axww"], capture_output=True, text=True, check=True)
            assert made[Role.WORKER] not in shown.stdout


def test_a_foreign_worker_that_is_asked_to_drain_ends(
    url: str, rpc: Rpc, work: StartForeign
) -> None:
    """By itself, and as if nothing had happened."""
    worker = work(url)
    waits(rpc)
    assert rpc("drain", worker=rpc("workers")[0]["worker"]) is True
    assert worker.process.wait(25) == 0


def test_a_shell_worker_that_is_killed_keeps_no_lease(url: str, rpc: Rpc, tmp_path: Path) -> None:
    """Its heartbeats end with it."""
    language = LANGUAGES["shell"]
    language.skip_if_missing()
    worker = ForeignWorker(language, url, tmp_path, language.slow_copy(tmp_path))
    id = rpc("queue", name="word-count", parameters={"text": TEXT}, max_lost=0)["id"]
    until(lambda: rpc("get_task", id=id)["status"] == "started")
    worker.close()
    assert finished(rpc, id)["error"]["type"] == "LeaseExpired"


def test_a_foreign_worker_survives_the_managers_restart(
    start_manager: StartManager, work: StartForeign
) -> None:
    """While the manager is away it says so and tries again, until there is one."""
    first = start_manager()
    worker = work(first.url)
    with Rpc(first.url) as rpc:
        waits(rpc)
    first.stop()
    until(lambda: worker.log)
    start_manager(port=first.port)
    with Rpc(first.url) as rpc:
        assert count_words(rpc, {"text": TEXT})["result"] == {"words": WORDS}


def test_a_foreign_worker_sends_its_outcome_until_it_is_answered(work: StartForeign) -> None:
    """A lost answer means the same call once more, with the same token."""
    task = {"id": "1", "name": "word-count", "parameters": {"text": TEXT}, "token": 7}
    with stub_manager(task, lambda number: number > 1) as stub:
        work(stub.url)
        until(lambda: stub.claims > 1)
        outcome = {"method": "complete", "id": "1", "token": 7, "result": {"words": WORDS}}
        assert stub.outcomes == [outcome, outcome]


def test_a_foreign_worker_that_waits_stops_on_sigterm(
    url: str, rpc: Rpc, work: StartForeign
) -> None:
    """It takes nothing with it, and leaves nothing behind."""
    worker = work(url)
    waits(rpc)
    assert worker.stop() == 0
    assert list(worker.temporary.iterdir()) == []
    queued = rpc("queue", name="word-count", parameters={"text": TEXT})
    task = rpc("get_task", id=queued["id"], wait=1)
    assert (task["status"], task["attempts"]) == ("queued", 0)


def test_a_foreign_worker_that_works_finishes_before_it_stops(work: StartForeign) -> None:
    """SIGTERM waits until the manager has answered the outcome."""
    started: list[ForeignWorker] = []

    def signalled(number: int) -> bool:
        until(lambda: started)
        started[0].process.send_signal(signal.SIGTERM)
        return True

    task = {"id": "1", "name": "word-count", "parameters": {"text": TEXT}, "token": 7}
    with stub_manager(task, signalled) as stub:
        started.append(work(stub.url))
        assert started[0].process.wait(20) == 0
        assert [outcome["method"] for outcome in stub.outcomes] == ["complete"]


# -- fibonacci.py ----------------------------------------------------------------------------------

ON_ANY_PORT = """
import functools, runpy
from jsonrpc_qm import QueueManager
QueueManager.run = functools.partialmethod(QueueManager.run, port=0)
runpy.run_path("fibonacci.py", run_name="__main__")
"""
"""Runs fibonacci.py as a program that may not have port 8642."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with fibonacci.py in it."""
    shutil.copy(EXAMPLES / "fibonacci.py", tmp_path)
    return tmp_path


def python(*arguments: str, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Python with these arguments, once it has ended."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment() | env,
        capture_output=True,
        text=True,
        timeout=50,
    )


def test_fibonacci_runs_manager_and_workers_in_one_process(folder: Path) -> None:
    """`python fibonacci.py` queues a task, does it, prints its result, and ends by SIGTERM."""
    program = [sys.executable, "-c", ON_ANY_PORT]
    with subprocess.Popen(
        program, cwd=folder, env=environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            assert "fibonacci(30) = 832040\n" in iter(process.stdout.readline, "")
            process.terminate()
            assert process.wait(20) == 0
        finally:
            process.kill()


def test_fibonacci_serves_all_commands(folder: Path, start_manager: StartManager) -> None:
    """As its first lines say: serve, work, and queue --wait."""
    url = ("--manager", start_manager("fibonacci:qm").url)
    queue = ("-m", "jsonrpc_qm", "queue", "fibonacci")
    work = [sys.executable, "-m", "jsonrpc_qm", "work", "fibonacci:qm", *url]
    with subprocess.Popen(
        work, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as worker:
        try:
            done = python(*queue, '{"n": 30}', "--wait", *url, folder=folder)
            assert (done.stdout, done.returncode) == ("832040\n", 0), done.stderr
            bad = python(*queue, '{"n": -1}', "--wait", *url, folder=folder)
            assert "n is a whole number from 0 on, not -1" in bad.stderr
            assert bad.returncode == 1
        finally:
            worker.terminate()
        output, _ = worker.communicate(timeout=30)
        assert (output, worker.returncode) == (b"fibonacci(30) = 832040\n", 0)


# -- files -----------------------------------------------------------------------------------------

FILES = Path(json.__file__).parent
NUMBER = len(list(FILES.glob("*.py")))


def run_files(*arguments: str, temporary: Path) -> subprocess.CompletedProcess[str]:
    """The example on a small folder, with a folder for temporary files."""
    temporary.mkdir()
    return python(
        "-m", "examples.files", str(FILES), *arguments, folder=ROOT, TMPDIR=str(temporary)
    )


def test_files_adds_up_what_two_processes_find(tmp_path: Path) -> None:
    """Totals as computed directly, a table, commands to go on with, and nothing left behind."""
    done = run_files(temporary=tmp_path / "tmp")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The totals agree with a direct computation." in done.stdout
    rows = {cells[0]: cells[1:] for cells in cells_of(done.stdout)}
    assert rows["tasks"] == rows["files"][:1] == [str(NUMBER)]
    assert (rows["failed"], rows["retries"]) == (["0"], ["0"])
    assert {"rate", "from queue to result, median", "from queue to result, p99"} <= rows.keys()
    assert "jsonrpc-qm serve fibonacci:qm\n" in done.stdout
    assert list((tmp_path / "tmp").iterdir()) == []
    with Rpc(url_in(done.stdout)) as rpc, pytest.raises(NoAnswer):
        rpc("stats")


def test_files_uses_a_manager_that_runs(url: str, rpc: Rpc, tmp_path: Path) -> None:
    """With --manager the tasks are there afterwards; with --keep so are totals and logs."""
    done = run_files("--manager", url, "--keep", temporary=tmp_path / "tmp")
    assert done.returncode == 0, done.stdout + done.stderr
    assert rpc("stats")["names"]["file-digest"]["completed"] == NUMBER
    (kept,) = (tmp_path / "tmp").iterdir()
    assert {file.name for file in kept.iterdir()} >= {"totals.db", "work.log"}


def test_files_without_a_manager_is_one_line(tmp_path: Path) -> None:
    """A manager that can't be reached is named, without a traceback."""
    done = run_files("--manager", "http://127.0.0.1:9", temporary=tmp_path / "tmp")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Unavailable")
    assert done.stderr.count("\n") == 1


def test_files_fails_when_the_totals_differ(capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is 1 and the path is named, whether its digest differs or is not there."""
    tasks = [a_file_task()]
    right: Results = {"/a": digest(FILES / "decoder.py")}
    assert report.say(tasks, right, right) == 0
    for wrong in ({"/a": {**right["/a"], "lines": 1}}, {}, {**right, "/a b": right["/a"]}):
        assert report.say(tasks, wrong, right) == 1
        assert "  /a" in capsys.readouterr().out


def test_a_result_that_is_handled_twice_is_added_up_once(tmp_path: Path) -> None:
    """handle_result happens at least once; the totals are as if it were exactly once."""
    totals = Totals(tmp_path / "totals.db")
    totals.create()
    task = a_file_task(totals.path)
    for _ in range(2):
        FileDigest().handle_result(task)
    assert (totals.count(), totals.results()) == (1, {"/a": task.result})


def test_files_takes_files_only_and_leaves_out_what_may_change(tmp_path: Path) -> None:
    """No folders, pipes, caches, installed packages, nor names that text can't express."""
    for name in ("b", "a/c", "__pycache__/d.pyc", "a/site-packages/e", "f\udcff"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).touch()
    os.mkfifo(tmp_path / "pipe")
    assert files_of(tmp_path) == [str(tmp_path / name) for name in ("a/c", "b")]


def test_a_file_that_cannot_be_read_fails_for_good() -> None:
    """Its task is not tried again, and the direct computation leaves it out."""
    missing = str(FILES / "no such file")
    with pytest.raises(Fail, match="no such file"):
        FileDigest().run(missing)
    assert report.direct_results([missing]) == {}


def a_file_task(totals: Path | None = None) -> Task:
    """A task of the example, completed."""
    start = datetime(2030, 1, 1, tzinfo=UTC)
    return Task(
        id="1",
        name="file-digest",
        parameters={"path": "/a"},
        result=digest(FILES / "decoder.py"),
        status=Status.COMPLETED,
        attempts=1,
        metadata={TOTALS: str(totals)},
        run_at=start,
        created_at=start,
        updated_at=start,
        finished_at=start + timedelta(seconds=1),
    )


def cells_of(output: str) -> list[list[str]]:
    """The cells of each row of the tables."""
    rows = [line for line in output.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in row.strip("│").split("│")] for row in rows]


def url_in(output: str) -> str:
    """Where the example's own manager listened."""
    found = re.search(r"manager at (http\S+),", output)
    assert found, output
    return found[1]
