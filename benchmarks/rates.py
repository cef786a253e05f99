"""How many calls and tasks a second: loads on managers, turn by turn."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import msgspec

from benchmarks.calls import BULK, check_success, queue_requests
from benchmarks.compare import Comparison, Turn
from benchmarks.drain import worked_off
from benchmarks.floor import TASK
from benchmarks.load import calls_per_second, drained_per_second
from benchmarks.manager import BULK_CONNECTIONS, Manager, queued_per_second
from benchmarks.plan import Plan
from benchmarks.processes import Broken
from benchmarks.row import Row

CONNECTIONS = 32

FLOOR_UNIT = "requests/s"
UNIT = "tasks/s"

Load = Callable[[Sequence[Manager], Plan], AbstractContextManager[Turn]]
"""A load spread over managers of one storage: each turn is one more; at the end all is counted."""


class Rate(msgspec.Struct, frozen=True):
    """A rate that is measured."""

    key: str
    what: str
    of_floor: float
    """What it has to reach beside the floor."""
    load: Load

    def row(self, measured: Comparison) -> Row:
        """It beside the floor."""
        return compared_row(
            self.key, self.what, measured, base_unit=FLOOR_UNIT, target=self.of_floor
        )


def compared_row(
    key: str, what: str, measured: Comparison, *, base_unit: str, target: float | None
) -> Row:
    """Tasks a second beside what they were compared with."""
    return Row(
        key=key,
        what=what,
        unit=UNIT,
        figure=measured.figure,
        target=target,
        base=measured.base,
        base_unit=base_unit,
        ratio=measured.ratio,
        spread=measured.spread,
    )


def floor_turn(port: int, plan: Plan) -> Turn:
    """One turn of the floor: the requests of single `queue` calls, answered by a constant."""

    def check(body: bytes) -> None:
        if TASK not in body:
            raise Broken(f"not the constant: {body[:500]!r}")

    def turn() -> float:
        return calls_per_second(
            [port],
            queue_requests("queue"),
            calls=plan.floor_requests,
            connections=CONNECTIONS,
            check=check,
        )

    return turn


@contextmanager
def single_calls(managers: Sequence[Manager], plan: Plan) -> Iterator[Turn]:
    """`queue`, one task a call."""
    queued = 0

    def turn() -> float:
        nonlocal queued
        queued += plan.queue_calls
        return calls_per_second(
            [manager.port for manager in managers],
            queue_requests("queue"),
            calls=plan.queue_calls,
            connections=CONNECTIONS,
            check=check_success,
        )

    yield turn
    managers[0].expect("queue", queued=queued)


@contextmanager
def bulk_calls(managers: Sequence[Manager], plan: Plan) -> Iterator[Turn]:
    """`queue_many` by BULK."""
    queued = 0

    def turn() -> float:
        nonlocal queued
        queued += plan.bulk_tasks
        return queued_per_second(managers, "queue-many", plan.bulk_tasks)

    yield turn
    managers[0].expect("queue-many", queued=queued)


@contextmanager
def reports(managers: Sequence[Manager], plan: Plan) -> Iterator[Turn]:
    """Claim and complete through `report` by BULK."""
    completed = 0

    def turn() -> float:
        nonlocal completed
        completed += plan.bulk_tasks
        queued_per_second(managers, "report", plan.bulk_tasks)
        return drained_per_second(
            [manager.port for manager in managers],
            "report",
            tasks=plan.bulk_tasks,
            connections=BULK_CONNECTIONS,
        )

    yield turn
    managers[0].expect("report", queued=0, started=0, completed=completed)


QUEUE = Rate("queue", f"single `queue` calls, {CONNECTIONS} connections", 0.5, single_calls)
QUEUE_MANY = Rate("queue-many", f"`queue_many` by {BULK}", 5.0, bulk_calls)
REPORT = Rate("report", f"claim and complete through `report` by {BULK}", 4.0, reports)
WORK = Rate("work", "no-op tasks through `jsonrpc-qm work --processes 2`", 1.5, worked_off)
RATES = (QUEUE, QUEUE_MANY, REPORT, WORK)
