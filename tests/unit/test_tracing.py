"""A trace goes with a task from its producer to its worker, and every call has a span."""

import asyncio
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from jsonrpc_qm import Client, Fail, QueueManager, Retry, tracing, tracing_setup
from jsonrpc_qm.errors import InvalidParams, QueueError, TaskNotFound, Unavailable
from jsonrpc_qm.server.running import Settings, in_background
from jsonrpc_qm.storage.base import Page
from jsonrpc_qm.storage.memory import MemoryStorage
from tests.server.callers import JSON, request

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Recorded:
    """The spans that have ended, and a tracer for the tests' own."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = self.provider.get_tracer("tests")

    def named(self, name: str) -> list[ReadableSpan]:
        """Those of a name, in the order in which they ended."""
        return [span for span in self._exporter.get_finished_spans() if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        """The only one of a name."""
        [span] = self.named(name)
        return span


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    """Spans of this package are recorded during the test."""
    found = Recorded()
    monkeypatch.setattr(tracing, "_provider", found.provider)
    return found


@pytest.fixture
def qm() -> QueueManager:
    """A queue in memory."""
    return QueueManager(MemoryStorage())


def ids_of(traceparent: str) -> tuple[int, int]:
    """The trace and the span that it tells of."""
    _, trace_id, span_id, _ = traceparent.split("-")
    return int(trace_id, 16), int(span_id, 16)


def ids(span: trace.Span) -> tuple[int, int]:
    """Its trace and itself."""
    context = span.get_span_context()
    return context.trace_id, context.span_id


def parent_of(span: ReadableSpan) -> tuple[int, int] | None:
    """The trace and span above it."""
    return None if span.parent is None else (span.parent.trace_id, span.parent.span_id)


def test_queue_takes_the_current_span_along(qm: QueueManager, recorded: Recorded) -> None:
    """In the metadata, beside what the producer put there."""
    with recorded.tracer.start_as_current_span("order") as span:
        one = qm.queue("mail", metadata={"user": "ada"})
        two = qm.queue_many([{"name": "mail"}, {"name": "mail", "metadata": {"user": "bob"}}])
    for task in (one, *two):
        assert ids_of(task.metadata["traceparent"]) == ids(span)
    assert one.metadata["user"] == "ada"
    assert two[1].metadata["user"] == "bob"


def test_follow_up_tasks_are_taken_along_too(qm: QueueManager, recorded: Recorded) -> None:
    """Those that are stored with a result."""
    qm.queue("mail")
    [task] = qm.claim(["mail"], wait=0)
    assert task.token is not None
    with recorded.tracer.start_as_current_span("order") as span:
        qm.complete(task.id, task.token, queue=[{"name": "next"}])
    [following] = qm.claim(["next"], wait=0)
    assert ids_of(following.metadata["traceparent"]) == ids(span)


def test_without_a_current_span_nothing_is_added(qm: QueueManager, recorded: Recorded) -> None:
    """There is nothing to be carried."""
    assert qm.queue("mail").metadata == {}


def test_what_the_producer_says_stays(qm: QueueManager, recorded: Recorded) -> None:
    """His own traceparent, and metadata that has no room for another member."""
    full = {str(number): "" for number in range(32)}
    with recorded.tracer.start_as_current_span("order"):
        assert qm.queue("mail", metadata={"traceparent": PARENT}).metadata["traceparent"] == PARENT
        assert qm.queue("mail", metadata=full).metadata == full
        wrong: Any = ["no", "mapping"]
        with pytest.raises(InvalidParams, match="metadata"):
            qm.queue("mail", metadata=wrong)


def handle(fail: bool = False) -> dict[str, str]:
    """What a task queued here would take along."""
    if fail:
        raise Fail("no such address", type="BadAddress")
    return tracing.carried()


async def handle_async(fail: bool = False) -> dict[str, str]:
    """The same, after a while."""
    await asyncio.sleep(0)
    return handle(fail)


@pytest.mark.parametrize("pool", ["thread", "async", "process"])
def test_a_run_is_below_what_queued_the_task(
    qm: QueueManager, recorded: Recorded, pool: str
) -> None:
    """In every pool; and what the handler queues is below the run."""
    if pool == "async":
        qm.register_worker("mail", handle_async)
    else:
        qm.register_worker("mail", handle, pool=pool)
    with recorded.tracer.start_as_current_span("order") as span:
        task = qm.queue("mail")
    qm.work(burst=True)
    run = recorded.one("run mail")
    assert parent_of(run) == ids(span)
    assert run.kind is SpanKind.CONSUMER
    assert run.status.status_code is StatusCode.UNSET
    assert run.attributes == {
        "messaging.system": "jsonrpc-qm",
        "messaging.operation.type": "process",
        "messaging.operation.name": "run",
        "messaging.destination.name": "mail",
        "messaging.message.id": task.id,
        "jsonrpc_qm.attempt": 1,
        "jsonrpc_qm.outcome": "completed",
    }
    carried = qm.get_task(task.id).result["traceparent"]
    assert ids_of(carried) == (run.context.trace_id, run.context.span_id)


@pytest.mark.parametrize("handler", [handle, handle_async])
def test_a_failed_run_says_so(qm: QueueManager, recorded: Recorded, handler: Any) -> None:
    """With the error's type and message, and no parameters."""
    qm.register_worker("mail", handler)
    qm.queue("mail", {"fail": True})
    qm.work(burst=True)
    run = recorded.one("run mail")
    assert run.status.status_code is StatusCode.ERROR
    assert run.status.description == "no such address"
    assert run.attributes is not None
    assert run.attributes["error.type"] == "BadAddress"
    assert run.attributes["jsonrpc_qm.outcome"] == "failed"


@pytest.mark.parametrize("parent", [None, "", "nonsense", "00-0-0-00"])
def test_a_task_of_no_trace_begins_one(
    qm: QueueManager, recorded: Recorded, parent: str | None
) -> None:
    """So does one whose traceparent is none."""
    qm.register_worker("mail", handle)
    qm.queue("mail", metadata={} if parent is None else {"traceparent": parent})
    qm.work(burst=True)
    assert recorded.one("run mail").parent is None


def test_each_attempt_has_a_span(qm: QueueManager, recorded: Recorded) -> None:
    """All below the same one."""
    left = [Retry(delay=0), Retry(delay=0)]

    def flaky() -> None:
        if left:
            raise left.pop()

    qm.register_worker("mail", flaky)
    qm.queue("mail", metadata={"traceparent": PARENT})
    qm.work(burst=True)
    runs = recorded.named("run mail")
    assert [(run.attributes or {})["jsonrpc_qm.attempt"] for run in runs] == [1, 2, 3]
    assert {parent_of(run) for run in runs} == {ids_of(PARENT)}


class Failing(MemoryStorage):
    """A storage that lists no tasks."""

    def page(self, *args: Any) -> Page:
        """It is away."""
        raise Unavailable.of("it is away")


@pytest.fixture
def url(recorded: Recorded) -> Iterator[str]:
    """A manager whose spans are recorded."""
    with in_background(Failing(), Settings(port=0)) as url:
        yield url


def test_calls_have_spans(url: str, recorded: Recorded) -> None:
    """One each, named after the method; one for a report, however many outcomes it has."""
    with Client(url) as client:
        client.queue_many([{"name": "mail"}] * 3)
        tasks = client.claim(["mail"], max_tasks=3, wait=0)
        client.report([{"id": t.id, "token": t.token, "status": "completed"} for t in tasks])
    for method in ("queue_many", "claim", "report"):
        span = recorded.one(method)
        assert span.kind is SpanKind.SERVER
        assert span.parent is None
        assert span.status.status_code is StatusCode.UNSET
        assert span.attributes == {
            "rpc.system": "jsonrpc",
            "rpc.method": method,
            "rpc.jsonrpc.version": "2.0",
        }


def test_refused_calls_say_why(url: str, recorded: Recorded) -> None:
    """It is the manager's failure only if it could not serve."""
    with Client(url, retry_for=0) as client:
        with pytest.raises(TaskNotFound):
            client.get_task("nobody")
        with pytest.raises(Unavailable):
            client.list_tasks()
        with pytest.raises(QueueError):
            client.call("invented")
    not_found, away = recorded.one("get_task"), recorded.one("list_tasks")
    for span, error in ((not_found, TaskNotFound), (away, Unavailable)):
        assert span.attributes is not None
        assert span.attributes["rpc.jsonrpc.error_code"] == error.code
        assert span.attributes["rpc.jsonrpc.error_message"] == error.message
    assert not_found.status.status_code is StatusCode.UNSET
    assert away.status.status_code is StatusCode.ERROR
    assert recorded.named("invented") == []


async def test_a_call_is_below_its_caller(url: str, recorded: Recorded) -> None:
    """If that sends a traceparent, as instrumented HTTP clients do."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            url + "/rpc", json=request("workers"), headers={**JSON, "Traceparent": PARENT}
        ) as response,
    ):
        assert response.status == 200
    assert parent_of(recorded.one("workers")) == ids_of(PARENT)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, []),
        ({"OTEL_TRACES_EXPORTER": "none"}, []),
        ({"OTEL_TRACES_EXPORTER": " console "}, ["console"]),
        ({"OTEL_TRACES_EXPORTER": "otlp,console"}, ["otlp_proto_http", "console"]),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, ["otlp_proto_http"]),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x"}, ["otlp_proto_http"]),
        (
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            ["otlp_proto_grpc"],
        ),
        ({"OTEL_TRACES_EXPORTER": "console", "OTEL_SDK_DISABLED": "true"}, []),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, []),
    ],
)
def test_the_environment_says_where_spans_go(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: list[str]
) -> None:
    """In OpenTelemetry's own variables; without them nowhere."""
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert tracing_setup.exporters() == expected


def test_an_exporter_that_is_not_there_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Once, in the log; the manager and the workers go on without."""
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "invented")
    with caplog.at_level(logging.WARNING):
        tracing_setup.start("test")
    [said] = caplog.messages
    assert said == ("no traces: there is no exporter 'invented'; install jsonrpc-qm[opentelemetry]")
    assert tracing.tracer() is None


PROGRAM = """
import logging, sys
from jsonrpc_qm import QueueManager
from jsonrpc_qm.server.running import Settings, in_background
from jsonrpc_qm.storage.memory import MemoryStorage
qm = QueueManager(MemoryStorage())
qm.register_worker("mail", lambda: None)
qm.queue("mail")
logging.basicConfig()
with in_background(qm.storage, Settings(port=0)):
    qm.work(burst=True)
heavy = {name.partition(".")[0] for name in sys.modules} & {"opentelemetry", "prometheus_client"}
print("imported:", *sorted(heavy))
"""


def run(**environment: str) -> str:
    """What a program prints that serves a queue and works on it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", PROGRAM],
        env={**kept, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=50,
    )
    return done.stdout + done.stderr


def test_by_default_nothing_is_imported() -> None:
    """Neither what records spans nor what makes metrics of counts: both take their time."""
    assert run() == "imported:\n"


def test_spans_go_where_the_environment_says() -> None:
    """Before the process ends, also the last ones."""
    printed = run(OTEL_TRACES_EXPORTER="console", OTEL_RESOURCE_ATTRIBUTES="team=mail")
    assert '"name": "run mail"' in printed
    assert '"team": "mail"' in printed
    assert '"service.name": "jsonrpc-qm"' in printed


def test_a_collector_that_is_away_holds_nothing_up() -> None:
    """The spans are lost, and the process ends."""
    # Nobody listens on the port of discard.
    printed = run(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert printed.startswith("imported: opentelemetry")
    assert "Traceback" not in printed
