"""Managers as processes of their own, started as users start them."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from itertools import count
from pathlib import Path

READY = re.compile(r"listens on (https?://[^\s,]+)")

START_SECONDS = 50.0
"""After this long without a line that says where it listens, a start has failed."""

_numbers = count(1)


def sqlite_url(path: Path) -> str:
    """The storage URL of an absolute path."""
    return f"sqlite:///{path}"


def environment() -> dict[str, str]:
    """This process's environment without settings that a developer may have made."""
    settings = ("JSONRPC_QM_", "PYTHONWARNINGS")
    return {name: value for name, value in os.environ.items() if not name.startswith(settings)}


class ManagerProcess:
    """`jsonrpc-qm serve` in a process of its own, ready when the constructor returns.

    `what` is what to serve: `--storage` and its URL, or an app. `prefix` is put before the command,
    and `more` are further options.
    """

    def __init__(
        self,
        *what: str,
        folder: Path,
        port: int = 0,
        host: str = "127.0.0.1",
        prefix: Sequence[str] = (),
        more: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self._log = folder / f"manager-{next(_numbers)}.log"
        command = [*prefix, sys.executable, "-m", "jsonrpc_qm", "serve", *what]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--host", host, "--port", str(port), *more],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=folder,
                env=environment(),
            )
        self.url = self._when_ready()
        self.port = int(self.url.rpartition(":")[2])

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def log(self) -> str:
        """What it has written to stderr."""
        return self._log.read_text()

    def _when_ready(self) -> str:
        assert self.process.stdout is not None
        watchdog = threading.Timer(START_SECONDS, self.process.kill)
        watchdog.start()
        try:
            for line in self.process.stdout:
                if found := READY.search(line):
                    return found[1]
        finally:
            watchdog.cancel()
        self.close()
        raise AssertionError(f"the manager did not start: {self.log}")

    def kill(self) -> None:
        """kill -9, and wait until it has gone."""
        self.process.kill()
        self.process.wait()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, wait for the end, and give the exit code."""
        self.process.send_signal(number)
        return self.process.wait(20)

    def close(self) -> None:
        """End it however it is, and release what it held."""
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


def failed_start(*what: str, folder: Path, prefix: Sequence[str] = (), port: int = 0) -> str:
    """Start a manager that can't start, and give the line in which it says why."""
    command = [*prefix, sys.executable, "-m", "jsonrpc_qm", "serve", *what, "--port", str(port)]
    failed = subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env=environment(), timeout=30
    )
    assert failed.returncode > 0
    assert failed.stdout == ""
    assert "Traceback" not in failed.stderr
    return failed.stderr
