"""The load: closed loops, each connection sends its next request when it has its answer."""

import itertools
import select
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import NamedTuple

from benchmarks.calls import BULK, Answer, Reader, Reported, Taken, claim_request, report_request
from benchmarks.connection import ANSWER_SECONDS, Connection
from benchmarks.processes import Broken

See = Callable[[bytes], None]
"""Looks at the body of an answer, and raises Broken when it is not to be measured."""


class Loop(NamedTuple):
    """What one connection does."""

    port: int
    requests: Iterator[bytes]
    """Asked for the next one when the answer before was seen."""
    see: See


def loop_seconds(loops: Sequence[Loop]) -> float:
    """Run loops side by side, each on a connection of its own, until the last has ended.

    Answers the seconds from the first request to the last answer.
    """
    with ExitStack() as stack:
        opened = [stack.enter_context(Connection(loop.port, limit=None)) for loop in loops]
        polled = stack.enter_context(select.epoll(len(opened)))
        running: dict[int, tuple[Connection, Iterator[bytes], See]] = {}
        start = time.perf_counter()
        for connection, (_, requests, see) in zip(opened, loops, strict=True):
            if (request := next(requests, None)) is not None:
                polled.register(connection, select.EPOLLIN)
                running[connection.fileno()] = (connection, requests, see)
                connection.send(request)
        while running:
            events = polled.poll(ANSWER_SECONDS)
            if not events:
                raise Broken(f"no answer for {ANSWER_SECONDS:g} s")
            for number, _ in events:
                connection, requests, see = running[number]
                if (body := connection.read()) is None:
                    continue
                see(body)
                if (request := next(requests, None)) is not None:
                    connection.send(request)
                else:
                    del running[number]
        return time.perf_counter() - start


def calls_per_second(
    ports: Sequence[int], requests: Sequence[bytes], *, calls: int, connections: int, check: See
) -> float:
    """Send `calls` requests, those given in turn, over as many connections, spread over `ports`."""
    turns = itertools.islice(itertools.cycle(requests), calls)
    loops = [Loop(port, turns, check) for port in _spread(ports, connections)]
    return calls / loop_seconds(loops)


def _spread(ports: Sequence[int], connections: int) -> Iterator[int]:
    return itertools.islice(itertools.cycle(ports), connections)


_taken = Reader(Answer[list[Taken]])
_reported = Reader(Answer[Reported])


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


def drained_per_second(ports: Sequence[int], name: str, *, tasks: int, connections: int) -> float:
    """Claim and complete `tasks` tasks of a name by BULK; so many have to be due."""
    left = tasks

    def share() -> int:
        nonlocal left
        share = min(left, BULK)
        left -= share
        return share

    workers = [_Worker(name, share) for _ in range(connections)]
    loops = [
        Loop(port, worker.requests(), worker.see)
        for port, worker in zip(_spread(ports, connections), workers, strict=True)
    ]
    spent = loop_seconds(loops)
    completed = sum(worker.completed for worker in workers)
    if completed != tasks:
        raise Broken(f"{completed} tasks were completed instead of {tasks}")
    return tasks / spent
