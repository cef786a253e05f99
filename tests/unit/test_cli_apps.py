"""From "app:qm" to a QueueManager, or to one line that says why not."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jsonrpc_qm.cli.apps import load_app
from jsonrpc_qm.cli.exits import Failure

APP = """
from jsonrpc_qm import QueueManager
qm = QueueManager("memory:")
empty = QueueManager("memory:")
text = "no manager"

@qm.worker("hello")
def hello(): ...
"""

Write = Callable[[str], str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write a module of its own name into the current folder; gives that name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    before = set(sys.modules)

    def write(source: str) -> str:
        name = f"app_{abs(hash(tmp_path))}"
        Path(f"{name}.py").write_text(source)
        return name

    yield write
    for name in set(sys.modules) - before:
        if name.startswith("app_"):
            del sys.modules[name]


def test_a_module_of_the_current_folder_is_found(write: Write) -> None:
    """Also where the folder is not on the path, as with an installed command."""
    app = write(APP)
    assert list(load_app(f"{app}:qm", workers=True).registry) == ["hello"]


def test_the_attribute_is_qm_unless_it_is_said(write: Write) -> None:
    """`jsonrpc-qm work app` is enough."""
    app = write(APP)
    assert load_app(app) is load_app(f"{app}:qm")


def refusal(target: str, *, workers: bool = False) -> Failure:
    with pytest.raises(Failure) as refused:
        load_app(target, workers=workers)
    return refused.value


@pytest.mark.parametrize(
    ("attribute", "said"),
    [
        ("nothing", "has no 'nothing'; it has qm, empty"),
        ("qm.nothing", "has no 'qm.nothing'"),
        ("text", "is no QueueManager but a str"),
        ("empty", "has no workers; register one with @empty.worker(name)"),
    ],
)
def test_what_is_no_app_is_one_line(write: Write, attribute: str, said: str) -> None:
    """A wrong attribute is a usage error that says what there is."""
    failure = refusal(f"{write(APP)}:{attribute}", workers=True)
    assert failure.exit_code == 2
    assert said in failure.message


def test_serving_needs_no_workers(write: Write) -> None:
    """`serve` only wants the storage."""
    assert load_app(f"{write(APP)}:empty").registry == {}


@pytest.mark.parametrize("target", ["no_such_module:qm", "no_such_module.inner:qm"])
def test_a_module_that_is_not_there_is_one_line(target: str, tmp_path: Path) -> None:
    """It names the module, and where it was looked for."""
    failure = refusal(target)
    assert failure.exit_code == 2
    assert failure.message == f"no module named 'no_such_module', looked in {Path.cwd()}"


@pytest.mark.parametrize("target", ["app.py:qm", "./app.py", "folder/app:qm"])
def test_a_path_is_no_module(target: str) -> None:
    """The error shows how to write it."""
    failure = refusal(target)
    assert failure.exit_code == 2
    assert failure.message.endswith("is no module; write app:qm")


def test_an_error_in_the_module_shows_its_own_traceback(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the module's first line on, without a line of this package."""
    app = write("def boom():\n    raise KeyError('why')\n\nboom()\n")
    failure = refusal(app)
    assert failure.exit_code == 1
    assert failure.message == f"{app} can't be imported, see above"
    told = capsys.readouterr().err
    assert f'{app}.py", line 4, in <module>' in told
    assert told.endswith("KeyError: 'why'\n")
    assert "jsonrpc_qm" not in told
    assert "importlib" not in told


def test_a_missing_import_of_the_module_is_its_own_error(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    """The app is there, what it needs is not: that is shown, not that the app is missing."""
    app = write("import no_such_dependency\n")
    assert refusal(app).exit_code == 1
    told = capsys.readouterr().err
    assert f'{app}.py", line 1' in told
    assert "No module named 'no_such_dependency'" in told


def test_a_syntax_error_shows_the_line(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    """As Python itself does."""
    assert refusal(write("qm = (\n")).exit_code == 1
    assert "SyntaxError: '(' was never closed" in capsys.readouterr().err


def test_a_storage_that_cannot_be_opened_is_one_line(write: Write) -> None:
    """Its error says all; its exit code is that of the error."""
    app = write("from jsonrpc_qm import open_storage\nopen_storage('sqlite:////no/such/x.db')\n")
    failure = refusal(app)
    assert failure.exit_code == 5
    assert failure.message.startswith(f"{app}: Unavailable: the database /no/such/x.db")
