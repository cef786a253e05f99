"""The way to a server, which can be cut, frozen, or made to lead elsewhere."""

import socket
import struct
from contextlib import suppress
from threading import Event, Thread
from types import TracebackType
from typing import Self


class Cable:
    """A port on this machine at which connections to another port arrive."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._flowing = Event()
        self._flowing.set()
        self._ends: set[socket.socket] = set()
        self._start(self._accept)

    @property
    def port(self) -> int:
        """Where it begins."""
        return int(self._listening.getsockname()[1])

    def through(self, url: str) -> str:
        """The URL of what the other port serves, by way of this one."""
        port = f":{self._to}"
        assert url.count(port) == 1
        return url.replace(port, f":{self.port}")

    def freeze(self) -> None:
        """Nothing arrives any more, and neither side is told; new connections are accepted."""
        self._flowing.clear()

    def thaw(self) -> None:
        """All that was sent meanwhile arrives."""
        self._flowing.set()

    def cut(self) -> None:
        """All connections end, new ones get through."""
        for end in list(self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def lead(self, to: int) -> None:
        """It leads to another port from now on, as an address that moves; connections end."""
        self._to = to
        self.cut()

    def close(self) -> None:
        """End all."""
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.cut()
        self.thaw()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    # -- in threads -----------------------------------------------------------------------------

    @staticmethod
    def _start(target: "object", *args: object) -> None:
        Thread(target=target, args=args, daemon=True).start()  # type: ignore[arg-type]

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                here, _ = self._listening.accept()
                self._start(self._connect, here)

    def _connect(self, here: socket.socket) -> None:
        self._flowing.wait()
        try:
            there = socket.create_connection(("127.0.0.1", self._to))
        except OSError:
            # Reset, as by a machine on which nobody listens.
            here.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            here.close()
            return
        self._ends |= {here, there}
        self._start(self._carry, here, there)
        self._start(self._carry, there, here)

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._flowing.wait()
                target.sendall(data)
        self._flowing.wait()
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)
        self._ends.discard(source)
        source.close()
