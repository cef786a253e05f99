"""How long a task takes from its producer to a worker, and back."""

import asyncio
import time
from statistics import median, quantiles

from benchmarks.calls import (
    PARAMETERS,
    Reader,
    Taken,
    claim_request,
    report_request,
    request,
)
from benchmarks.connection import Caller
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

_claimed = Reader(list[Taken])


async def to_worker(manager: Manager, plan: Plan) -> Row:
    """From sending `queue` to the answer of a claim that waits on another connection."""
    producer = await Caller.connected(manager.port)
    worker = await Caller.connected(manager.port)
    milliseconds = []
    for number in range(plan.latency_samples):
        claimed = worker.start(claim_request("to-worker", wait=WAIT_SECONDS))
        await asyncio.sleep(IDLE_SECONDS)
        sent = time.perf_counter()
        queued = producer.start(_queue("to-worker", number))
        tasks = _claimed(await claimed)
        milliseconds.append((worker.answered_at - sent) * 1000)
        await queued
        if len(tasks) != 1:
            raise Broken(f"{len(tasks)} tasks were claimed instead of 1")
        await worker.call(report_request("to-worker", tasks, take=0))
    producer.close()
    worker.close()
    await manager.expect("to-worker", queued=0, started=0, completed=plan.latency_samples)
    return latency_row("to-worker", "`queue` to the idle worker having it", milliseconds, 2.0)


class _Finished(Taken):
    status: str


async def to_result(manager: Manager, plan: Plan) -> Row:
    """From sending `queue` to the answer of the `get_task` that waits for the result.

    `get_task` is sent when `queue` has been answered; the work is done by a real worker.
    """
    finished = Reader(_Finished)
    producer = await Caller.connected(manager.port)
    milliseconds = []
    with process(*work_command(manager, 1)) as workers:
        await started(manager, workers, 1)
        for number in range(plan.latency_samples):
            await asyncio.sleep(IDLE_SECONDS)
            sent = time.perf_counter()
            id = finished(await producer.call(_queue(NAME, number))).id
            answer = await producer.call(request("get_task", id=id, wait=WAIT_SECONDS))
            milliseconds.append((producer.answered_at - sent) * 1000)
            status = finished(answer).status
            if status != "completed":
                raise Broken(f"a no-op task ended as {status}")
    producer.close()
    await manager.expect(NAME, queued=0, started=0, completed=plan.latency_samples)
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
