"""What is measured beside the floor, in the order of the table."""

from benchmarks import idle, many, startup
from benchmarks.compare import compared
from benchmarks.latency import LATENCIES
from benchmarks.manager import floored, managed
from benchmarks.many import Urls
from benchmarks.plan import Plan
from benchmarks.prefill import prefill
from benchmarks.rates import RATES, floor_turn
from benchmarks.row import Row

MANY = {"many", "reads", "memory"}


class Run:
    """One run: what is wanted, how much of it, on which storages."""

    def __init__(self, wanted: set[str], plan: Plan, urls: Urls) -> None:
        self._wanted = wanted
        self._plan = plan
        self._urls = urls
        self.rows: list[Row] = []
        self.versions: dict[str, str] = {}
        """Of programs that were measured besides: none."""

    def measure(self) -> None:
        """Measure all that is wanted, in the order of the table."""
        self._rates()
        self._latencies()
        if self._wanted & MANY:
            self._many()
        self._small()

    def _rates(self) -> None:
        for rate in RATES:
            if rate.key in self._wanted:
                with floored() as port, managed(self._urls(rate.key)) as manager:
                    floor = floor_turn(port, self._plan)
                    with rate.load([manager], self._plan) as turn:
                        measured = compared(rate.key, floor, turn, self._plan.rounds)
                self.rows.append(rate.row(measured))

    def _latencies(self) -> None:
        for latency in LATENCIES:
            if latency.key in self._wanted:
                with (
                    managed(self._urls(latency.key)) as manager,
                    latency.sampled(manager) as samples,
                ):
                    self.rows.append(latency.row(samples(self._plan.latency_samples)))

    def _many(self) -> None:
        url = self._urls("many")
        prefill(url, self._plan)
        with many.crowded(url) as manager:
            # Memory is measured after the rest, so the rest runs for it too.
            rows = [
                many.rates(manager, self._urls, self._plan),
                many.reads(manager, self._plan),
                many.memory(manager),
            ]
        self.rows.extend(row for row in rows if row.key in self._wanted)

    def _small(self) -> None:
        if "idle" in self._wanted:
            with managed(self._urls("idle")) as manager:
                self.rows.extend(idle.long_polls(manager, self._plan))
        if "serve" in self._wanted:
            self.rows.append(startup.first_answer(self._urls, self._plan))
        if "help" in self._wanted:
            self.rows.append(startup.help_shown(self._plan))
