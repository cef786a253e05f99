"""Starts to record and export spans where OpenTelemetry's own environment variables ask for it."""

import logging
import os
import threading
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

logger = logging.getLogger("jsonrpc_qm.tracing")

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")

FLUSH_SECONDS = 1.0
"""How long the end of a process waits for the last spans to be sent."""

_started: "TracerProvider | None" = None
_lock = threading.Lock()


def exporters() -> list[str]:
    """The names of the exporters that the environment asks for; none for no tracing."""
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return []
    asked = os.environ.get("OTEL_TRACES_EXPORTER", "")
    names = [name.strip() for name in asked.split(",") if name.strip()]
    if not names and any(os.environ.get(variable) for variable in ENDPOINTS):
        names = ["otlp"]
    return [_protocol() if name == "otlp" else name for name in names if name != "none"]


def _protocol() -> str:
    protocol = next((os.environ[name] for name in PROTOCOLS if os.environ.get(name)), "")
    return "otlp_proto_grpc" if protocol == "grpc" else "otlp_proto_http"


def start(service: str) -> None:
    """Record spans from now on if the environment says where to; a second call does nothing.

    `service` is what they are said to come from, unless the environment says that too. A process
    that records already, by its own means, goes on as it does.
    """
    global _started
    names = exporters()
    with _lock:
        if not names or _started is not None:
            return
        try:
            _started = _provider(names, service)
        except ImportError as error:
            logger.warning("no traces: %s; install jsonrpc-qm[opentelemetry]", error)


def _provider(names: list[str], service: str) -> "TracerProvider | None":
    from opentelemetry import trace
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return None
    said = os.environ.get("OTEL_SERVICE_NAME") or "service.name=" in os.environ.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
    resource = Resource.create({} if said else {"service.name": service})
    # `flush` is called where a process ends, and does not wait for as long as the library would.
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    for name in names:
        provider.add_span_processor(BatchSpanProcessor(_exporter(name)))
    trace.set_tracer_provider(provider)
    return provider


def _exporter(name: str) -> Any:
    for found in entry_points(group="opentelemetry_traces_exporter", name=name):
        return found.load()()
    raise ImportError(f"there is no exporter {name!r}")


def flush() -> None:
    """Send what was recorded, but wait no longer than FLUSH_SECONDS for that."""
    if _started is not None:
        sending = threading.Thread(target=_started.force_flush, name="traces", daemon=True)
        sending.start()
        sending.join(FLUSH_SECONDS)
