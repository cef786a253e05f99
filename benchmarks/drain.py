"""How many no-op tasks a second go through `jsonrpc-qm work`, beside the floor."""

import time

from benchmarks.compare import Turn, compared
from benchmarks.manager import Manager
from benchmarks.noop import NAME
from benchmarks.plan import Plan
from benchmarks.processes import Broken, Process, process
from benchmarks.rates import rate_row
from benchmarks.row import Row

PROCESSES = 2

LOOK_SECONDS = 0.02
"""How exactly the end is seen."""

LIMIT_SECONDS = 120.0


def work_command(manager: Manager, processes: int) -> list[str]:
    """The module and arguments that start workers of the no-op app."""
    app = ["work", "benchmarks.noop:qm", "--manager", manager.url]
    return ["jsonrpc_qm", *app, "--processes", str(processes)]


def worked_off(manager: Manager, floor: Turn, plan: Plan) -> Row:
    """Tasks that are there when the name is resumed, until the last is completed."""
    with process(*work_command(manager, PROCESSES)) as workers:
        done = 0

        def turn() -> float:
            nonlocal done
            manager.call("pause", name=NAME)
            manager.queue(NAME, plan.drain_tasks)
            done += plan.drain_tasks
            start = time.perf_counter()
            manager.call("resume", name=NAME)
            completed(manager, workers, done)
            return plan.drain_tasks / (time.perf_counter() - start)

        started(manager, workers, PROCESSES)
        measured = compared("work", floor, turn, plan.rounds)
        manager.expect(NAME, queued=0, started=0, completed=done)
    what = f"no-op tasks through `jsonrpc-qm work --processes {PROCESSES}`"
    return rate_row("work", what, measured, 1.5)


def started(manager: Manager, workers: Process, number: int) -> None:
    """Wait until so many workers have called."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while manager.stats().workers < number:
        _look_again(workers, deadline)


def completed(manager: Manager, workers: Process, tasks: int) -> None:
    """Wait until so many no-op tasks are completed."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while manager.stats().names[NAME].completed < tasks:
        _look_again(workers, deadline)


def _look_again(workers: Process, deadline: float) -> None:
    workers.check()
    if time.monotonic() > deadline:
        raise Broken(f"the workers were not done after {LIMIT_SECONDS:g} s")
    time.sleep(LOOK_SECONDS)
