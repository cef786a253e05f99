"""What many claims cost that wait and get nothing."""

import select
import time
from collections.abc import Sequence
from contextlib import ExitStack

from benchmarks.calls import Answer, Reader, Taken, claim_request
from benchmarks.connection import Connection
from benchmarks.manager import Manager
from benchmarks.plan import Plan
from benchmarks.processes import Broken
from benchmarks.row import Row
from benchmarks.show import progress

MEGABYTE = 1_000_000

WAIT_SECONDS = 55.0

SETTLE_SECONDS = 2.0
"""After the last claim has been sent."""

_claimed = Reader(Answer[list[Taken]])


def long_polls(manager: Manager, plan: Plan) -> list[Row]:
    """Memory and CPU of the manager while claims wait, then one task for one of them."""
    manager.stats()
    before = manager.process.resident_bytes()
    with ExitStack() as stack:
        waiting = [stack.enter_context(Connection(manager.port)) for _ in range(plan.polls)]
        for connection in waiting:
            connection.send(claim_request("idle", wait=WAIT_SECONDS))
        time.sleep(SETTLE_SECONDS)
        more = manager.process.resident_bytes() - before
        cpu, start = manager.process.cpu_seconds(), time.monotonic()
        time.sleep(plan.idle_seconds)
        share = (manager.process.cpu_seconds() - cpu) / (time.monotonic() - start)
        _one_is_served(manager, waiting)
    progress(f"{plan.polls:,} long polls: {more / MEGABYTE:.1f} MB more, {share:.2%} of a core")
    what = f"{plan.polls:,} idle long polls"
    return [
        Row(
            key="idle",
            what=f"{what}: memory more",
            unit="MB",
            figure=more / MEGABYTE,
            target=100.0,
            note=f"{before / MEGABYTE:.0f} MB before",
        ),
        Row(
            key="idle",
            what=f"{what}: share of a core",
            unit="%",
            figure=share * 100,
            target=1.0,
            note=f"over {plan.idle_seconds:g} s",
        ),
    ]


def _one_is_served(manager: Manager, waiting: Sequence[Connection]) -> None:
    """All wait; a task goes to exactly one of them."""
    manager.call("queue", name="idle")
    time.sleep(SETTLE_SECONDS)
    with select.epoll(len(waiting)) as polled:
        for connection in waiting:
            polled.register(connection, select.EPOLLIN)
        answered = {number for number, _ in polled.poll(0)}
    served = [connection for connection in waiting if connection.fileno() in answered]
    if len(served) != 1 or len(_claimed(served[0].answer())) != 1:
        raise Broken(f"one task was queued, and {len(served)} claims were answered")
