"""The main object of the Python face: what it is given, and what it says."""

import inspect
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from jsonrpc_qm import ClaimedTask, MemoryStorage, QueueManager, TaskFailed, Worker
from jsonrpc_qm.manager import RunOptions
from jsonrpc_qm.server.options import ManagerOptions
from jsonrpc_qm.server.running import Settings
from jsonrpc_qm.worker.main import run_workers
from jsonrpc_qm.worker.options import WorkerOptions


@contextmanager
def no_logging() -> Iterator[logging.Logger]:
    """The root logger of a script that has set up no logging."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()
    root.setLevel(logging.WARNING)
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def qm() -> QueueManager:
    """One with a worker."""
    made = QueueManager("memory:")
    made.register_worker("add", lambda a, b: a + b)
    return made


def test_a_script_that_works_logs_as_the_command_does(
    qm: QueueManager, capsys: pytest.CaptureFixture[str]
) -> None:
    """For as long as it works; then its logging is as it was."""
    level = logging.getLogger("urllib3").level
    with no_logging() as root:
        qm.work(burst=True, worker_name="w")
        assert (root.handlers, root.level) == ([], logging.WARNING)
    assert "INFO    jsonrpc_qm.worker: worker w serves add" in capsys.readouterr().err
    assert logging.getLogger("urllib3").level == level


@pytest.mark.parametrize("name", ["", "jsonrpc_qm"])
def test_logging_of_its_own_is_left_alone(
    qm: QueueManager, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """Whether the script has set it up for everything, or for this package."""
    handler = logging.NullHandler()
    with no_logging():
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        qm.work(burst=True)
        assert logger.handlers == [handler]
        logger.removeHandler(handler)
    assert capsys.readouterr().err == ""


# -- registering ---------------------------------------------------------------------------------


def test_the_decorator_without_a_name_is_refused(qm: QueueManager) -> None:
    """It would replace the function, and register nothing."""
    given: Any = qm
    with pytest.raises(TypeError, match=r'write @qm\.worker\("add"\)'):

        @given.worker
        def add() -> None: ...


def test_a_name_is_a_text(qm: QueueManager) -> None:
    """Also where a worker is registered without the decorator."""
    for name, shown in (cast(Any, 5), "5"), (cast(Any, print), "<built-in"):
        with pytest.raises(TypeError, match=f"a task name, a text, not {shown}"):
            qm.register_worker(name, print)
    assert list(qm.registry) == ["add"]


UNKNOWN: Any = "proces"
"""No pool, which no checker of types would let pass."""


class Misplaced(Worker):
    """Names a pool that there is not."""

    pool = UNKNOWN

    def run(self) -> None: ...


def test_a_pool_that_there_is_not_is_refused(qm: QueueManager) -> None:
    """With those that there are; for a function, a Worker, its class, and for the rest."""
    said = "pool is 'thread' or 'process', not 'proces'"
    with pytest.raises(ValueError, match=said):
        qm.worker("render", pool=UNKNOWN)(print)
    with pytest.raises(ValueError, match=said):
        qm.register_worker("render", print, pool=UNKNOWN)
    for worker in (Misplaced, Misplaced()):
        with pytest.raises(ValueError, match=said):
            qm.register_worker("render", worker)
    with pytest.raises(ValueError, match=said):
        qm.work(burst=True, pool=UNKNOWN)
    assert list(qm.registry) == ["add"]


def test_another_manager_may_have_the_same_workers(qm: QueueManager) -> None:
    """What is registered later with one, the other does not have."""
    other = QueueManager("memory:", registry=qm.registry)
    other.register_worker("more", print)
    assert list(qm.registry) == ["add"]
    task = other.queue("add", [1, 2])
    other.work(burst=True)
    assert other.result(task.id) == 3


# -- the storage ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "given", "url"),
    [
        ("memory:", None, "memory:"),
        ("", None, "sqlite:///jsonrpc-qm.db"),
        ("memory:", "sqlite:///a.db", "sqlite:///a.db"),
        ("sqlite:///b.db", MemoryStorage(), "memory:"),
    ],
)
def test_the_storage_is_that_of_the_environment_unless_one_is_given(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    variable: str,
    given: MemoryStorage | str | None,
    url: str,
) -> None:
    """JSONRPC_QM_STORAGE, as for the commands; an empty variable is none."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JSONRPC_QM_STORAGE", variable)
    with QueueManager(given) as qm:
        assert qm.storage.url == url
        assert qm.stores_in(variable) is (variable == url)


# -- types ---------------------------------------------------------------------------------------


def test_type_checkers_know_all_options_of_run_and_work() -> None:
    """No more and no less than there are; a supervisor is not for scripts."""
    assert ManagerOptions.__annotations__.keys() == set(Settings.__struct_fields__)
    taken = inspect.signature(run_workers).parameters.values()
    names = {option.name for option in taken if option.kind is option.KEYWORD_ONLY}
    assert WorkerOptions.__annotations__.keys() == names - {"supervised"}
    assert RunOptions.__annotations__.keys() == (
        ManagerOptions.__annotations__.keys() | WorkerOptions.__annotations__.keys()
    )


def test_what_is_claimed_has_a_token(qm: QueueManager) -> None:
    """As with a client."""
    qm.queue("add", [1, 2])
    (task,) = qm.claim(["add"], wait=0)
    assert isinstance(task, ClaimedTask)
    assert qm.complete(task.id, task.token, result=3).status == "completed"


# -- results -------------------------------------------------------------------------------------


def test_a_result_is_had_or_its_failure_raised(qm: QueueManager) -> None:
    """As with a client."""
    fine, broken = qm.queue("add", [1, 2]), qm.queue("add", ["a", 1], max_attempts=1)
    with pytest.raises(TimeoutError):
        qm.result(fine.id, timeout=0)
    qm.work(burst=True)
    assert qm.result(fine.id, timeout=0) == 3
    with pytest.raises(TaskFailed, match="failed: TypeError: "):
        qm.result(broken.id)
