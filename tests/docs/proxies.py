"""HAProxy and nginx with configurations of the documents, each as a process of the tests."""

import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.acceptance.rpc import until
from tests.docs.shell import need

NGINX = """
daemon off;
master_process off;
pid {folder}/pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {server}
}}
"""
"""What a distribution puts around a server of nginx, in a folder of its own."""


def check_haproxy(folder: Path, text: str) -> str:
    """What HAProxy says of a configuration that it must take."""
    path = folder / "haproxy.cfg"
    path.write_text(text)
    return _checked([need("haproxy"), "-c", "-f", path])


def check_nginx(folder: Path, server: str) -> str:
    """What nginx says of a server that it must take."""
    return _checked([*_nginx_command(folder, server), "-t"])


@contextmanager
def haproxy(folder: Path, text: str, address: str) -> Iterator[None]:
    """HAProxy with a configuration that binds to that host and port."""
    path = folder / "haproxy.cfg"
    path.write_text(text)
    with _running([need("haproxy"), "-db", "-f", path], folder / "haproxy.log", address):
        yield


@contextmanager
def nginx(folder: Path, server: str, address: str) -> Iterator[None]:
    """nginx with a server that listens at that host and port."""
    with _running(_nginx_command(folder, server), folder / "nginx.log", address):
        yield


def _nginx_command(folder: Path, server: str) -> list[str | Path]:
    path = folder / "nginx.conf"
    path.write_text(NGINX.format(folder=folder, server=server))
    return [need("nginx"), "-p", folder, "-c", path]


def _checked(command: Sequence[str | Path]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


@contextmanager
def _running(command: Sequence[str | Path], log: Path, address: str) -> Iterator[None]:
    with log.open("wb") as written:
        program = subprocess.Popen(command, stdout=written, stderr=written)
    try:
        until(lambda: _listens(address) or program.poll() is not None)
        assert program.poll() is None, log.read_text()
        yield
    finally:
        program.kill()
        program.wait()


def _listens(address: str) -> bool:
    host, _, port = address.partition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0
