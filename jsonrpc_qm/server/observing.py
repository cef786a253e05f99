"""Counts the calls of methods, and has a span around each where traces are recorded."""

import asyncio
from time import perf_counter
from typing import Any

from jsonrpc_qm.errors import InternalError, QueueError
from jsonrpc_qm.rpc.dispatch import Run
from jsonrpc_qm.rpc.methods import Call
from jsonrpc_qm.server.metrics import Metrics
from jsonrpc_qm.tracing import CallSpan, call_spans

HUNG_UP = "Hung up"
"""Stands for the error of a call whose caller did not wait for the answer."""


def observed(metrics: Metrics, method: str, run: Run) -> Run:
    """The same, counted, and traced where somebody wants that."""
    span = call_spans()
    return _counted(metrics, method, run if span is None else _traced(span, method, run))


def _traced(span: CallSpan, method: str, run: Run) -> Run:
    async def call_in_span(call: Call, params: bytes) -> Any:
        with span(method, call.headers()):
            return await run(call, params)

    return call_in_span


def _counted(metrics: Metrics, method: str, run: Run) -> Run:
    requested = metrics.requested

    async def call_and_count(call: Call, params: bytes) -> Any:
        began = perf_counter()
        error = ""
        try:
            return await run(call, params)
        except QueueError as refusal:
            error = refusal.message
            raise
        except asyncio.CancelledError:
            error = HUNG_UP
            raise
        except BaseException:
            error = InternalError.message
            raise
        finally:
            requested(method, error, perf_counter() - began)

    return call_and_count
