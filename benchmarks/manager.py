"""A manager under measurement, started as users start it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from benchmarks.calls import (
    BULK,
    Counts,
    Reader,
    Stats,
    check_queued,
    queue_many_request,
    request,
)
from benchmarks.connection import Caller
from benchmarks.load import calls_per_second
from benchmarks.processes import HOST, Broken, Process, free_port, process

T = TypeVar("T")

BULK_CONNECTIONS = 4
"""How many callers send bulk calls at the same time."""

_stats = Reader(Stats)
_anything = Reader(object)


class Manager:
    """A running manager, and a connection to look after it."""

    def __init__(self, process: Process, port: int, caller: Caller) -> None:
        self.process = process
        self.port = port
        self.url = f"http://{HOST}:{port}"
        self._caller = caller

    async def call(self, method: str, **params: Any) -> bytes:
        """Call a method; the body of its answer, which is no error."""
        body = await self._caller.call(request(method, **params))
        _anything(body)
        return body

    async def stats(self) -> Stats:
        """How many tasks there are."""
        return _stats(await self._caller.call(request("stats")))

    async def queue(self, name: str, tasks: int) -> float:
        """Queue by BULK; tasks a second."""
        calls = await calls_per_second(
            self.port,
            [queue_many_request(name)],
            calls=tasks // BULK,
            connections=BULK_CONNECTIONS,
            check=check_queued,
        )
        return calls * BULK

    async def expect(self, name: str, **counts: int) -> None:
        """Raise Broken unless `stats` counts the name's tasks so."""
        found = (await self.stats()).names.get(name, Counts(0, 0, 0, 0))
        for status, tasks in counts.items():
            if getattr(found, status) != tasks:
                raise Broken(f"{name}: {tasks} {status} expected, stats says {found}")


@asynccontextmanager
async def managed(storage_url: str) -> AsyncIterator[Manager]:
    """A manager on a storage for as long as the block runs."""
    port = free_port()
    serve = ["jsonrpc_qm", "serve", "--storage", storage_url, "--port", str(port)]
    with process(*serve) as started:
        caller = await Caller.connected(port, started.check)
        try:
            yield Manager(started, port, caller)
        finally:
            caller.close()


@asynccontextmanager
async def floored() -> AsyncIterator[int]:
    """The floor's server for as long as the block runs; its port."""
    port = free_port()
    with process("benchmarks.floor", str(port)) as started:
        caller = await Caller.connected(port, started.check)
        caller.close()
        yield port
