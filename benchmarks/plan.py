"""How much is measured: enough for steady medians, or enough to see that all of it runs."""

import msgspec
from msgspec.structs import replace


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of one run. Rates are compared over `rounds` turns of base and figure."""

    rounds: int = 7
    floor_requests: int = 10_000
    """Requests of one turn of the floor."""
    queue_calls: int = 8_000
    """Single `queue` calls of one turn."""
    bulk_tasks: int = 40_000
    """Tasks of one turn of `queue_many`, and of `report`."""
    drain_tasks: int = 40_000
    """Tasks of one turn of `jsonrpc-qm work`."""
    worker_processes: int = 2
    """Of `jsonrpc-qm work`, all together."""
    latency_samples: int = 500
    queued: int = 1_000_000
    scheduled: int = 300_000
    finished: int = 300_000
    few: int = 5_000
    """What the rate with many tasks is compared with, and what one measured drain takes."""
    drains: int = 4
    """Drains of `few` tasks of one turn."""
    read_samples: int = 15
    pages: int = 100
    """Pages of 1,000 that are leafed through to get a cursor far down."""
    polls: int = 2_000
    idle_seconds: float = 15.0
    starts: int = 9
    several: tuple[int, ...] = (2, 4)
    """Numbers of managers, beside one."""
    several_rounds: int = 3
    """Turns of each of them."""
    sized: int = 100_000
    """Tasks whose room is measured."""


FULL = Plan()

QUICK = Plan(
    rounds=3,
    floor_requests=3_000,
    queue_calls=2_000,
    bulk_tasks=10_000,
    drain_tasks=8_000,
    latency_samples=60,
    queued=50_000,
    scheduled=15_000,
    finished=15_000,
    drains=2,
    read_samples=5,
    pages=10,
    polls=500,
    idle_seconds=3.0,
    starts=3,
)
"""Under a minute; too little to judge by."""

STORAGES = replace(FULL, rounds=5, queued=800_000, scheduled=100_000, finished=100_000)
"""For each of several storages."""

QUICK_STORAGES = replace(
    QUICK,
    rounds=2,
    queue_calls=1_000,
    bulk_tasks=4_000,
    drain_tasks=4_000,
    latency_samples=30,
    queued=8_000,
    scheduled=1_000,
    finished=1_000,
    few=2_000,
    drains=1,
    several=(2,),
    several_rounds=1,
    sized=2_000,
)
"""About three minutes; too little to judge by."""
