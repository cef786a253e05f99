"""Workers as processes of their own, started as users start them."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from itertools import count
from pathlib import Path

from tests.acceptance.managers import environment
from tests.acceptance.rpc import until

ROOT = Path(__file__).parents[2]
APP = "tests.acceptance.worker_app:qm"

_numbers = count(1)


class WorkerProcess:
    """`jsonrpc-qm work` with these options, in a group of processes of its own."""

    def __init__(self, url: str, folder: Path, *options: str, app: str = APP) -> None:
        self._log = folder / f"worker-{next(_numbers)}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jsonrpc_qm", "work", app, "--url", url, *options],
                cwd=ROOT,
                stderr=log,
                env=environment(),
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        """What it has written to stderr."""
        return self._log.read_text()

    def signal(self, number: int) -> None:
        """Send the process itself a signal."""
        self.process.send_signal(number)

    def signal_group(self, number: int) -> None:
        """Send it to all of its processes, as a terminal or a service manager does."""
        os.killpg(self.process.pid, number)

    def wait(self, seconds: float = 20.0) -> int:
        """Its exit code, once it has ended."""
        return self.process.wait(seconds)

    def close(self) -> None:
        """End it and whatever it has left behind."""
        with suppress(ProcessLookupError):
            self.signal_group(signal.SIGKILL)
        self.process.wait()


def members_of(group: int, *, having: str = "") -> list[int]:
    """The living processes of a group that have this in their command lines."""
    listed = subprocess.run(
        ["ps", "-e", "-ww", "-o", "pid=,pgid=,stat=,args="],
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.split(maxsplit=3) for line in listed.stdout.splitlines()]
    return [
        int(pid)
        for pid, of, state, command in rows
        if int(of) == group and not state.startswith("Z") and having in command
    ]


def is_gone(pid: int) -> bool:
    """Whether there is no such process, or only what is left of one."""
    listed = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return not listed.stdout.strip() or listed.stdout.startswith("Z")


def started(folder: Path) -> int:
    """The process in which a handler has started."""
    file = folder / "started"
    return int(until(lambda: file.exists() and file.read_text()))
