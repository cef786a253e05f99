"""Callers as processes of their own: they can be stopped, killed and run on another machine."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

PROGRAM = Path(__file__).with_name("caller_program.py")


class Caller:
    """Makes calls, each on a connection of its own, and prints the answers as they come."""

    def __init__(
        self, url: str, calls: Sequence[dict[str, Any]], *, prefix: Sequence[str] = ()
    ) -> None:
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-S", str(PROGRAM), url, json.dumps(calls)],
            stdout=subprocess.PIPE,
            text=True,
        )

    def answer(self) -> Any:
        """The next answer: the JSON-RPC object."""
        assert self.process.stdout is not None
        watchdog = threading.Timer(30, self.process.kill)
        watchdog.start()
        try:
            return json.loads(self.process.stdout.readline())
        finally:
            watchdog.cancel()

    def freeze(self) -> None:
        """It runs no more, but its connections stay."""
        self.process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        """kill -9, and wait until it has gone."""
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        assert self.process.stdout is not None
        self.process.stdout.close()
