"""Servers and workers as processes of their own: started, looked at, and always stopped."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parent.parent
"""Where `benchmarks` can be imported."""

HOST = "127.0.0.1"

STOP_SECONDS = 20.0
"""After this long a process that was told to stop is killed."""

_SAID = 2000
"""Bytes of what a process said that are worth showing."""

_TICKS = os.sysconf("SC_CLK_TCK")


class Broken(Exception):
    """A process or an answer is not what a benchmark may measure."""


class Process:
    """A Python process that runs a module."""

    def __init__(self, args: Sequence[str], errors: IO[bytes]) -> None:
        self._errors = errors
        self._process = subprocess.Popen(
            [sys.executable, "-m", *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            cwd=ROOT,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def check(self) -> None:
        """Raise Broken, with the last it said, when it has ended."""
        code = self._process.poll()
        if code is not None:
            raise Broken(f"{self._process.args!r} ended with {code}:\n{self.said()}")

    def said(self) -> str:
        """The last that it wrote to stderr."""
        written = os.fstat(self._errors.fileno()).st_size
        last = os.pread(self._errors.fileno(), _SAID, max(written - _SAID, 0))
        return last.decode(errors="replace")

    def stop(self) -> None:
        """End it as an operator would."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def resident_bytes(self) -> int:
        """The memory it occupies now."""
        return _kibibytes(self.pid, "VmRSS") * 1024

    def peak_bytes(self) -> int:
        """The most memory that it has occupied."""
        return _kibibytes(self.pid, "VmHWM") * 1024

    def cpu_seconds(self) -> float:
        """The time it has computed so far, all threads, user and system."""
        stat = Path(f"/proc/{self.pid}/stat").read_text()
        # The second field is the program's name, which may hold spaces and parentheses.
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS


def _kibibytes(pid: int, field: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1])
    raise Broken(f"no {field} of process {pid}")


@contextmanager
def process(*args: str) -> Iterator[Process]:
    """A process for as long as the block runs."""
    with tempfile.TemporaryFile() as errors:
        started = Process(args, errors)
        try:
            yield started
        finally:
            started.stop()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server((HOST, 0)) as listening:
        return int(listening.getsockname()[1])
