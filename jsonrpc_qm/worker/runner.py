"""One worker process: the tasks that it holds, from the claim to the outcome."""

import logging
import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from math import inf
from time import monotonic

from jsonrpc_qm.task import Task
from jsonrpc_qm.worker import logs
from jsonrpc_qm.worker.attempt import Attempt, Stop
from jsonrpc_qm.worker.base import PoolName, Worker
from jsonrpc_qm.worker.courier import WAIT, Courier
from jsonrpc_qm.worker.heartbeat import Heartbeat
from jsonrpc_qm.worker.jobs import Kind, jobs_of
from jsonrpc_qm.worker.link import Link
from jsonrpc_qm.worker.loop import LoopPool
from jsonrpc_qm.worker.outbox import Outbox
from jsonrpc_qm.worker.outcome import Outcome, released
from jsonrpc_qm.worker.pace import Pace
from jsonrpc_qm.worker.pools import Pool, SlotPool, ThreadSlot
from jsonrpc_qm.worker.processes import ProcessSlot
from jsonrpc_qm.worker.source import TaskSource

logger = logging.getLogger("jsonrpc_qm.worker")

MAX_CONCURRENCY = 5000
OVERDUE = 1.0
"""Seconds after which a held task that could not start is left to other workers."""
LAST_WORDS = 1.0
"""Seconds that handlers get to end after they were told to."""
DELIVERY = 2.0
"""Seconds that the last outcomes get to be delivered, however little grace is left."""


class Ending(StrEnum):
    """Why a worker process ended."""

    STOPPED = "stopped"
    """It was told to."""
    DRAINED = "drained"
    """An operator asked for it."""
    RECYCLED = "recycled"
    """It has done as many tasks as it was to do."""
    EMPTIED = "emptied"
    """It was to end when nothing is due, and nothing is."""


class Runner:
    """Claims tasks, runs them, reports how they ended; in threads of its own."""

    def __init__(
        self,
        registry: Mapping[str, Worker],
        source: Callable[[], TaskSource],
        *,
        names: Sequence[str] | None = None,
        concurrency: int = 8,
        pool: PoolName = "thread",
        max_tasks: int | None = None,
        burst: bool = False,
        worker_name: str | None = None,
    ) -> None:
        """All as described at main.run_workers.

        Raises:
            ValueError: as there.
        """
        if not 1 <= concurrency <= MAX_CONCURRENCY:
            raise ValueError(f"concurrency is 1 to {MAX_CONCURRENCY}, not {concurrency}")
        self.name = worker_name or f"{socket.gethostname()}-{os.getpid()}"
        self._concurrency = concurrency
        self._left = inf if max_tasks is None else max_tasks
        self._burst = burst
        self._source = source()
        self._jobs = jobs_of(registry, self._source, names=names, pool=pool)
        self._pools: dict[Kind, Pool] = {}
        self._pace = Pace()
        # Setting, popping and copying a dict's items are atomic.
        self._running: dict[Attempt, Attempt] = {}
        self._unsettled = 0
        """Tasks that were taken, and whose end the courier does not have yet."""
        link = Link()
        self._outbox = Outbox(self._source, self.name, link)
        self._courier = self._new_courier(source(), link)
        self._heartbeat = self._new_heartbeat(link)
        self._ending: Ending | None = None
        self._error: BaseException | None = None
        self._deadline = inf
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._changed = threading.Event()

    # -- for who owns it ------------------------------------------------------------------------

    def run(self) -> Ending:
        """Work until told to stop, asked to drain, or done.

        Raises:
            QueueError: the manager does not let this worker claim.
        """
        logger.info("worker %s serves %s", self.name, ", ".join(self._jobs))
        for kind in {job.kind for job in self._jobs.values()}:
            self._pools[kind] = self._new_pool(kind)
        claims = self._start("claims", self._courier.claim_loop)
        self._start("reports", self._courier.report_loop)
        self._start("heartbeat", self._heartbeat.run)
        self._stopping.wait()
        assert self._ending is not None
        self._wind_down(claims)
        logger.info("worker %s has ended: %s", self.name, self._ending)
        if self._error is not None:
            raise self._error
        return self._ending

    def stop(self, grace: float) -> None:
        """Claim nothing more, let what runs finish within `grace` seconds, release the rest."""
        self._end(Ending.STOPPED, monotonic() + grace)

    def abandon(self) -> None:
        """Release everything at once."""
        self._end(Ending.STOPPED, 0.0)

    # -- for the courier ------------------------------------------------------------------------

    def room(self) -> int:
        slots = self._concurrency
        free = slots + self._pace.prefetch(slots) - len(self._running)
        return free if free < self._left else int(self._left)

    def accept(self, tasks: Sequence[Task]) -> None:
        now = monotonic()
        shortest = inf
        by_kind: dict[Kind, list[Attempt]] = {}
        for task in tasks:
            job = self._jobs[task.name]
            attempt = Attempt(task, job, now)
            self._running[attempt] = attempt
            shortest = min(shortest, attempt.lease)
            by_kind.setdefault(job.kind, []).append(attempt)
        with self._lock:
            self._left -= len(tasks)
            self._unsettled += len(tasks)
        for kind, attempts in by_kind.items():
            if self._stopping.is_set():
                self._release(attempts)
            else:
                self._pools[kind].add(attempts)
        self._heartbeat.expect(shortest)

    def waiting(self) -> int:
        return sum(pool.waiting() for pool in self._pools.values())

    def release_overdue(self) -> None:
        before = monotonic() - OVERDUE
        if any(not a.started and a.claimed < before for a in self._running.copy()):
            # What runs is slower than what ran before, so what waits is better off elsewhere.
            self._pace.forget()
            self._release_waiting()

    def holds_nothing(self) -> bool:
        return not self._unsettled and self._courier.is_idle()

    def found_nothing(self, held_nothing: bool) -> None:
        # What it held when the claim was sent may have queued more since, or be due again.
        if self._burst and held_nothing:
            self._end(Ending.EMPTIED, inf)
        self._heartbeat.hurry()

    # -- within -----------------------------------------------------------------------------------

    def _new_courier(self, polling: TaskSource, link: Link) -> Courier:
        return Courier(
            polling,
            self._outbox,
            link,
            self,
            names=list(self._jobs),
            worker=self.name,
            wait=0.0 if self._burst else WAIT,
        )

    def _new_heartbeat(self, link: Link) -> Heartbeat:
        return Heartbeat(
            self._source,
            self.name,
            link,
            held=lambda: [*self._running.copy(), *self._outbox.attempts()],
            is_running=lambda attempt: attempt in self._running,
            drain=lambda: self._end(Ending.DRAINED, inf),
        )

    def _start(self, name: str, loop: Callable[[], None]) -> threading.Thread:
        def guarded() -> None:
            try:
                loop()
            except BaseException as error:
                self._error = error
                self._end(Ending.STOPPED, monotonic() + DELIVERY)

        thread = threading.Thread(target=guarded, name=f"jsonrpc-qm-{name}", daemon=True)
        thread.start()
        return thread

    def _new_pool(self, kind: Kind) -> Pool:
        slots, told = self._concurrency, self._heartbeat.told
        if kind == "async":
            return LoopPool(slots, told, self._finish)
        if kind == "process":
            return SlotPool(slots, lambda: ProcessSlot(told), self._finish)
        return SlotPool(slots, lambda: ThreadSlot(told), self._finish)

    def _finish(self, attempt: Attempt, outcome: Outcome | None, waiting: int) -> None:
        if self._running.pop(attempt, None) is None:
            return  # released meanwhile
        seconds = monotonic() - attempt.started if attempt.started else 0.0
        if attempt.started:
            self._pace.observe(seconds)
        if outcome is None:
            self._courier.look()
        else:
            wire = outcome.wire
            logs.ended(attempt.task, wire, seconds)
            if wire["status"] == "completed" and attempt.job.result_name is not None:
                wire["queue"] = attempt.job.follow_ups(attempt.task, attempt.lease)
            self._courier.add(attempt, outcome, waiting)
        with self._lock:
            self._unsettled -= 1
        if self._left <= 0 and not self._running:
            self._end(Ending.RECYCLED, inf)
        if self._stopping.is_set():
            self._changed.set()

    def _release(self, attempts: Sequence[Attempt]) -> None:
        with self._lock:
            self._left += len(attempts)
        for attempt in attempts:
            lost = attempt.stopping is Stop.LOST
            self._finish(attempt, None if lost else released(attempt.task), 0)

    def _release_waiting(self) -> None:
        for pool in self._pools.values():
            self._release(pool.take_waiting())

    def _end(self, ending: Ending, deadline: float) -> None:
        with self._lock:
            if self._ending is None:
                self._ending = ending
                logger.info("worker %s finishes what it has: %s", self.name, ending)
            self._deadline = min(self._deadline, deadline)
        self._stopping.set()
        self._changed.set()

    def _wind_down(self, claims: threading.Thread) -> None:
        self._courier.stop_claiming()
        self._release_waiting()
        self._wait_for(lambda: not self._running, lambda: self._deadline)
        if self._running:
            logger.warning("released, as not finished in time: %d", len(self._running))
            for attempt in self._running.copy():
                attempt.stop(Stop.SHUTDOWN)
            patience = monotonic() + LAST_WORDS if self._deadline else 0.0
            self._wait_for(lambda: not self._running, lambda: patience)
            self._release(list(self._running.copy()))
        claims.join(LAST_WORDS)
        patience = monotonic() + DELIVERY
        self._wait_for(self._courier.is_idle, lambda: max(self._deadline, patience))
        if self._outbox:
            logger.error("%d outcomes could not be delivered", len(self._outbox))
        for pool in self._pools.values():
            pool.close()
        self._heartbeat.close()
        self._courier.close()
        self._source.close()

    def _wait_for(self, reached: Callable[[], bool], deadline: Callable[[], float]) -> None:
        """Wait until it is reached, or until the deadline, which may move."""
        while not reached():
            left = deadline() - monotonic()
            if left <= 0:
                return
            self._changed.wait(min(left, 0.1))
            self._changed.clear()
