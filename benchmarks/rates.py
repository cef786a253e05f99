"""How many calls and tasks a second, beside the floor."""

from benchmarks.calls import BULK, check_success, queue_requests
from benchmarks.compare import Comparison, Turn, compared
from benchmarks.floor import TASK
from benchmarks.load import calls_per_second, drained_per_second
from benchmarks.manager import BULK_CONNECTIONS, Manager
from benchmarks.plan import Plan
from benchmarks.processes import Broken
from benchmarks.row import Row

CONNECTIONS = 32

FLOOR_UNIT = "requests/s"
UNIT = "tasks/s"


def floor_turn(port: int, plan: Plan) -> Turn:
    """One turn of the floor: the requests of single `queue` calls, answered by a constant."""

    def check(body: bytes) -> None:
        if TASK not in body:
            raise Broken(f"not the constant: {body[:500]!r}")

    def turn() -> float:
        return calls_per_second(
            port,
            queue_requests("queue"),
            calls=plan.floor_requests,
            connections=CONNECTIONS,
            check=check,
        )

    return turn


def rate_row(key: str, what: str, measured: Comparison, target: float) -> Row:
    """A rate beside the floor."""
    return Row(
        key=key,
        what=what,
        unit=UNIT,
        figure=measured.figure,
        target=target,
        base=measured.base,
        base_unit=FLOOR_UNIT,
        ratio=measured.ratio,
        spread=measured.spread,
    )


def single_calls(manager: Manager, floor: Turn, plan: Plan) -> Row:
    """`queue`, one task a call."""

    def turn() -> float:
        return calls_per_second(
            manager.port,
            queue_requests("queue"),
            calls=plan.queue_calls,
            connections=CONNECTIONS,
            check=check_success,
        )

    measured = compared("queue", floor, turn, plan.rounds)
    manager.expect("queue", queued=plan.rounds * plan.queue_calls)
    what = f"single `queue` calls, {CONNECTIONS} connections"
    return rate_row("queue", what, measured, 0.5)


def bulk_calls(manager: Manager, floor: Turn, plan: Plan) -> Row:
    """`queue_many` by BULK."""

    def turn() -> float:
        return manager.queue("queue-many", plan.bulk_tasks)

    measured = compared("queue-many", floor, turn, plan.rounds)
    manager.expect("queue-many", queued=plan.rounds * plan.bulk_tasks)
    return rate_row("queue-many", f"`queue_many` by {BULK}", measured, 5.0)


def reports(manager: Manager, floor: Turn, plan: Plan) -> Row:
    """Claim and complete through `report` by BULK."""

    def turn() -> float:
        manager.queue("report", plan.bulk_tasks)
        return drained_per_second(
            manager.port, "report", tasks=plan.bulk_tasks, connections=BULK_CONNECTIONS
        )

    measured = compared("report", floor, turn, plan.rounds)
    manager.expect("report", queued=0, started=0, completed=plan.rounds * plan.bulk_tasks)
    what = f"claim and complete through `report` by {BULK}"
    return rate_row("report", what, measured, 4.0)
