"""Where handlers run: what all pools have in common, and threads."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from jsonrpc_qm.tracing import run_span
from jsonrpc_qm.worker.attempt import Attempt
from jsonrpc_qm.worker.context import Cancelled
from jsonrpc_qm.worker.outcome import Outcome, completed, raised


class Finish(Protocol):
    """What a pool calls when an attempt has ended, in any of its threads."""

    def __call__(self, attempt: Attempt, outcome: Outcome | None, waiting: int, /) -> None:
        """Without an outcome there is nothing to report; `waiting` attempts of the pool have not
        started yet."""


def all_of(ready: deque[Attempt]) -> list[Attempt]:
    """Take everything, while other threads may take some of it."""
    taken: list[Attempt] = []
    while True:
        try:
            taken.append(ready.popleft())
        except IndexError:
            return taken


class Pool(Protocol):
    """Runs attempts, some at a time, in the order in which they come."""

    def add(self, attempts: Sequence[Attempt]) -> None:
        """Run these."""

    def waiting(self) -> int:
        """How many have not started."""

    def take_waiting(self) -> list[Attempt]:
        """Give back those that have not started."""

    def close(self) -> None:
        """Run nothing more, and end what can be ended."""


class Slot(Protocol):
    """Runs one attempt after the other."""

    def run(self, attempt: Attempt) -> Outcome | None:
        """Run it to its end."""

    def close(self) -> None:
        """End what runs, if it can be ended; may come from another thread."""


class SlotPool:
    """A pool of threads with a slot each. They start as they are needed."""

    def __init__(self, slots: int, new_slot: Callable[[], Slot], finish: Finish) -> None:
        self._limit = slots
        self._new_slot = new_slot
        self._finish = finish
        self._ready: deque[Attempt] = deque()
        self._changed = threading.Condition()
        self._slots: list[Slot] = []
        self._idle = 0
        self._closed = False

    def add(self, attempts: Sequence[Attempt]) -> None:
        with self._changed:
            self._ready.extend(attempts)
            self._changed.notify(len(attempts))
            missing = min(len(self._ready) - self._idle, self._limit - len(self._slots))
            for _ in range(missing):
                slot = self._new_slot()
                self._slots.append(slot)
                # Daemons: a handler that hangs must not keep the process from ending.
                threading.Thread(
                    target=self._serve, args=(slot,), name="jsonrpc-qm-slot", daemon=True
                ).start()

    def waiting(self) -> int:
        return len(self._ready)

    def take_waiting(self) -> list[Attempt]:
        return all_of(self._ready)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for slot in self._slots:
            slot.close()

    def _serve(self, slot: Slot) -> None:
        while (attempt := self._next()) is not None:
            if attempt.stopping is not None:
                outcome = attempt.stopped()
            else:
                attempt.begin()
                with run_span(attempt.task) as run:
                    outcome = slot.run(attempt)
                    run.ended(outcome and outcome.wire)
            self._finish(attempt, outcome, len(self._ready))
            # Otherwise the last one would be kept alive until the next one comes.
            del attempt, outcome

    def _next(self) -> Attempt | None:
        while True:
            try:
                return self._ready.popleft()
            except IndexError:
                pass
            with self._changed:
                if self._closed:
                    return None
                # Between here and there somebody may have added some.
                if not self._ready:
                    self._idle += 1
                    self._changed.wait()
                    self._idle -= 1


class ThreadSlot:
    """Runs plain functions where it is called."""

    def __init__(self, told: Callable[[], None]) -> None:
        self._told = told

    def run(self, attempt: Attempt) -> Outcome | None:
        handler, task = attempt.job.handler, attempt.task
        context = attempt.context(self._told) if handler.wants_context else None
        try:
            return completed(task, handler.call(task.parameters, context))
        except Cancelled as error:
            return attempt.stopped() if attempt.stopping is not None else raised(task, error)
        except BaseException as error:
            # SystemExit and KeyboardInterrupt too: a handler ends its task, not the worker.
            return raised(task, error)

    def close(self) -> None:
        """A thread can't be ended."""
