"""The load: closed loops, each connection sends its next request when it has its answer."""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator, Sequence

from benchmarks.calls import BULK, Reader, Reported, Taken, claim_request, report_request
from benchmarks.connection import Connection, connect
from benchmarks.processes import Broken

LIMIT_SECONDS = 300.0
"""A turn that takes longer is broken."""


class _Loops:
    """Requests over many connections until all are sent and answered."""

    def __init__(self, requests: Iterator[bytes], check: Callable[[bytes], None]) -> None:
        self._requests = requests
        self._check = check
        self._open = 0
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, port: int, connections: int) -> float:
        """Seconds from the first request to the last answer."""
        opened = [await self._connected(port) for _ in range(connections)]
        self._open = connections
        start = time.perf_counter()
        try:
            for connection in opened:
                self._next(connection)
            await asyncio.wait_for(self._ended, LIMIT_SECONDS)
            return time.perf_counter() - start
        finally:
            for connection in opened:
                connection.close()

    async def _connected(self, port: int) -> Connection:
        def taken(body: bytes) -> None:
            try:
                self._check(body)
            except Broken as error:
                self._fail(error)
            else:
                self._next(connection)

        connection = await connect(port, taken, self._fail)
        return connection

    def _next(self, connection: Connection) -> None:
        request = next(self._requests, None)
        if request is not None:
            connection.send(request)
            return
        self._open -= 1
        if not self._open and not self._ended.done():
            self._ended.set_result(None)

    def _fail(self, error: Exception) -> None:
        if not self._ended.done():
            self._ended.set_exception(error)


async def calls_per_second(
    port: int,
    requests: Sequence[bytes],
    *,
    calls: int,
    connections: int,
    check: Callable[[bytes], None],
) -> float:
    """Send `calls` requests, those given in turn, over as many connections at a time."""
    turns = itertools.islice(itertools.cycle(requests), calls)
    return calls / await _Loops(turns, check).run(port, connections)


_taken = Reader(list[Taken])
_reported = Reader(Reported)


class _Worker:
    """One connection that claims, then completes what it has with the report that takes more."""

    def __init__(self, name: str, share: Callable[[], int]) -> None:
        self._name = name
        self._share = share
        self._wanted = 0
        self._tasks: list[Taken] = []
        self.completed = 0

    def requests(self) -> Iterator[bytes]:
        """What to send, each after the answer before was seen."""
        self._wanted = self._share()
        if self._wanted:
            yield claim_request(self._name, max_tasks=self._wanted)
        while self._tasks:
            self._wanted = self._share()
            yield report_request(self._name, self._tasks, self._wanted)

    def see(self, body: bytes) -> None:
        """Look at an answer: all outcomes taken, all tasks that were asked for."""
        if self._tasks:
            answer = _reported(body)
            ended = sum(outcome.ok for outcome in answer.outcomes)
            if ended != len(self._tasks):
                raise Broken(f"{len(self._tasks) - ended} outcomes were refused: {body[:500]!r}")
            self.completed += ended
            self._tasks = answer.tasks
        else:
            self._tasks = _taken(body)
        if len(self._tasks) != self._wanted:
            raise Broken(f"{len(self._tasks)} tasks came instead of {self._wanted}")


async def drained_per_second(port: int, name: str, *, tasks: int, connections: int) -> float:
    """Claim and complete `tasks` tasks of a name by BULK; so many have to be due."""
    left = tasks

    def share() -> int:
        nonlocal left
        share = min(left, BULK)
        left -= share
        return share

    workers = [_Worker(name, share) for _ in range(connections)]
    start = time.perf_counter()
    await asyncio.gather(*(_Loops(w.requests(), w.see).run(port, 1) for w in workers))
    spent = time.perf_counter() - start
    completed = sum(worker.completed for worker in workers)
    if completed != tasks:
        raise Broken(f"{completed} tasks were completed instead of {tasks}")
    return tasks / spent
