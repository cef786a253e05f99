"""Redis servers of our own, for tests that may break them."""

import shutil
import socket
import subprocess
import time
from pathlib import Path

import redis


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


class RedisProcess:
    """A server in a folder of its own, on a free port; `always` says whether it syncs to disk."""

    def __init__(
        self, folder: Path, *, appendfsync: str = "always", settings: dict[str, str] | None = None
    ) -> None:
        self.port = free_port()
        self._folder = folder
        self._appendfsync = appendfsync
        self._settings = settings or {}
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
            **self._settings,
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


class RedisClusterProcesses:
    """A Redis Cluster of three nodes without replicas, in folders of their own."""

    def __init__(self, folder: Path, settings: dict[str, str] | None = None) -> None:
        self.nodes: list[RedisProcess] = []
        for number in range(3):
            (folder / str(number)).mkdir()
            own = {"cluster-enabled": "yes", "cluster-port": str(free_port()), **(settings or {})}
            node = RedisProcess(folder / str(number), appendfsync="no", settings=own)
            self.nodes.append(node)
        addresses = [f"127.0.0.1:{node.port}" for node in self.nodes]
        create = ["redis-cli", "--cluster", "create", *addresses, "--cluster-yes"]
        subprocess.run(create, check=True, stdout=subprocess.DEVNULL, timeout=60)
        deadline = time.monotonic() + 20
        while not all(self._is_ready(node) for node in self.nodes):
            assert time.monotonic() < deadline, "the cluster's nodes don't find each other"
            time.sleep(0.05)

    @staticmethod
    def _is_ready(node: RedisProcess) -> bool:
        with redis.Redis(port=node.port) as client:
            info = client.execute_command("CLUSTER INFO")
            return bool(info["cluster_state"] == "ok" and info["cluster_known_nodes"] == "3")

    @property
    def url(self) -> str:
        return f"redis+cluster://127.0.0.1:{self.nodes[0].port}"

    def kill(self) -> None:
        """End all at once."""
        for node in self.nodes:
            node.kill()

    def empty(self) -> None:
        """Throw all tasks away."""
        for node in self.nodes:
            node.empty()
