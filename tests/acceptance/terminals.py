"""The command line on a terminal, as people use it."""

import os
import pty
import subprocess
import sys

from tests.acceptance.managers import environment


class Terminal:
    """The command line on a terminal of 80 columns."""

    def __init__(self, *args: str, url: str = "") -> None:
        self._side, theirs = pty.openpty()
        env = environment() | {"JSONRPC_QM_URL": url, "COLUMNS": "80", "TERM": "xterm"}
        for name in ("NO_COLOR", "FORCE_COLOR"):
            env.pop(name, None)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "jsonrpc_qm", *args],
            env=env,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.shown = ""

    def read_until(self, text: str) -> None:
        """Read what is shown until this has been."""
        while text not in self.shown:
            self.shown += os.read(self._side, 65536).decode()

    def read_to_the_end(self) -> int:
        """Read until the program ends, and give its exit code."""
        while True:
            try:
                self.shown += os.read(self._side, 65536).decode()
            except OSError:
                return self.process.wait(20)

    def type(self, text: str) -> None:
        os.write(self._side, text.encode())

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._side)
