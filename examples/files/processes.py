"""The manager and the workers, as processes of their own."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import TypeVar

from examples.files.app import NAME
from jsonrpc_qm import Client

T = TypeVar("T")

PROJECT = Path(__file__).parents[2]
WORKER_PROCESSES = 2
START_SECONDS = 30.0
STOP_SECONDS = 15.0
LOOK_SECONDS = 0.02


class ProcessEnded(Exception):
    """A process ended that should run; the message says which, and its last words."""


class Process:
    """One `jsonrpc-qm` command, with its output in a log."""

    def __init__(self, arguments: Sequence[str], log: Path) -> None:
        self.log = log
        self._name = f"jsonrpc-qm {arguments[0]}"
        # Where the workers find the module examples.files.app.
        path = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "jsonrpc_qm", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": path},
            )

    def check(self) -> None:
        """Raise ProcessEnded if it does not run any more."""
        if (code := self._process.poll()) is not None:
            last_words = "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])
            raise ProcessEnded(f"{self._name} ended with exit code {code}:\n{last_words}")

    def wait_for(self, look: Callable[[], T | None]) -> T:
        """What `look` finds, as soon as it finds something."""
        give_up = monotonic() + START_SECONDS
        while (found := look()) is None:
            self.check()
            if monotonic() > give_up:
                raise ProcessEnded(f"{self._name} did not start in time, see {self.log}")
            sleep(LOOK_SECONDS)
        return found

    def stop(self) -> None:
        """End it by SIGTERM."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def manager(folder: Path, port: int) -> Iterator[str]:
    """A manager on an SQLite file in the folder; gives its URL. Port 0 takes a free one."""
    storage = f"sqlite:///{(folder / 'tasks.db').absolute()}"
    process = Process(["serve", "--storage", storage, "--port", str(port)], folder / "serve.log")

    def url() -> str | None:
        said = re.search(r"listens on (http://[^\s,]+),", process.log.read_text(errors="replace"))
        return said and said[1]

    try:
        yield process.wait_for(url)
    finally:
        process.stop()


@contextmanager
def workers(folder: Path, client: Client, url: str) -> Iterator[Process]:
    """Worker processes that have asked the manager for tasks."""
    before = {info.worker for info in client.workers()}
    count = ["--processes", str(WORKER_PROCESSES)]
    process = Process(
        ["work", "examples.files.app:qm", "--manager", url, *count], folder / "work.log"
    )

    def ready() -> bool | None:
        new = [w for w in client.workers() if NAME in w.names and w.worker not in before]
        return True if len(new) >= WORKER_PROCESSES else None

    try:
        process.wait_for(ready)
        yield process
    finally:
        process.stop()
