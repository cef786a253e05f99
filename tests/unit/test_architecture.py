"""Imports point down: the floors of docs/architecture.md."""

import ast
from pathlib import Path

import pytest

import jsonrpc_qm

PACKAGE = Path(jsonrpc_qm.__file__).parent

FLOORS = [
    {
        "version",
        "errors",
        "ids",
        "moments",
        "jsontext",
        "retry",
        "task",
        "record",
        "history",
        "params",
        "tracing",
        "tracing_setup",
    },
    {"transitions", "answers"},
    {"storage", "worker", "client", "access"},
    {"operations", "execution", "division"},
    {"rpc"},
    {"server"},
    {"manager", "cli", "__main__", "__init__"},
]
"""From the bottom up."""

MIXED = (0, 3, 6)
"""The floors whose members may use each other."""

LIBRARIES = {
    "peewee": {"storage"},
    "psycopg": {"storage"},
    "pymysql": {"storage"},
    "aiohttp": {"server", "client"},
    "jsonrpcserver": {"rpc"},
    "urllib3": {"client"},
    "prometheus_client": {"server"},
    "opentelemetry": {"tracing", "tracing_setup"},
    "click": {"cli"},
    "rich": {"cli"},
}
"""Where a library may be used, for those that are to stay in their place."""

SOURCES = sorted(PACKAGE.rglob("*.py"))


def part_of(path: Path) -> str:
    """The part of the package that a file belongs to."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def floor_of(part: str) -> int:
    """The floor of a part; StopIteration for one that has none yet."""
    return next(number for number, parts in enumerate(FLOORS) if part in parts)


def imports_of(path: Path) -> set[str]:
    """The modules that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def parts_used(path: Path) -> set[str]:
    """The parts of this package that a file imports from."""
    names = {name.split(".")[1] for name in imports_of(path) if name.startswith("jsonrpc_qm.")}
    known = {part for parts in FLOORS for part in parts}
    return names & known


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    """A file uses its own part and the floors below."""
    own = part_of(path)
    floor = floor_of(own)
    for used in parts_used(path) - {own}:
        below = floor_of(used) < floor or (floor_of(used) == floor and floor in MIXED)
        assert below, f"{path.relative_to(PACKAGE)} uses {used}, which is not below {own}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_libraries_stay_in_their_place(path: Path) -> None:
    """peewee is known to the storages only, aiohttp to the server and the async client, ..."""
    used = {name.split(".")[0] for name in imports_of(path)}
    for library, parts in LIBRARIES.items():
        assert library not in used or part_of(path) in parts, f"{path.name} uses {library}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_and_functions_are_short(path: Path) -> None:
    """A file has under 400 lines, a function under 40 besides its docstring."""
    text = path.read_text()
    assert len(text.splitlines()) < 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
            lines = (node.end_lineno or 0) - first.lineno + 1
            assert lines < 40, f"{path.name}: {node.name} has {lines} lines"


def test_the_public_names_are_there_and_documented() -> None:
    """`__all__` is about 15 names, each with a docstring of its own."""
    assert 10 <= len(jsonrpc_qm.__all__) <= 20
    assert sorted(jsonrpc_qm.__all__) == jsonrpc_qm.__all__
    for name in jsonrpc_qm.__all__:
        if name != "__version__":
            assert vars(jsonrpc_qm)[name].__doc__, f"{name} has no docstring"
