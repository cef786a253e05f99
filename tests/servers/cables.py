"""The way to a server, which can be frozen, lose what it carries, be cut, or lead elsewhere."""

import socket
from contextlib import suppress
from threading import Event, Lock, Thread
from typing import Self
from urllib.parse import urlsplit


class Cable:
    """A port of this machine at which connections to the server of a URL arrive."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.port is not None
        self.server_url = url
        self._place = f":{parts.port}"
        self._to = (parts.hostname or "127.0.0.1", parts.port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._turn = Lock()
        self._open = Event()
        self._open.set()
        self._wires: set[_Wire] = set()
        self._lost: set[_Wire] = set()
        Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """The server's URL by way of this port."""
        assert self.server_url.count(self._place) == 1
        return self.server_url.replace(self._place, f":{self._listening.getsockname()[1]}")

    def freeze(self) -> None:
        """Nothing arrives any more, and neither side is told; new connections are accepted."""
        with self._turn:
            self._open.clear()
            for wire in self._wires:
                wire.flowing.clear()

    def thaw(self) -> None:
        """All that was sent meanwhile arrives."""
        with self._turn:
            self._open.set()
            for wire in self._wires:
                wire.flowing.set()

    def lose(self) -> None:
        """Nothing arrives ever again on the connections that there are; new ones work."""
        with self._turn:
            for wire in self._wires:
                wire.flowing.clear()
            self._lost |= self._wires
            self._wires.clear()

    def cut(self) -> None:
        """All connections end, new ones work."""
        with self._turn:
            for wire in self._wires:
                wire.end()

    def lead(self, port: int) -> None:
        """New connections lead to another port of this machine, as to an address that has moved."""
        self._to = ("127.0.0.1", port)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._open.set()
        with self._turn:
            for wire in self._wires | self._lost:
                wire.end()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                here, _ = self._listening.accept()
                Thread(target=self._connect, args=(here,), daemon=True).start()

    def _connect(self, here: socket.socket) -> None:
        self._open.wait()
        try:
            there = socket.create_connection(self._to)
        except OSError:
            here.close()
            return
        wire = _Wire(here, there)
        with self._turn:
            self._wires.add(wire)
            if not self._open.is_set():
                wire.flowing.clear()
        wire.carry()
        with self._turn:
            self._wires.discard(wire)


class _Wire:
    """One connection."""

    def __init__(self, here: socket.socket, there: socket.socket) -> None:
        self._ends = (here, there)
        self.flowing = Event()
        self.flowing.set()

    def carry(self) -> None:
        """Carry what is sent either way until one side has ended."""
        here, there = self._ends
        back = Thread(target=self._carry, args=(there, here), daemon=True)
        back.start()
        self._carry(here, there)
        back.join()
        here.close()
        there.close()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self.flowing.wait()
                target.sendall(data)
        self.flowing.wait()
        self.end()

    def end(self) -> None:
        """End it on both sides."""
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self.flowing.set()
