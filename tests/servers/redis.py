"""Redis servers for the tests: one, or a cluster of three."""

import shutil
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import redis

from tests.servers.processes import (
    START_SECONDS,
    Certificate,
    PrivateServer,
    ServerAccount,
    free_port,
    missing,
)

NODES = 3


class RedisProcess(PrivateServer):
    """A private server, whose answered writes are on the disk unless `appendfsync` is another."""

    title = "Redis"

    def __init__(
        self,
        *,
        appendfsync: str = "always",
        password: str = "",
        certificate: Certificate | None = None,
        **settings: str,
    ) -> None:
        self._settings = {"appendfsync": appendfsync, "requirepass": password, **settings}
        self._prefixes = count(1)
        super().__init__(ServerAccount("redis", "nobody"), certificate)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def database(self) -> str:
        """The URL of a new queue."""
        return f"{self.url}?prefix=tasks{next(self._prefixes)}"

    def _program(self) -> Sequence[str | Path]:
        settings: dict[str, str | Path] = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": self._folder,
            "appendonly": "yes",
            "save": "",
            **{name.replace("_", "-"): value for name, value in self._settings.items()},
        }
        if self._certificate is not None:
            settings |= {
                "port": "0",
                "tls-port": str(self.port),
                "tls-cert-file": self._certificate.certificate,
                "tls-key-file": self._certificate.key,
                "tls-ca-cert-file": self._certificate.authority,
                "tls-auth-clients": "no",
            }
        options = [part for name, value in settings.items() for part in (f"--{name}", value)]
        return [shutil.which("redis-server") or missing("Redis"), *options]

    def connected(self) -> "redis.Redis":
        """A client of it."""
        return redis.Redis(
            port=self.port,
            password=self._settings["requirepass"],
            ssl=self._certificate is not None,
            ssl_cert_reqs="none",
        )

    def end_subscriptions(self) -> int:
        """End the connections that have subscribed to something; how many."""
        with self.connected() as client:
            return int(client.client_kill_filter(_type="pubsub"))

    def _answers(self) -> bool:
        with suppress(redis.ConnectionError), self.connected() as client:
            return bool(client.ping())
        return False

    def empty(self) -> None:
        """Throw all tasks away."""
        with self.connected() as client:
            client.flushall()


class RedisClusterProcesses:
    """A Redis Cluster of three nodes without replicas."""

    def __init__(self, *, appendfsync: str = "always") -> None:
        self._prefixes = count(1)
        self.nodes: list[RedisProcess] = [
            RedisProcess(
                appendfsync=appendfsync, cluster_enabled="yes", cluster_port=str(free_port())
            )
            for _ in range(NODES)
        ]
        addresses = [f"127.0.0.1:{node.port}" for node in self.nodes]
        create = ["redis-cli", "--cluster", "create", *addresses, "--cluster-yes"]
        subprocess.run(create, check=True, stdout=subprocess.DEVNULL, timeout=60)
        deadline = time.monotonic() + START_SECONDS
        while not all(self._is_ready(node) for node in self.nodes):
            assert time.monotonic() < deadline, "the cluster's nodes don't find each other"
            time.sleep(0.05)

    @staticmethod
    def _is_ready(node: RedisProcess) -> bool:
        with node.connected() as client:
            info: Any = client.execute_command("CLUSTER INFO")
            return bool(info["cluster_state"] == "ok" and info["cluster_known_nodes"] == str(NODES))

    @property
    def url(self) -> str:
        return f"redis+cluster://127.0.0.1:{self.nodes[0].port}"

    def database(self) -> str:
        """The URL of a new queue, which is on all nodes."""
        return f"{self.url}?prefix=tasks{next(self._prefixes)}"

    def kill(self) -> None:
        """kill -9 of a node that holds a part of each queue."""
        self.nodes[-1].kill()

    def start(self) -> None:
        """Start that node again."""
        self.nodes[-1].start()

    def end_subscriptions(self) -> int:
        """End them on all nodes; how many."""
        return sum(node.end_subscriptions() for node in self.nodes)

    def close(self) -> None:
        """End all, and leave nothing behind."""
        for node in self.nodes:
            node.close()

    def empty(self) -> None:
        """Throw all tasks away."""
        for node in self.nodes:
            node.empty()
