"""The other side of a ProcessSlot: what runs in the child."""

import asyncio
import os
import pickle
import signal
import threading
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from typing import Any

from jsonrpc_qm.jsontext import from_python
from jsonrpc_qm.task import Task
from jsonrpc_qm.tracing import continued
from jsonrpc_qm.worker.context import Context
from jsonrpc_qm.worker.handler import Handler
from jsonrpc_qm.worker.outcome import Outcome, completed, failed, raised
from jsonrpc_qm.worker.signals import STOP_SIGNALS, let_through

ENDED = b"e"
PROGRESS = b"p"
"""The first byte of what the child sends; JSON follows, for the parent may lack a class that a
pickled result needs."""


def serve(pipe: Connection) -> None:
    """Run what comes through the pipe, until it ends."""
    # Both signals go to whole groups of processes; the parent decides what they mean. A handler
    # rather than SIG_IGN, which programs that a task starts would inherit.
    for number in STOP_SIGNALS:
        signal.signal(number, _leave_to_the_parent)
    let_through(*STOP_SIGNALS)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    side = _Side(pipe)
    while True:
        try:
            payload, task, carrier = pipe.recv()
        except (EOFError, OSError):
            return
        with continued(carrier):
            outcome = side.outcome(payload, task)
        side.send(ENDED, outcome.wire)


class _Side:
    """What the child knows."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._sending = threading.Lock()
        self._handlers: dict[bytes, Handler] = {}

    def send(self, kind: bytes, value: Any) -> None:
        text = from_python(value, "value") or "null"
        with self._sending:
            self._pipe.send_bytes(kind + text.encode())

    def outcome(self, payload: bytes, task: Task) -> Outcome:
        handler = self._handlers.get(payload)
        if handler is None:
            try:
                # Only the parent, which is the same program, writes into the pipe.
                handler = self._handlers[payload] = Handler(pickle.loads(payload))  # noqa: S301
            except BaseException as error:
                told = f"the process can't import the worker of {task.name}: {error!r}"
                return failed(task, "WorkerNotImportable", told)
        try:
            return completed(task, self._called(handler, task))
        except BaseException as error:
            return raised(task, error)

    def _called(self, handler: Handler, task: Task) -> Any:
        context = Context(task, lambda value: self.send(PROGRESS, value), lambda: False)
        result = handler.call(task.parameters, context)
        return asyncio.run(_awaited(result)) if handler.is_async else result


async def _awaited(result: Any) -> Any:
    return await result


def _leave_to_the_parent(*_: object) -> None:
    """Do nothing about a signal."""


def _end_with_the_parent() -> None:
    parent = parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
