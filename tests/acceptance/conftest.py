"""A manager for each test, in a process that never outlives it."""

import resource
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.managers import ManagerProcess, sqlite_url
from tests.acceptance.rpc import Rpc

StartManager = Callable[..., ManagerProcess]


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
