"""What a manager's /metrics says, read by prometheus-client's own parsers."""

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from jsonrpc_qm.server.metrics_endpoint import METRICS_PATH
from tests.server.callers import Caller

PREFIX = "jsonrpc_qm_"


class Scraped:
    """One scrape."""

    def __init__(self, families: list[Metric]) -> None:
        self.families = {family.name: family for family in families}

    def value(self, sample_name: str, /, **labels: str) -> float | None:
        """The value of a sample, without the package's prefix in its name; None for none."""
        for family in self.families.values():
            for sample in family.samples:
                if sample.name == PREFIX + sample_name and sample.labels == labels:
                    return sample.value
        return None

    def values(self, name: str) -> dict[tuple[str, ...], float]:
        """The values of all samples of a name that are not 0, by their labels' values, in the
        order of the labels' names."""
        return {
            tuple(value for _, value in sorted(sample.labels.items())): sample.value
            for family in self.families.values()
            for sample in family.samples
            if sample.name == PREFIX + name and sample.value
        }


async def scrape(call: Caller) -> Scraped:
    """Ask a manager."""
    async with call.session.get(call.url + METRICS_PATH) as response:
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/plain; version=")
        return Scraped([*text_string_to_metric_families(await response.text())])
