"""Two machines and a cable between them, made of network namespaces."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest


class Host:
    """One of the two machines."""

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self.address = address
        self.prefix: Sequence[str] = ("ip", "netns", "exec", name)
        """Put before a command, it runs on this machine."""

    def pull_cable(self) -> None:
        """Nothing gets in or out any more, and neither side is told."""
        _ip("-n", self.name, "link", "set", "cable", "down")

    def plug_cable(self) -> None:
        """All is as before."""
        _ip("-n", self.name, "link", "set", "cable", "up")


@contextmanager
def two_hosts() -> Iterator[tuple[Host, Host]]:
    """Two machines that reach each other, and nothing else.

    Needs root and iproute2: without, the test is skipped, but not as root on a CI machine.
    """
    hosts = [Host(f"jqm{os.getpid()}{end}", f"198.18.0.{end}") for end in (1, 2)]
    try:
        try:
            _connect(*hosts)
        except (OSError, subprocess.CalledProcessError) as error:
            if os.environ.get("CI") and os.geteuid() == 0:
                raise
            said = getattr(error, "stderr", None) or error
            pytest.skip(f"network namespaces need root and iproute2: {said}")
        yield hosts[0], hosts[1]
    finally:
        for host in hosts:
            subprocess.run(["ip", "netns", "delete", host.name], capture_output=True)


def _connect(one: Host, other: Host) -> None:
    for host in (one, other):
        _ip("netns", "add", host.name)
        _ip("-n", host.name, "link", "set", "lo", "up")
    peer = ("peer", "name", "cable", "netns", other.name)
    _ip("-n", one.name, "link", "add", "cable", "type", "veth", *peer)
    for host in (one, other):
        _ip("-n", host.name, "address", "add", f"{host.address}/24", "dev", "cable")
        host.plug_cable()


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
