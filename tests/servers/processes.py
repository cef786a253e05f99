"""Database servers as processes of the tests: private, on free ports, and gone with them."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import pytest


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

    def command(self, *command: str | Path) -> list[str]:
        """The command as the account runs it, until the process that starts it ends."""
        prefix = ["setpriv", "--pdeathsig", "INT"]
        if self._account is not None:
            user, group = self._account.pw_uid, self._account.pw_gid
            prefix += [f"--reuid={user}", f"--regid={group}", "--clear-groups"]
        return [*prefix, *map(str, command)]


def _first_account(names: Sequence[str]) -> pwd.struct_passwd:
    known = {account.pw_name: account for account in pwd.getpwall()}
    return next(known[name] for name in names if name in known)


def kill_group(process: "subprocess.Popen[bytes]") -> None:
    """kill -9 of a process and all that it has started, and wait until it has gone."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def remove(folder: Path) -> None:
    """Remove a server's folder, in which its last process may still write."""
    shutil.rmtree(folder, ignore_errors=True)
