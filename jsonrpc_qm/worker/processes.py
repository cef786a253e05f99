"""Processes for handlers that keep the processor busy, or that may crash.

One child for each slot, over a pipe of its own. Nothing is shared between children, so the death of
one, in whatever way and at whatever moment, is the end of its own attempt only.
"""

import logging
import multiprocessing
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from time import monotonic

from jsonrpc_qm.jsontext import to_python
from jsonrpc_qm.tracing import carried
from jsonrpc_qm.worker.attempt import Attempt
from jsonrpc_qm.worker.child import ENDED, serve
from jsonrpc_qm.worker.outcome import Outcome, failed, released
from jsonrpc_qm.worker.signals import STOP_SIGNALS, held_back

logger = logging.getLogger("jsonrpc_qm.worker")

LOOK = 1.0
"""Seconds after which to look whether a silent child lives: what it has forked may keep its pipe
open after its death."""
DEATH = 5.0
"""Seconds that a killed child may take to be gone."""


class ProcessSlot:
    """Runs attempts in a child, which is started anew after it has died."""

    def __init__(self, told: Callable[[], None]) -> None:
        self._told = told
        self._child: _Child | None = None
        self._current: Attempt | None = None
        self._closed = False
        # A kill is meant for the attempt that runs, and must not meet the next one.
        self._lock = threading.Lock()

    def run(self, attempt: Attempt) -> Outcome | None:
        with self._lock:
            if self._closed:
                return released(attempt.task)
            try:
                child = self._ready_child()
            except (OSError, RuntimeError) as error:
                return failed(attempt.task, "WorkerDied", f"no process could be started: {error}")
            self._current = attempt
        attempt.stop_by(lambda: self._kill(attempt))
        try:
            return self._run_in(child, attempt)
        finally:
            with self._lock:
                self._current = None
                if child.doomed:
                    child.bury()
                    self._child = None

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self._child is not None:
                self._child.kill()

    def _ready_child(self) -> "_Child":
        if self._child is None or not self._child.process.is_alive():
            self._child = _Child()
        return self._child

    def _run_in(self, child: "_Child", attempt: Attempt) -> Outcome | None:
        task, timeout = attempt.task, attempt.job.timeout
        deadline = None if timeout is None else monotonic() + timeout
        try:
            child.pipe.send((attempt.job.payload, task, carried()))
            while (message := child.receive(deadline)) is not None:
                value = to_python(message[1:].decode())
                if message[:1] == ENDED:
                    return Outcome(value, len(message))
                attempt.progress = value
                self._told()
        except TimeoutError:
            child.kill()
            return failed(task, "Timeout", f"the attempt ran longer than {timeout:g} s")
        except (OSError, EOFError):
            pass  # the pipe broke in mid-message
        child.kill()
        child.process.join(DEATH)
        if attempt.stopping is not None:
            return attempt.stopped()
        how = _how_it_ended(child.process.exitcode)
        logger.error("the process of %s %s died: %s", task.name, task.id, how)
        return failed(task, "WorkerDied", f"the process died during the attempt: {how}")

    def _kill(self, attempt: Attempt) -> None:
        with self._lock:
            if self._current is attempt and self._child is not None:
                self._child.kill()


class _Child:
    """A process and the pipe to it."""

    def __init__(self) -> None:
        # Not a fork: it would copy locks that other threads hold at this moment.
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process: SpawnProcess = context.Process(
            target=serve, args=(theirs,), name="jsonrpc-qm-process"
        )
        # While it is importing, it can't leave them to its parent yet.
        with held_back(*STOP_SIGNALS):
            self.process.start()
        # With only the child holding its end, the pipe ends when the child does.
        theirs.close()
        self.doomed = False

    def receive(self, deadline: float | None) -> bytes | None:
        """The next message; None when the child is dead. TimeoutError after the deadline."""
        pipe: Connection = self.pipe
        while True:
            left = LOOK if deadline is None else min(LOOK, deadline - monotonic())
            if left <= 0:
                raise TimeoutError
            wait([pipe, self.process.sentinel], left)
            # Its last words before its death.
            if pipe.poll():
                return pipe.recv_bytes()
            if not self.process.is_alive():
                return None

    def kill(self) -> None:
        self.doomed = True
        self.process.kill()

    def bury(self) -> None:
        self.process.join(DEATH)
        self.pipe.close()


def _how_it_ended(exitcode: int | None) -> str:
    if exitcode is None:
        return "it does not answer"
    if exitcode >= 0:
        return f"exit code {exitcode}"
    try:
        return f"signal {signal.Signals(-exitcode).name}"
    except ValueError:
        return f"signal {-exitcode}"
