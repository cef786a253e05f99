"""Counts the calls of methods."""

import asyncio
from time import perf_counter
from typing import Any

from jsonrpc_qm.errors import InternalError, QueueError
from jsonrpc_qm.rpc.dispatch import Run
from jsonrpc_qm.rpc.methods import Call
from jsonrpc_qm.server.metrics import Metrics

HUNG_UP = "Hung up"
"""Stands for the error of a call whose caller did not wait for the answer."""


def counted(metrics: Metrics, method: str, run: Run) -> Run:
    """The same, with each call counted under the method, and by how it ended."""
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
