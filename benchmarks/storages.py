"""Every kind of storage beside SQLite, in turns, each on a private server."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from statistics import median

from msgspec.structs import replace

from benchmarks import many, several, sizes
from benchmarks.compare import compared
from benchmarks.kinds import Kind
from benchmarks.latency import LATENCIES, Latency
from benchmarks.manager import Manager, managed
from benchmarks.plan import Plan
from benchmarks.prefill import prefill
from benchmarks.rates import QUEUE_MANY, RATES, REPORT, UNIT, Rate, compared_row
from benchmarks.row import Row
from benchmarks.servers import STARTS, Server, Sqlite, running
from benchmarks.show import progress

TO_WORKER_MS = 4.0
"""What the median from `queue` to a worker may be, where the storage is a server."""


class StorageRun:
    """One run: what is wanted, on which kinds, how much of it."""

    def __init__(self, wanted: set[str], kinds: Sequence[Kind], plan: Plan) -> None:
        self._wanted = wanted
        self._kinds = kinds
        self._plan = plan
        self.rows: list[Row] = []
        self.versions: dict[str, str] = {}
        """Of the servers' programs, by their titles."""

    def measure(self) -> None:
        """Measure all that is wanted, in the order of the table."""
        with running(Sqlite) as sqlite:
            for kind in self._kinds:
                progress(f"{kind.title}: starting a server")
                with running(STARTS[kind.key]) as server:
                    self.versions[kind.title] = server.version()
                    self._add(kind.key, kind.title, self._rows(kind, sqlite, server))
            if "size" in self._wanted:
                self._add("sqlite", "SQLite", sizes.a_task(sqlite, self._plan))

    def _add(self, storage: str, title: str, rows: Iterable[Row]) -> None:
        self.rows.extend(replace(row, what=f"{title}: {row.what}", storage=storage) for row in rows)

    def _rows(self, kind: Kind, sqlite: Server, server: Server) -> Iterator[Row]:
        wanted, plan = self._wanted, self._plan
        for rate in RATES:
            if rate.key in wanted:
                with _both(sqlite, server, rate.key) as (base, manager):
                    yield _rate(kind, rate, base, manager, plan)
        for latency in LATENCIES:
            if latency.key in wanted:
                with _both(sqlite, server, latency.key) as (base, manager):
                    yield _latency(latency, base, manager, plan)
        if "many" in wanted:
            yield from _many(server, plan)
        if "managers" in wanted:
            with server.storages() as urls:
                yield from several.managers(urls, plan)
        if "size" in wanted:
            yield from sizes.a_task(server, plan)
            server.clear()


@contextmanager
def _both(sqlite: Server, server: Server, name: str) -> Iterator[tuple[Manager, Manager]]:
    """A manager on a new storage of SQLite, and one on a new storage of the server."""
    with (
        sqlite.storages() as here,
        server.storages() as there,
        managed(here(name)) as base,
        managed(there(name)) as manager,
    ):
        yield base, manager


def _rate(kind: Kind, rate: Rate, base: Manager, manager: Manager, plan: Plan) -> Row:
    with rate.load([base], plan) as base_turn, rate.load([manager], plan) as turn:
        measured = compared(f"{kind.key} {rate.key}", base_turn, turn, plan.rounds)
    target = kind.of_sqlite if rate in (QUEUE_MANY, REPORT) else None
    return compared_row(rate.key, rate.what, measured, base_unit=f"{UNIT} on SQLite", target=target)


def _latency(latency: Latency, base: Manager, manager: Manager, plan: Plan) -> Row:
    here: list[float] = []
    there: list[float] = []
    with latency.sampled(base) as base_samples, latency.sampled(manager) as samples:
        for _ in range(plan.rounds):
            here += base_samples(plan.latency_samples // plan.rounds)
            there += samples(plan.latency_samples // plan.rounds)
    return replace(
        latency.row(there),
        target=TO_WORKER_MS if latency.key == "to-worker" else None,
        base=median(here),
        base_unit="ms on SQLite",
    )


def _many(server: Server, plan: Plan) -> Iterator[Row]:
    with server.storages() as urls:
        url = urls("many")
        prefill(url, plan)
        with many.crowded(url) as manager:
            yield many.rates(manager, urls, plan)
