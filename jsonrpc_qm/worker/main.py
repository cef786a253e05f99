"""Runs a worker process from its start to its end by a signal."""

import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing, nullcontext
from time import sleep
from typing import NoReturn

from jsonrpc_qm import tracing_setup
from jsonrpc_qm.worker.base import PoolName, Worker
from jsonrpc_qm.worker.runner import Ending, Runner
from jsonrpc_qm.worker.signals import ABANDON_SIGNAL, SignalPipe
from jsonrpc_qm.worker.source import TaskSource

DEFAULT_CONCURRENCY = 8
RECYCLED = 75
"""The exit code of a worker process that is to be started anew."""
LINGERING = 3.0
"""Seconds that threads which handlers have left behind may hold up the end of the process."""


def run_workers(
    registry: Mapping[str, Worker],
    source: Callable[[], TaskSource],
    *,
    names: Sequence[str] | None = None,
    concurrency: int | None = None,
    pool: PoolName = "thread",
    grace: float = 30.0,
    max_tasks: int | None = None,
    burst: bool = False,
    worker_name: str | None = None,
    supervised: bool = False,
) -> Ending:
    """Run one worker process in the calling process until it is stopped, and say why it ended.

    In the main thread SIGTERM and SIGINT stop it: it claims nothing more, lets what runs finish
    within `grace` seconds, and releases the rest. A second one, or SIGQUIT, releases at once.

    Args:
        registry: the Worker for each name.
        source: called twice, for a source of waiting claims, which is closed in order to stop, and
            one for all else, which is closed at the end. A Client should not retry by itself
            (`retry_for=0`): the runner does, and keeps the outcomes meanwhile.
        names: which of the registered names to serve; None for all.
        concurrency: how many tasks run at a time, 1 to 5000; by default 8, and the number of
            processors with the pool "process".
        pool: where plain functions run that do not say so themselves.
        grace: seconds.
        max_tasks: end after so many tasks; None for no limit.
        burst: end as soon as nothing is due.
        worker_name: what the manager knows it by; by default host name and process id.
        supervised: whether a supervisor counts the signals: SIGTERM and SIGINT, which may come from
            several sides, never release at once then.

    Raises:
        ValueError: a name is not registered, or a worker can't run in the pool that it should.
        Forbidden, MethodNotFound, InvalidParams, InvalidRequest: the manager refuses claims.
    """
    if concurrency is None:
        concurrency = DEFAULT_CONCURRENCY if pool == "thread" else os.cpu_count() or 1
    runner = Runner(
        registry,
        source,
        names=names,
        concurrency=concurrency,
        pool=pool,
        max_tasks=max_tasks,
        burst=burst,
        worker_name=worker_name,
    )
    tracing_setup.start("jsonrpc-qm-worker")
    try:
        return _run_to_its_end(runner, grace, supervised)
    finally:
        tracing_setup.flush()


def _run_to_its_end(runner: Runner, grace: float, supervised: bool) -> Ending:
    found: Future[Ending] = Future()
    with closing(SignalPipe()) as pipe:

        def run() -> None:
            try:
                found.set_result(runner.run())
            except BaseException as error:
                found.set_exception(error)
            pipe.tell()

        is_main = threading.current_thread() is threading.main_thread()
        with pipe.installed() if is_main else nullcontext():
            thread = threading.Thread(target=run, name="jsonrpc-qm-runner", daemon=True)
            thread.start()
            stopping = False
            while number := pipe.next():
                if number == ABANDON_SIGNAL or (stopping and not supervised):
                    runner.abandon()
                else:
                    runner.stop(grace)
                stopping = True
            thread.join()
    return found.result()


def leave(ending: Ending) -> NoReturn:
    """End the process after run_workers, also when a handler has left threads that do not end."""
    code = RECYCLED if ending is Ending.RECYCLED else 0
    threading.Thread(target=_end_at_last, args=(code,), daemon=True).start()
    sys.exit(code)


def _end_at_last(code: int) -> None:
    sleep(LINGERING)
    os._exit(code)
