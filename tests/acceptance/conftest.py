"""Managers in processes of their own, which never outlive their tests."""

import resource
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.managers import ManagerProcess, sqlite_url
from tests.acceptance.rpc import Rpc

StartManager = Callable[..., ManagerProcess]

_numbers = count(1)


@pytest.fixture
def tasks_db(tmp_path: Path) -> Path:
    """Where the manager keeps its tasks."""
    return tmp_path / "tasks.db"


@pytest.fixture
def start_manager(tmp_path: Path, tasks_db: Path) -> Iterator[StartManager]:
    """Starts managers, on `tasks_db` unless told what to serve."""
    with ExitStack() as ended:

        def start(*what: str, **options: Any) -> ManagerProcess:
            served = what or ("--storage", sqlite_url(tasks_db))
            started = ManagerProcess(*served, **{"folder": tmp_path, **options})
            return ended.enter_context(closing(started))

        yield start


@pytest.fixture
def manager(start_manager: StartManager) -> ManagerProcess:
    """A manager on `tasks_db`."""
    return start_manager()


@pytest.fixture(scope="module")
def shared_manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManagerProcess]:
    """A manager for those tests of a module that leave it running: each has a `name` to itself."""
    folder = tmp_path_factory.mktemp("shared")
    storage = sqlite_url(folder / "tasks.db")
    with closing(ManagerProcess("--storage", storage, folder=folder)) as started:
        yield started


@pytest.fixture
def name() -> str:
    """A name for tasks and workers that no other test uses."""
    return f"test{next(_numbers)}"


@pytest.fixture
def rpc(manager: ManagerProcess) -> Iterator[Rpc]:
    """Calls the manager."""
    with Rpc(manager.url) as caller:
        yield caller


@pytest.fixture
def many_files() -> None:
    """Lets this process and those it starts have as many connections as the system allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
