"""The app: what is done with a file, and with what comes of it."""

import hashlib
from pathlib import Path
from typing import Any

from examples.files.totals import Totals
from jsonrpc_qm import Fail, QueueManager, Task, Worker

NAME = "file-digest"
TOTALS = "totals"
"""The member of a task's metadata that says in which file its result is added up."""
CHUNK = 1024 * 1024

qm = QueueManager()


def digest(path: Path) -> dict[str, Any]:
    """The file's SHA-256 in hexadecimal, its bytes, and its lines (the newlines in it)."""
    sha256 = hashlib.sha256()
    lines = size = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            sha256.update(chunk)
            lines += chunk.count(b"\n")
            size += len(chunk)
    return {"sha256": sha256.hexdigest(), "bytes": size, "lines": lines}


@qm.worker(NAME)
class FileDigest(Worker):
    """Reads one file."""

    def run(self, path: str) -> dict[str, Any]:
        """Gets the task's parameters as arguments, returns its result."""
        try:
            return digest(Path(path))
        except OSError as error:
            # Reading it again would not help.
            raise Fail(str(error), type=type(error).__name__) from error

    def handle_result(self, task: Task) -> None:
        """Add the result up.

        This happens at least once, so maybe twice: the totals are kept by task id, and the second
        time changes nothing.
        """
        totals = Totals(Path(task.metadata[TOTALS]))
        totals.add(task.id, task.parameters["path"], task.result)
