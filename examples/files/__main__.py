"""Queues a task for each file, follows the work, and checks what comes out."""

import argparse
import os
import shutil
import signal
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from pathlib import Path
from time import sleep

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from examples.files import report
from examples.files.app import NAME, TOTALS
from examples.files.processes import Process, ProcessEnded, manager, workers
from examples.files.totals import Totals
from jsonrpc_qm import Client, QueueError, Task

SKIPPED_FOLDERS = {"__pycache__", "site-packages"}
"""Folders of files that may change while they are read, or are nobody's standard library."""
AT_ONCE = 500
LOOK_SECONDS = 0.1
PATIENCE = 2.0
"""Seconds after which a manager that does not answer is given up."""


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.files",
        description="One task for each file of a folder: SHA-256 and lines, by two processes.",
    )
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=Path(sysconfig.get_path("stdlib")),
        help="the files to read, also in folders below (default: Python's standard library)",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--port", type=int, default=0, help="where to listen (default: a free port)")
    where.add_argument("--manager", metavar="URL", help="use this running manager")
    parser.add_argument("--keep", action="store_true", help="keep the tasks, totals and logs")
    return parser.parse_args()


def files_of(folder: Path) -> list[str]:
    """The absolute paths of the files in the folder and those below, if text can express them."""
    found = []
    for parent, folders, names in os.walk(folder.absolute()):
        folders[:] = [name for name in folders if name not in SKIPPED_FOLDERS]
        paths = [Path(parent, name) for name in names if name.isprintable()]
        found += [str(path) for path in paths if path.is_file()]
    return sorted(found)


def queue_all(client: Client, paths: Sequence[str], totals: Path) -> set[str]:
    """Queue a task for each path, and say their ids."""
    ids: set[str] = set()
    for start in range(0, len(paths), AT_ONCE):
        tasks = [
            {"name": NAME, "parameters": {"path": path}, "metadata": {TOTALS: str(totals)}}
            for path in paths[start : start + AT_ONCE]
        ]
        ids.update(task.id for task in client.queue_many(tasks))
    return ids


def failed(client: Client) -> int:
    """How many tasks of this example have failed for good, in this run or before."""
    names = client.stats()["names"]
    return sum(names[name]["failed"] for name in (NAME, f"{NAME}.handle_result") if name in names)


def follow(count: int, totals: Totals, failures: Callable[[], int], process: Process) -> None:
    """Show how far it is, until all are added up or have failed."""
    columns = (TextColumn("files"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns) as progress:
        bar = progress.add_task("files", total=count)
        while (done := totals.count() + failures()) < count:
            progress.update(bar, completed=done)
            process.check()
            sleep(LOOK_SECONDS)
        progress.update(bar, completed=count)


def read_back(client: Client, ids: Collection[str]) -> list[Task]:
    """The tasks with these ids, as they stand."""
    found: list[Task] = []
    cursor = None
    while len(found) < len(ids):
        page = client.list_tasks(name=NAME, limit=1000, cursor=cursor)
        found += [task for task in page.tasks if task.id in ids]
        cursor = page.next_cursor
        if cursor is None:
            break
    return found


def run(options: argparse.Namespace, paths: Sequence[str], folder: Path) -> int:
    """Do it all; the exit code."""
    totals = Totals(folder / "totals.db")
    totals.create()
    with ExitStack() as stack:
        url = options.manager or stack.enter_context(manager(folder, options.port))
        client = stack.enter_context(Client(url, retry_for=PATIENCE))
        process = stack.enter_context(workers(folder, client, url))
        print(f"{len(paths):,} files below {options.folder}, manager at {url}, work in {folder}")
        failed_before = failed(client)
        ids = queue_all(client, paths, totals.path)
        follow(len(ids), totals, lambda: failed(client) - failed_before, process)
        tasks = read_back(client, ids)
    return report.say(tasks, totals.results(), report.direct_results(paths))


def main() -> int:
    """The example, as a command."""
    options = arguments()
    # Ends by an exception, so that the processes and the folder are cleared away.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    paths = files_of(options.folder)
    if not paths:
        print(f"There are no files below {options.folder}.", file=sys.stderr)
        return 2
    folder = Path(tempfile.mkdtemp(prefix="jsonrpc-qm-files-"))
    try:
        code = run(options, paths, folder)
    except (ProcessEnded, QueueError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        if not options.keep:
            shutil.rmtree(folder)
    print(report.how_to_go_on(folder if options.keep else None))
    return code


if __name__ == "__main__":
    sys.exit(main())
