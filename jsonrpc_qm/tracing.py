"""Spans of OpenTelemetry, and the trace that a task carries from its producer to its worker.

Without the library, or without anything in the process that records spans, nothing happens here and
nothing is imported. tracing_setup.py starts recording where the environment asks for it.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from jsonrpc_qm.errors import InternalError, QueueError, Unavailable
from jsonrpc_qm.params import MAX_METADATA
from jsonrpc_qm.task import Task
from jsonrpc_qm.version import VERSION

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer, TracerProvider

SYSTEM = "jsonrpc-qm"
"""What spans call this queue."""

_provider: "TracerProvider | None" = None
"""What spans are recorded by in the place of the process' own; for tests."""

_NOTHING = nullcontext()


def tracer() -> "Tracer | None":
    """What makes spans; None when nobody records them."""
    provider = _provider
    if provider is None:
        # Whoever records has imported it.
        if "opentelemetry.trace" not in sys.modules:
            return None
        from opentelemetry.trace import ProxyTracerProvider, get_tracer_provider

        provider = get_tracer_provider()
        if isinstance(provider, ProxyTracerProvider):
            return None
    return _tracer_of(provider)


@lru_cache(maxsize=1)
def _tracer_of(provider: "TracerProvider") -> "Tracer":
    return provider.get_tracer("jsonrpc_qm", VERSION)


def carried() -> dict[str, str]:
    """What takes the current span along, as metadata or headers; nothing when there is none."""
    if "opentelemetry.trace" not in sys.modules:
        return {}
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier


def with_carried(metadata: Any, carrier: Mapping[str, str]) -> Any:
    """A task's metadata, and what is carried if there is room for it.

    A producer's own `traceparent` stays; metadata of the wrong type is the manager's to refuse.
    """
    if not carrier or not isinstance(metadata, Mapping) or "traceparent" in metadata:
        return metadata
    carrying = {**metadata, **carrier}
    return carrying if len(carrying) <= MAX_METADATA else metadata


def _parent(carrier: Mapping[str, str]) -> "Context":
    """The trace that a carrier tells of, or a new one."""
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract(carrier, Context())


CallSpan = Callable[[str, Mapping[str, str]], AbstractContextManager[None]]
"""A span around a call that the manager carries out, by its method and headers, below its
caller's."""


def call_spans() -> CallSpan | None:
    """What makes spans of calls; None when nobody records them."""
    recording = tracer()
    return None if recording is None else partial(_call_span, recording)


@contextmanager
def _call_span(tracer: "Tracer", method: str, headers: Mapping[str, str]) -> Iterator[None]:
    from opentelemetry.trace import SpanKind

    attributes = {"rpc.system": "jsonrpc", "rpc.method": method, "rpc.jsonrpc.version": "2.0"}
    with tracer.start_as_current_span(
        method,
        _parent(headers),
        SpanKind.SERVER,
        attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield
        except QueueError as refusal:
            _refuse(span, refusal, is_fault=isinstance(refusal, Unavailable | InternalError))
            raise
        except Exception:
            _refuse(span, InternalError(), is_fault=True)
            raise


def _refuse(span: "Span", error: QueueError, *, is_fault: bool) -> None:
    """Say which error a call got; what is the caller's fault is no failure of the manager."""
    from opentelemetry.trace import StatusCode

    span.set_attribute("rpc.jsonrpc.error_code", error.code)
    span.set_attribute("rpc.jsonrpc.error_message", error.message)
    if is_fault:
        span.set_status(StatusCode.ERROR, error.message)


class Run:
    """The span of an attempt at a task, to be told how it ended."""

    def __init__(self, span: "Span | None" = None) -> None:
        self._span = span

    def ended(self, outcome: Mapping[str, Any] | None) -> None:
        """It ended with an outcome of `report`; None when it may report none."""
        if self._span is None:
            return
        from opentelemetry.trace import StatusCode

        status = "lost" if outcome is None else outcome["status"]
        self._span.set_attribute("jsonrpc_qm.outcome", status)
        if outcome is not None and status == "failed":
            error = outcome["error"]
            self._span.set_attribute("error.type", error["type"])
            self._span.set_status(StatusCode.ERROR, error["message"])


_NOT_TRACED = nullcontext(Run())


def run_span(task: Task) -> AbstractContextManager[Run]:
    """A span around an attempt at a task, below the span that queued it, and current within."""
    recording = tracer()
    return _NOT_TRACED if recording is None else _run_span(recording, task)


@contextmanager
def _run_span(tracer: "Tracer", task: Task) -> Iterator[Run]:
    from opentelemetry.trace import SpanKind

    attributes: dict[str, str | int] = {
        "messaging.system": SYSTEM,
        "messaging.operation.type": "process",
        "messaging.operation.name": "run",
        "messaging.destination.name": task.name,
        "messaging.message.id": task.id,
        "jsonrpc_qm.attempt": task.attempts,
    }
    with tracer.start_as_current_span(
        f"run {task.name}", _parent(task.metadata), SpanKind.CONSUMER, attributes
    ) as span:
        yield Run(span)


def continued(carrier: Mapping[str, str]) -> AbstractContextManager[None]:
    """Have the span current that another process has carried here."""
    return _continued(carrier) if carrier else _NOTHING


@contextmanager
def _continued(carrier: Mapping[str, str]) -> Iterator[None]:
    from opentelemetry.context import attach, detach

    token = attach(_parent(carrier))
    try:
        yield
    finally:
        detach(token)
