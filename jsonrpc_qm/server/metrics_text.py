"""Makes metrics of what was counted, in the words of prometheus-client."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Literal, NamedTuple, TypeVar

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from jsonrpc_qm.server.metrics import Histogram, Labels
from jsonrpc_qm.server.metrics_endpoint import Counts, Scrape
from jsonrpc_qm.storage.base import WORKER_GONE, NameStats
from jsonrpc_qm.version import VERSION

Value = TypeVar("Value")
STATUSES = ("queued", "scheduled", "started", "completed", "failed", "cancelled")

COMMON = (
    ("new", "queued"),
    ("queued", "started"),
    ("started", "completed"),
    ("started", "scheduled"),
    ("started", "failed"),
)
"""The transitions that each name has from the beginning, if only 0 of them."""


class Definition(NamedTuple):
    """One metric, as docs/metrics.md has it."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: Labels
    meaning: str


DEFINITIONS = {
    name.removeprefix("jsonrpc_qm_"): Definition(name, kind, labels, meaning)
    for name, kind, labels, meaning in (
        Definition(
            "jsonrpc_qm_tasks",
            "gauge",
            ("name", "status"),
            "Tasks in the storage; queued are due now, scheduled have run_at ahead",
        ),
        Definition(
            "jsonrpc_qm_oldest_queued_seconds",
            "gauge",
            ("name",),
            "How long the task that is due longest has been due; 0 when none is",
        ),
        Definition("jsonrpc_qm_paused", "gauge", ("name",), "1 while the name is paused, else 0"),
        Definition(
            "jsonrpc_qm_workers",
            "gauge",
            ("name",),
            "Workers heard of within the last minute that asked for the name",
        ),
        Definition(
            "jsonrpc_qm_transitions_total",
            "counter",
            ("name", "from", "to"),
            "Tasks that went from one status to another; new ones from new, deleted ones to gone",
        ),
        Definition(
            "jsonrpc_qm_leases_lost_total",
            "counter",
            ("name",),
            "Leases that expired before an outcome came",
        ),
        Definition(
            "jsonrpc_qm_queue_seconds",
            "histogram",
            ("name",),
            "Time in queue: from run_at to the claim",
        ),
        Definition(
            "jsonrpc_qm_run_seconds",
            "histogram",
            ("name",),
            "Run time: from the claim to the end, of attempts that completed, failed or timed out",
        ),
        Definition(
            "jsonrpc_qm_waiting_claims", "gauge", (), "Claims that wait for a task to become due"
        ),
        Definition(
            "jsonrpc_qm_requests_total",
            "counter",
            ("method", "error"),
            "Calls by method and the message of the error they got, empty for none",
        ),
        Definition(
            "jsonrpc_qm_request_seconds",
            "histogram",
            ("method",),
            "Time from a call to its answer, in which claim and get_task wait",
        ),
        Definition(
            "jsonrpc_qm_commit_operations",
            "histogram",
            (),
            "Operations that shared one transaction",
        ),
        Definition("jsonrpc_qm_commit_seconds", "histogram", (), "Time that one transaction took"),
        Definition(
            "jsonrpc_qm_storage_errors_total",
            "counter",
            ("tried",),
            "Operations, read or write, that the storage could not carry out",
        ),
        Definition(
            "jsonrpc_qm_ready", "gauge", (), "1 when /ready answers with 200, 0 when with 503"
        ),
        Definition(
            "jsonrpc_qm_build_info",
            "gauge",
            ("version", "storage"),
            "Always 1; the labels say the version, and the kind of storage",
        ),
    )
}
"""Every metric of this package by what its name adds to `jsonrpc_qm_`."""


def text(scrape: Scrape, accept: str) -> tuple[bytes, str]:
    """The metrics in the format that the Accept header asks for, and its content type."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(scrape))
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    encode, kind = choose_encoder(accept)
    return encode(registry), kind


class _Families(Collector):
    """What a scrape has to say, as the library wants it."""

    def __init__(self, scrape: Scrape) -> None:
        self._scrape = scrape

    def collect(self) -> Iterator[Metric]:
        scrape = self._scrape
        metrics = scrape.metrics
        if scrape.counts is not None:
            yield from _of_tasks(scrape.counts, metrics.names.label)
        for name in metrics.names.kept:
            # A rate needs a value from before the first event.
            metrics.lost[name] += 0
            for before, after in COMMON:
                metrics.transitions[name, before, after] += 0
        yield _counter("transitions_total", metrics.transitions)
        yield _counter("leases_lost_total", _keyed(metrics.lost))
        yield _histogram("queue_seconds", _keyed(metrics.queue_seconds))
        yield _histogram("run_seconds", _keyed(metrics.run_seconds))
        yield _gauge("waiting_claims", {(): scrape.waiting_claims})
        yield _counter("requests_total", metrics.requests)
        yield _histogram("request_seconds", _keyed(metrics.request_seconds))
        yield _histogram("commit_operations", {(): metrics.commit_operations})
        yield _histogram("commit_seconds", {(): metrics.commit_seconds})
        yield _counter("storage_errors_total", _keyed(metrics.storage_errors))
        yield _gauge("ready", {(): scrape.ready})
        yield _gauge("build_info", {(VERSION, scrape.storage): 1})


def _of_tasks(counts: Counts, label: Callable[[str], str]) -> Iterable[Metric]:
    """What is the same at every manager of a storage; names that share a label are put together."""
    tasks: Counter[Labels] = Counter()
    oldest: dict[Labels, float] = {}
    paused: dict[Labels, float] = {}
    serving: dict[str, set[str]] = defaultdict(set)
    for name, stats in counts.names.items():
        key = label(name)
        for status in STATUSES:
            tasks[key, status] += _of_status(stats, status)
        oldest[key,] = max(oldest.get((key,), 0.0), stats.oldest_queued_age or 0.0)
        paused[key,] = max(paused.get((key,), 0.0), float(stats.paused))
        serving[key] = set()
    for row in counts.workers:
        if row.last_seen >= counts.now - WORKER_GONE:
            for name in row.names:
                serving[label(name)].add(row.worker)
    yield _gauge("tasks", tasks)
    yield _gauge("oldest_queued_seconds", oldest)
    yield _gauge("paused", paused)
    yield _gauge("workers", {(key,): len(workers) for key, workers in serving.items()})


def _of_status(stats: NameStats, status: str) -> int:
    tasks: int = getattr(stats, status)
    return tasks


def _keyed(values: Mapping[str, Value]) -> dict[Labels, Value]:
    return {(key,): value for key, value in values.items()}


def _gauge(name: str, values: Mapping[Labels, float]) -> Metric:
    return _filled(GaugeMetricFamily, name, values)


def _counter(name: str, values: Mapping[Labels, float]) -> Metric:
    return _filled(CounterMetricFamily, name, values)


def _filled(
    kind: type[GaugeMetricFamily] | type[CounterMetricFamily],
    name: str,
    values: Mapping[Labels, float],
) -> Metric:
    definition = DEFINITIONS[name]
    family = kind(definition.name, definition.meaning, labels=definition.labels)
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family


def _histogram(name: str, values: Mapping[Labels, Histogram]) -> Metric:
    definition = DEFINITIONS[name]
    family = HistogramMetricFamily(definition.name, definition.meaning, labels=definition.labels)
    for labels, histogram in values.items():
        bounds = [*map(floatToGoString, histogram.bounds), "+Inf"]
        buckets = [*zip(bounds, map(float, accumulate(histogram.counts)), strict=True)]
        family.add_metric(labels, buckets, histogram.total)
    return family
