"""Keeps several worker processes running."""

import logging
import multiprocessing
import os
import random
import signal
import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from math import inf
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from time import monotonic
from typing import Any

from jsonrpc_qm.retry import Backoff, backoff_seconds
from jsonrpc_qm.worker.main import RECYCLED, leave
from jsonrpc_qm.worker.runner import Ending
from jsonrpc_qm.worker.signals import ABANDON_SIGNAL, SignalPipe, held_back, let_through

logger = logging.getLogger("jsonrpc_qm.worker")

RESTARTS = Backoff(base=0.5, factor=2, max=30, jitter=0.25)
SETTLED = 30.0
"""Seconds after which a process counts as well started."""
OVERTIME = 10.0
"""Seconds beyond the grace after which a process that has not ended is killed."""


def run_processes(
    count: int,
    target: Callable[..., Ending],
    args: Sequence[Any] = (),
    *,
    grace: float = 30.0,
    final: Collection[int] = (),
) -> int:
    """Run `count` worker processes until all have ended; to be called in the main thread.

    A process that dies is started anew, with backoff; one that was recycled, at once; one that has
    stopped, drained or found nothing left to do is not. SIGTERM and SIGINT are passed on, and with
    the second one all release at once. When this process itself is killed, the others stop.

    Args:
        target: what each process calls: an importable function that ends with
            `run_workers(..., supervised=True)` and returns its answer.
        args: its arguments; they are pickled.
        grace: what run_workers is given, in seconds.
        final: the exit codes of processes that are not to be started anew.

    Returns:
        The highest of those exit codes that there was, or 0.
    """
    return _Supervisor(count, target, args, grace, final).run()


class _Place:
    """One of the processes, and its successors."""

    def __init__(self) -> None:
        self.process: SpawnProcess | None = None
        self.started = 0.0
        self.failures = 0
        self.start_at = 0.0


class _Supervisor:
    def __init__(
        self,
        count: int,
        target: Callable[..., Ending],
        args: Sequence[Any],
        grace: float,
        final: Collection[int],
    ) -> None:
        self._target = target
        self._args = args
        self._grace = grace
        self._final = final
        self._code = 0
        self._places = [_Place() for _ in range(count)]
        self._signals = 0
        self._kill_at = inf

    def run(self) -> int:
        with closing(SignalPipe()) as pipe, pipe.installed():
            while self._places:
                self._start_due()
                self._wait(pipe)
                for place in [p for p in self._places if p.process is not None]:
                    self._look_at(place)
        return self._code

    def _start_due(self) -> None:
        now = monotonic()
        for place in self._places:
            if place.process is None and place.start_at <= now:
                place.started = now
                # Not a fork: this process may have threads, and its children import the app anew.
                place.process = multiprocessing.get_context("spawn").Process(
                    target=_work, args=(self._target, self._args), name="jsonrpc-qm-worker"
                )
                # A child that is still importing would answer Ctrl-C with a traceback.
                with held_back(signal.SIGINT):
                    place.process.start()

    def _wait(self, pipe: SignalPipe) -> None:
        starts = [place.start_at for place in self._places if place.process is None]
        until = min([*starts, self._kill_at])
        patience = None if until == inf else max(until - monotonic(), 0.0)
        living = [place.process.sentinel for place in self._places if place.process is not None]
        if pipe.fileno() in wait([pipe.fileno(), *living], patience):
            self._pass_on(pipe.next())
        if monotonic() >= self._kill_at:
            self._kill_at = inf
            logger.error("worker processes did not end in time, so they are killed")
            self._signal_all(signal.SIGKILL)

    def _pass_on(self, number: int) -> None:
        self._signals += 1
        # None is to be started from now on.
        self._places = [place for place in self._places if place.process is not None]
        if self._signals > 1 or number == ABANDON_SIGNAL:
            self._signal_all(ABANDON_SIGNAL)
            self._kill_at = min(self._kill_at, monotonic() + OVERTIME)
        else:
            self._signal_all(signal.SIGTERM)
            self._kill_at = monotonic() + self._grace + OVERTIME

    def _signal_all(self, number: signal.Signals) -> None:
        for place in self._places:
            # A process that has been waited for is not signalled: its id may be another's by now.
            if place.process is not None and place.process.is_alive():
                assert place.process.pid is not None
                os.kill(place.process.pid, number)

    def _look_at(self, place: _Place) -> None:
        process = place.process
        assert process is not None
        if process.is_alive():
            return
        code, pid = process.exitcode, process.pid
        process.close()
        assert code is not None
        place.process = None
        if self._signals or code == 0:
            self._places.remove(place)
        elif code in self._final:
            self._code = max(self._code, code)
            self._places.remove(place)
        elif code == RECYCLED:
            place.failures = 0
            place.start_at = 0.0
        else:
            settled = monotonic() - place.started > SETTLED
            place.failures = 1 if settled else place.failures + 1
            # Not for secrets: it spreads the restarts.
            pause = backoff_seconds(RESTARTS, place.failures, random.random())  # noqa: S311
            place.start_at = monotonic() + pause
            logger.error(
                "worker process %s died with exit code %s; a new one in %.1f s", pid, code, pause
            )


def _work(target: Callable[..., Ending], args: Sequence[Any]) -> None:
    """The child's side."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    let_through(signal.SIGINT)
    threading.Thread(target=_stop_with_the_parent, daemon=True).start()
    leave(target(*args))


def _stop_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
