"""How long a task takes from its producer to a worker, and back."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from statistics import median, quantiles

import msgspec

from benchmarks.calls import (
    PARAMETERS,
    Answer,
    Reader,
    Taken,
    check_success,
    claim_request,
    report_request,
    request,
)
from benchmarks.connection import Connection
from benchmarks.drain import started, work_command
from benchmarks.manager import Manager
from benchmarks.noop import NAME
from benchmarks.processes import Broken, process
from benchmarks.row import Row
from benchmarks.show import progress

IDLE_SECONDS = 0.01
"""Between two tasks, so that the worker is idle and waiting."""

WAIT_SECONDS = 50.0

Sampler = Callable[[int], list[float]]
"""Sends so many tasks, one after the other; the milliseconds that each took."""

_claimed = Reader(Answer[list[Taken]])


class Latency(msgspec.Struct, frozen=True):
    """A latency that is measured."""

    key: str
    what: str
    at_most: float
    """Milliseconds, of the median."""
    sampled: Callable[[Manager], AbstractContextManager[Sampler]]
    """Samples at a manager; at the end all tasks are counted."""

    def row(self, milliseconds: list[float]) -> Row:
        """The median."""
        last = _within(milliseconds)
        progress(f"{self.key}: median {median(milliseconds):.2f} ms, 99 % within {last:.2f} ms")
        return Row(
            key=self.key,
            what=f"{self.what}, median",
            unit="ms",
            figure=median(milliseconds),
            target=self.at_most,
            spread=(min(milliseconds), max(milliseconds)),
            note=f"99 % within {last:.1f} ms",
        )


def _within(milliseconds: list[float]) -> float:
    return quantiles(milliseconds, n=100)[98]


@contextmanager
def to_worker(manager: Manager) -> Iterator[Sampler]:
    """From sending `queue` to the answer of a claim that waits on another connection."""
    done = 0
    with Connection(manager.port) as producer, Connection(manager.port) as worker:

        def once(number: int) -> float:
            worker.send(claim_request("to-worker", wait=WAIT_SECONDS))
            time.sleep(IDLE_SECONDS)
            sent = time.perf_counter()
            producer.send(_queue("to-worker", number))
            claimed = worker.answer()
            milliseconds = (time.perf_counter() - sent) * 1000
            check_success(producer.answer())
            tasks = _claimed(claimed)
            if len(tasks) != 1:
                raise Broken(f"{len(tasks)} tasks were claimed instead of 1")
            check_success(worker.call(report_request("to-worker", tasks, take=0)))
            return milliseconds

        def samples(number: int) -> list[float]:
            nonlocal done
            done += number
            return [once(place) for place in range(number)]

        yield samples
    manager.expect("to-worker", queued=0, started=0, completed=done)


class _Told(msgspec.Struct):
    id: str
    status: str


_told = Reader(Answer[_Told])


@contextmanager
def to_result(manager: Manager) -> Iterator[Sampler]:
    """From sending `queue` to the answer of the `get_task` that waits for the result.

    `get_task` is sent when `queue` has been answered; the work is done by a real worker.
    """
    done = 0
    with process(*work_command(manager, 1)) as workers, Connection(manager.port) as producer:

        def once(number: int) -> float:
            time.sleep(IDLE_SECONDS)
            sent = time.perf_counter()
            queued = _told(producer.call(_queue(NAME, number)))
            answer = producer.call(request("get_task", id=queued.id, wait=WAIT_SECONDS))
            milliseconds = (time.perf_counter() - sent) * 1000
            status = _told(answer).status
            if status != "completed":
                raise Broken(f"a no-op task ended as {status}")
            return milliseconds

        def samples(number: int) -> list[float]:
            nonlocal done
            done += number
            return [once(place) for place in range(number)]

        started(manager, [workers], 1)
        yield samples
        manager.expect(NAME, queued=0, started=0, completed=done)


def _queue(name: str, number: int) -> bytes:
    return request("queue", name=name, parameters=PARAMETERS[number % len(PARAMETERS)])


TO_WORKER = Latency("to-worker", "`queue` to the idle worker having it", 2.0, to_worker)
TO_RESULT = Latency("to-result", "`queue` to the result at a waiting `get_task`", 4.0, to_result)
LATENCIES = (TO_WORKER, TO_RESULT)
