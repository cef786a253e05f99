"""The event loop for async handlers, in a thread of its own."""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from jsonrpc_qm.tracing import run_span
from jsonrpc_qm.worker.attempt import Attempt
from jsonrpc_qm.worker.context import Cancelled
from jsonrpc_qm.worker.outcome import Outcome, completed, failed, raised
from jsonrpc_qm.worker.pools import Finish, all_of

logger = logging.getLogger("jsonrpc_qm.worker")

CLEAN_UP = 1.0
"""Seconds that handlers get to leave their `finally` blocks when the loop ends."""


class LoopPool:
    """Runs up to `slots` async handlers at a time on one event loop."""

    def __init__(self, slots: int, told: Callable[[], None], finish: Finish) -> None:
        self._slots = slots
        self._told = told
        self._finish = finish
        self._ready: deque[Attempt] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._closed = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="jsonrpc-qm-loop", daemon=True)
        self._thread.start()

    def add(self, attempts: Sequence[Attempt]) -> None:
        self._ready.extend(attempts)
        self._loop.call_soon_threadsafe(self._fill)

    def waiting(self) -> int:
        return len(self._ready)

    def take_waiting(self) -> list[Attempt]:
        return all_of(self._ready)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(2 * CLEAN_UP)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        while not self._closed:
            try:
                self._loop.run_forever()
            except BaseException:
                # SystemExit in a task that a handler has started: asyncio ends the loop for it.
                logger.exception("a task on the event loop tried to end the worker; it goes on")
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        if left:
            self._loop.run_until_complete(asyncio.wait(left, timeout=CLEAN_UP))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def _fill(self) -> None:
        while self._ready and len(self._running) < self._slots:
            try:
                attempt = self._ready.popleft()
            except IndexError:
                return  # taken back meanwhile
            running = self._loop.create_task(self._attempt(attempt))
            self._running.add(running)
            attempt.stop_by(partial(self._cancel, running))

    def _cancel(self, running: "asyncio.Task[None]") -> None:
        try:
            self._loop.call_soon_threadsafe(running.cancel)
        except RuntimeError:
            return  # the loop is closed, and everything on it has ended

    async def _attempt(self, attempt: Attempt) -> None:
        try:
            if attempt.stopping is not None:
                outcome = attempt.stopped()
            else:
                attempt.begin()
                with run_span(attempt.task) as run:
                    outcome = await self._outcome(attempt)
                    run.ended(outcome and outcome.wire)
        finally:
            running = asyncio.current_task()
            assert running is not None
            self._running.discard(running)
        self._finish(attempt, outcome, len(self._ready))
        self._fill()

    async def _outcome(self, attempt: Attempt) -> Outcome | None:
        job, task = attempt.job, attempt.task
        context = attempt.context(self._told) if job.handler.wants_context else None
        try:
            async with asyncio.timeout(job.timeout) as limit:
                return completed(task, await job.handler.call(task.parameters, context))
        except (asyncio.CancelledError, Cancelled) as error:
            return attempt.stopped() if attempt.stopping is not None else raised(task, error)
        except TimeoutError as error:
            if not limit.expired():
                return raised(task, error)
            return failed(task, "Timeout", f"the attempt ran longer than {job.timeout:g} s")
        except BaseException as error:
            # SystemExit and KeyboardInterrupt too: left alone they would end the event loop.
            return raised(task, error)
