"""Database servers as processes of the tests: private, on free ports, and gone with them."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, NoReturn

import pytest

START_SECONDS = 60.0
"""How long a server may take until it answers."""


class Certificate(NamedTuple):
    """Files in PEM."""

    authority: Path
    """The certificate of who has signed it, for those who are to trust it."""
    certificate: Path
    key: Path


def missing(what: str) -> NoReturn:
    """A server's programs are not installed: skip at home, fail on a CI machine."""
    reason = f"{what} is not installed; scripts/system-packages says what to install"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ServerAccount:
    """Who runs the servers: the caller, but for root an account of no power, which some demand."""

    def __init__(self, *names: str) -> None:
        """The first of these accounts that there is, for root."""
        self._account = _first_account(names) if os.geteuid() == 0 else None

    def folder(self) -> Path:
        """A new temporary folder that belongs to the account."""
        folder = Path(tempfile.mkdtemp(prefix="jsonrpc-qm-test-"))
        if self._account is not None:
            os.chown(folder, self._account.pw_uid, self._account.pw_gid)
        return folder

    def give(self, file: Path, folder: Path) -> Path:
        """A copy of a file in a folder, which belongs to the account and is read by nobody else."""
        copy = Path(shutil.copy(file, folder))
        copy.chmod(0o600)
        if self._account is not None:
            os.chown(copy, self._account.pw_uid, self._account.pw_gid)
        return copy

    def run(self, *command: str | Path) -> None:
        """Run a command to its end as the account."""
        subprocess.run(self.command(*command), check=True, capture_output=True, cwd="/")

    def command(self, *command: str | Path) -> list[str]:
        """The command as the account runs it, until the process that starts it ends."""
        prefix = ["setpriv", "--pdeathsig", "INT"]
        if self._account is not None:
            user, group = self._account.pw_uid, self._account.pw_gid
            prefix += [f"--reuid={user}", f"--regid={group}", "--clear-groups"]
        return [*prefix, *map(str, command)]


class PrivateServer(ABC):
    """A server in a folder of its own that runs when the constructor returns.

    With a certificate it speaks nothing but TLS.
    """

    title: str

    def __init__(self, account: ServerAccount, certificate: Certificate | None = None) -> None:
        self._account = account
        self._folder = account.folder()
        self.port = free_port()
        if certificate is not None:
            certificate = Certificate(*(account.give(file, self._folder) for file in certificate))
        self._certificate = certificate
        self.log_path = self._folder / "log"
        self._make_data(self._folder / "data")
        self.start()

    def _template(self) -> Path | None:
        """The folder of data that it starts with a copy of; None where it needs none."""
        return None

    def _make_data(self, data: Path) -> None:
        if template := self._template():
            copy_folder(template, data)

    @abstractmethod
    def _program(self) -> Sequence[str | Path]:
        """The command that runs it."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether it is ready."""

    def start(self) -> None:
        """Start it, after a crash as well, and wait until it answers."""
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self._account.command(*self._program()),
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            alive = self._process.poll() is None and time.monotonic() < deadline
            assert alive, f"{self.title} did not start: {self.log_path.read_text()}"
            time.sleep(0.02)

    def kill(self) -> None:
        """kill -9 of all its processes, as when the machine loses its power."""
        kill_group(self._process)

    def move(self) -> None:
        """Kill it and start it at another port, as on another machine that gets its disk."""
        self.kill()
        self.port = free_port()
        self.start()

    def close(self) -> None:
        """End it, and leave nothing behind."""
        self.kill()
        remove(self._folder)


def _first_account(names: Sequence[str]) -> pwd.struct_passwd:
    known = {account.pw_name: account for account in pwd.getpwall()}
    return next(known[name] for name in names if name in known)


def copy_folder(source: Path, target: Path) -> None:
    """Copy a folder with the owners of its files."""
    subprocess.run(["cp", "--archive", source, target], check=True)


def kill_group(process: "subprocess.Popen[bytes]") -> None:
    """kill -9 of a process and all that it has started, and wait until it has gone."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def remove(folder: Path) -> None:
    """Remove a server's folder, in which its last process may still write."""
    shutil.rmtree(folder, ignore_errors=True)
