"""From "app:qm" on the command line to the QueueManager in somebody's module."""

import importlib
import sys
import traceback
from pathlib import Path
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING

from jsonrpc_qm.cli.exits import FAILED, USAGE, Failure, exit_code
from jsonrpc_qm.errors import QueueError

if TYPE_CHECKING:
    from jsonrpc_qm.manager import QueueManager

DEFAULT_ATTRIBUTE = "qm"


def load_app(target: str, *, workers: bool = False) -> "QueueManager":
    """The QueueManager that `module:attribute` names; `attribute` is `qm` when left out.

    The module is looked for in the current folder first. With `workers` it must have registered
    some.

    Raises:
        Failure: there is none, with a line that says why; when the module itself raises, its
            traceback has been printed.
    """
    from jsonrpc_qm.manager import QueueManager

    module_name, _, attribute = target.partition(":")
    attribute = attribute or DEFAULT_ATTRIBUTE
    if module_name.endswith(".py") or "/" in module_name or not module_name:
        wanted = Path(module_name).stem or "app"
        raise Failure(f"{target!r} is no module; write {wanted}:{attribute}", USAGE)
    found: object = _import(module_name)
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise Failure(f"{module_name} has no {attribute!r}{_hint(found)}", USAGE) from None
    if not isinstance(found, QueueManager):
        raise Failure(f"{target} is no QueueManager but a {type(found).__name__}", USAGE)
    if workers and not found.registry:
        raise Failure(
            f"{target} has no workers; register one with @{attribute}.worker(name)", USAGE
        )
    return found


def _import(name: str) -> ModuleType:
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    # A module written a moment ago may be newer than what Python remembers of the folder.
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise Failure(f"no module named {error.name!r}, looked in {folder}", USAGE) from None
        problem: Exception = error
    except QueueError as error:
        # Mostly a storage that can't be opened: its message says all.
        raise Failure(f"{name}: {error}", exit_code(error)) from error
    except Exception as error:
        problem = error
    problem.__traceback__ = _own_frames(problem.__traceback__)
    traceback.print_exception(problem)
    raise Failure(f"{name} can't be imported, see above", FAILED)


def _own_frames(trace: TracebackType | None) -> TracebackType | None:
    """The traceback from the module's own first line on."""
    while trace is not None:
        filename = trace.tb_frame.f_code.co_filename
        if (
            filename not in (__file__, importlib.__file__)
            and "importlib._bootstrap" not in filename
        ):
            return trace
        trace = trace.tb_next
    return None


def _hint(module: object) -> str:
    from jsonrpc_qm.manager import QueueManager

    members = vars(module) if isinstance(module, ModuleType) else {}
    names = [name for name, value in members.items() if isinstance(value, QueueManager)]
    return f"; it has {', '.join(names)}" if names else ""
