"""How long a task takes from its producer to a worker, and back."""

import time
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
from benchmarks.plan import Plan
from benchmarks.processes import Broken, process
from benchmarks.row import Row
from benchmarks.show import progress

IDLE_SECONDS = 0.01
"""Between two tasks, so that the worker is idle and waiting."""

WAIT_SECONDS = 50.0

_claimed = Reader(Answer[list[Taken]])


def to_worker(manager: Manager, plan: Plan) -> Row:
    """From sending `queue` to the answer of a claim that waits on another connection."""
    milliseconds = []
    with Connection(manager.port) as producer, Connection(manager.port) as worker:
        for number in range(plan.latency_samples):
            worker.send(claim_request("to-worker", wait=WAIT_SECONDS))
            time.sleep(IDLE_SECONDS)
            sent = time.perf_counter()
            producer.send(_queue("to-worker", number))
            claimed = worker.answer()
            milliseconds.append((time.perf_counter() - sent) * 1000)
            check_success(producer.answer())
            tasks = _claimed(claimed)
            if len(tasks) != 1:
                raise Broken(f"{len(tasks)} tasks were claimed instead of 1")
            check_success(worker.call(report_request("to-worker", tasks, take=0)))
    manager.expect("to-worker", queued=0, started=0, completed=plan.latency_samples)
    return latency_row("to-worker", "`queue` to the idle worker having it", milliseconds, 2.0)


class _Told(msgspec.Struct):
    id: str
    status: str


_told = Reader(Answer[_Told])


def to_result(manager: Manager, plan: Plan) -> Row:
    """From sending `queue` to the answer of the `get_task` that waits for the result.

    `get_task` is sent when `queue` has been answered; the work is done by a real worker.
    """
    milliseconds = []
    with process(*work_command(manager, 1)) as workers, Connection(manager.port) as producer:
        started(manager, workers, 1)
        for number in range(plan.latency_samples):
            time.sleep(IDLE_SECONDS)
            sent = time.perf_counter()
            queued = _told(producer.call(_queue(NAME, number)))
            answer = producer.call(request("get_task", id=queued.id, wait=WAIT_SECONDS))
            milliseconds.append((time.perf_counter() - sent) * 1000)
            status = _told(answer).status
            if status != "completed":
                raise Broken(f"a no-op task ended as {status}")
    manager.expect(NAME, queued=0, started=0, completed=plan.latency_samples)
    what = "`queue` to the result at a waiting `get_task`"
    return latency_row("to-result", what, milliseconds, 4.0)


def latency_row(key: str, what: str, milliseconds: list[float], target: float) -> Row:
    """The median of samples, in milliseconds."""
    last = quantiles(milliseconds, n=100)[98]
    progress(f"{key}: median {median(milliseconds):.2f} ms, 99 % within {last:.2f} ms")
    return Row(
        key=key,
        what=f"{what}, median",
        unit="ms",
        figure=median(milliseconds),
        target=target,
        spread=(min(milliseconds), max(milliseconds)),
        note=f"99 % within {last:.1f} ms",
    )


def _queue(name: str, number: int) -> bytes:
    return request("queue", name=name, parameters=PARAMETERS[number % len(PARAMETERS)])
