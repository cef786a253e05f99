"""What many claims cost that wait and get nothing."""

import asyncio
import time

from benchmarks.calls import Reader, Taken, claim_request
from benchmarks.connection import Caller
from benchmarks.manager import Manager
from benchmarks.plan import Plan
from benchmarks.processes import Broken
from benchmarks.row import Row
from benchmarks.show import progress

MEGABYTE = 1_000_000

WAIT_SECONDS = 55.0

SETTLE_SECONDS = 2.0
"""After the last claim has been sent."""

_claimed = Reader(list[Taken])


async def long_polls(manager: Manager, plan: Plan) -> list[Row]:
    """Memory and CPU of the manager while claims wait, then one task for one of them."""
    await manager.stats()
    before = manager.process.resident_bytes()
    callers = [await Caller.connected(manager.port) for _ in range(plan.polls)]
    answers = [caller.start(claim_request("idle", wait=WAIT_SECONDS)) for caller in callers]
    await asyncio.sleep(SETTLE_SECONDS)
    more = manager.process.resident_bytes() - before
    cpu, start = manager.process.cpu_seconds(), time.monotonic()
    await asyncio.sleep(plan.idle_seconds)
    share = (manager.process.cpu_seconds() - cpu) / (time.monotonic() - start)
    await _one_is_served(manager, answers)
    for caller in callers:
        caller.close()
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


async def _one_is_served(manager: Manager, answers: "list[asyncio.Future[bytes]]") -> None:
    """All wait; a task goes to exactly one of them."""
    await manager.call("queue", name="idle")
    await asyncio.sleep(SETTLE_SECONDS)
    served = [answer.result() for answer in answers if answer.done()]
    if len(served) != 1 or len(_claimed(served[0])) != 1:
        raise Broken(f"one task was queued, and {len(served)} claims were answered")
