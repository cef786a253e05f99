"""Redis servers of our own, for tests that may break them."""

import shutil
import socket
import subprocess
import time
from pathlib import Path

import redis


class RedisProcess:
    """A server in a folder of its own, on a free port; `always` says whether it syncs to disk."""

    def __init__(self, folder: Path, *, appendfsync: str = "always") -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._folder = folder
        self._appendfsync = appendfsync
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, with what it kept, and wait until it answers."""
        program = shutil.which("redis-server")
        assert program, "redis-server is not installed"
        settings = {
            "port": self.port,
            "bind": "127.0.0.1",
            "dir": self._folder,
            "appendonly": "yes",
            "appendfsync": self._appendfsync,
            "save": "",
        }
        options = [part for name, value in settings.items() for part in (f"--{name}", str(value))]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen([program, *options], stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        while True:
            try:
                with redis.Redis(port=self.port) as client:
                    client.ping()
                return
            except redis.ConnectionError:
                assert time.monotonic() < deadline, (self._folder / "log").read_text()
                assert self._process.poll() is None, (self._folder / "log").read_text()
                time.sleep(0.02)

    def kill(self) -> None:
        """End it at once, as a crash does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def empty(self) -> None:
        """Throw all tasks away."""
        with redis.Redis(port=self.port) as client:
            client.flushall()
