"""A manager under measurement, started as users start it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from benchmarks.calls import (
    BULK,
    Answer,
    Counts,
    Reader,
    Stats,
    check_queued,
    queue_many_request,
    request,
)
from benchmarks.connection import Connection, connected
from benchmarks.load import calls_per_second
from benchmarks.processes import HOST, Broken, Process, free_port, process

T = TypeVar("T")

BULK_CONNECTIONS = 4
"""How many callers send bulk calls at the same time."""

_stats = Reader(Answer[Stats])
_anything = Reader(Answer[object])


class Manager:
    """A running manager."""

    def __init__(self, process: Process, port: int) -> None:
        self.process = process
        self.port = port
        self.url = f"http://{HOST}:{port}"

    def call(self, method: str, **params: Any) -> bytes:
        """Call a method; the body of its answer, which is no error."""
        body = self._ask(request(method, **params))
        _anything(body)
        return body

    def stats(self) -> Stats:
        """How many tasks there are."""
        return _stats(self._ask(request("stats")))

    def _ask(self, body: bytes) -> bytes:
        # A connection that is kept for later is closed while others are measured.
        with Connection(self.port) as connection:
            return connection.call(body)

    def expect(self, name: str, **counts: int) -> None:
        """Raise Broken unless `stats` counts the name's tasks so."""
        found = self.stats().names.get(name, Counts(0, 0, 0, 0))
        for status, tasks in counts.items():
            if getattr(found, status) != tasks:
                raise Broken(f"{name}: {tasks} {status} expected, stats says {found}")


def queued_per_second(managers: Sequence[Manager], name: str, tasks: int) -> float:
    """Queue by BULK, each manager its share; tasks a second."""
    calls = calls_per_second(
        [manager.port for manager in managers],
        [queue_many_request(name)],
        calls=tasks // BULK,
        connections=BULK_CONNECTIONS,
        check=check_queued,
    )
    return calls * BULK


@contextmanager
def managed(storage_url: str) -> Iterator[Manager]:
    """A manager on a storage for as long as the block runs."""
    port = free_port()
    serve = ["jsonrpc_qm", "serve", "--storage", storage_url, "--port", str(port)]
    with process(*serve) as started:
        connected(port, started.check).close()
        try:
            yield Manager(started, port)
        except Broken as error:
            error.add_note(started.said())
            raise


@contextmanager
def floored() -> Iterator[int]:
    """The floor's server for as long as the block runs; its port."""
    port = free_port()
    with process("benchmarks.floor", str(port)) as started, connected(port, started.check):
        yield port
