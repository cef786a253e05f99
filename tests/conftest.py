"""What holds for all tests: how many examples they try, and who runs them when there are several.

With `--dist loadgroup --no-loadscope-reorder`, as `make test` says, tests go to whoever is free in
the order that they have here: those that take long first, for at the end they would be waited for.
"""

from pathlib import Path

import pytest
from hypothesis import settings

from tests.thoroughness import examples

settings.register_profile("usual", settings.default, max_examples=examples(50))
settings.load_profile("usual")

LONG = (
    "test_several_managers.py",
    "test_state_machine.py",
    "test_benchmarks.py",
    "test_openrpc_tools.py",
)
"""Files whose tests take longest, in which order they come; after them it is that of the names."""

APART = ("acceptance", "docs", "test_state_machine.py")
"""Folders and files whose tests take long enough to be handed out one by one."""

TOGETHER = (
    "test_several_managers.py",
    "test_hang_ups.py",
    "test_long_polls.py",
    "test_two_processes.py",
    "test_openrpc_tools.py",
)
"""Files in such folders whose tests share what takes a while to start, or keep a machine so busy
that they are not to run at the same time."""


def group_of(item: pytest.Item) -> str | None:
    """Which tests one process runs, as they share something; None for those that are alone."""
    file = item.path.name
    if file not in TOGETHER and (file in APART or item.path.parent.name in APART):
        return None
    return str(Path(*item.path.parts[-2:]))


def place_of(item: pytest.Item) -> int:
    """Where a test comes in the order."""
    return LONG.index(item.path.name) if item.path.name in LONG else len(LONG)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=place_of)
    for item in items:
        if group := group_of(item):
            item.add_marker(pytest.mark.xdist_group(group))
