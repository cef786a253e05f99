"""How many no-op tasks a second go through `jsonrpc-qm work`."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from benchmarks.compare import Turn
from benchmarks.manager import Manager, queued_per_second
from benchmarks.noop import NAME
from benchmarks.plan import Plan
from benchmarks.processes import Broken, Process, process

LOOK_SECONDS = 0.02
"""How exactly the end is seen."""

LIMIT_SECONDS = 120.0


def work_command(manager: Manager, processes: int) -> list[str]:
    """The module and arguments that start workers of the no-op app."""
    app = ["work", "benchmarks.noop:qm", "--manager", manager.url]
    return ["jsonrpc_qm", *app, "--processes", str(processes)]


@contextmanager
def worked_off(managers: Sequence[Manager], plan: Plan) -> Iterator[Turn]:
    """Tasks that are there when the name is resumed, until the last is completed.

    Each manager has its share of the workers.
    """
    first = managers[0]
    each = plan.worker_processes // len(managers)
    with ExitStack() as stack:
        commands = [work_command(manager, each) for manager in managers]
        workers = [stack.enter_context(process(*command)) for command in commands]
        done = 0

        def turn() -> float:
            nonlocal done
            first.call("pause", name=NAME)
            queued_per_second(managers, NAME, plan.drain_tasks)
            done += plan.drain_tasks
            start = time.perf_counter()
            first.call("resume", name=NAME)
            completed(first, workers, done)
            return plan.drain_tasks / (time.perf_counter() - start)

        started(first, workers, each * len(managers))
        yield turn
        first.expect(NAME, queued=0, started=0, completed=done)


def started(manager: Manager, workers: Sequence[Process], number: int) -> None:
    """Wait until so many workers have called."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while manager.stats().workers < number:
        _look_again(workers, deadline)


def completed(manager: Manager, workers: Sequence[Process], tasks: int) -> None:
    """Wait until so many no-op tasks are completed."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while manager.stats().names[NAME].completed < tasks:
        _look_again(workers, deadline)


def _look_again(workers: Sequence[Process], deadline: float) -> None:
    for worker in workers:
        worker.check()
    if time.monotonic() > deadline:
        raise Broken(f"the workers were not done after {LIMIT_SECONDS:g} s")
    time.sleep(LOOK_SECONDS)
