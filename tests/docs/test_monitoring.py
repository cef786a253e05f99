"""docs/metrics.md, the dashboard and the alerts name the metrics that there are."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from jsonrpc_qm import tracing_setup
from jsonrpc_qm.server import health, metrics_endpoint
from jsonrpc_qm.server.app import make_app
from jsonrpc_qm.server.metrics import MOST_NAMES, OTHER
from jsonrpc_qm.server.metrics_text import DEFINITIONS, Definition
from jsonrpc_qm.server.service import Service
from jsonrpc_qm.storage.memory import MemoryStorage
from tests.docs.markdown import ROOT, read, table_rows
from tests.docs.shell import need

METRICS = read(ROOT / "docs" / "metrics.md")
PROMETHEUS = ROOT / "deploy" / "prometheus"
ALERTS = PROMETHEUS / "jsonrpc-qm-alerts.yml"
RULES = yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "jsonrpc-qm.json").read_text())
PANELS = DASHBOARD["panels"]

LIBRARY = {
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_open_fds",
    "process_max_fds",
    "up",
}
"""Metrics that others make: prometheus-client and Prometheus."""


def samples_of(definition: Definition) -> set[str]:
    """What a query can ask for."""
    if definition.kind != "histogram":
        return {definition.name}
    return {definition.name + suffix for suffix in ("_bucket", "_count", "_sum")}


KNOWN = {sample: d for d in DEFINITIONS.values() for sample in samples_of(d)}
"""What there is to ask for."""


def queries() -> Iterator[str]:
    """Of all panels and alerts."""
    for panel in PANELS:
        for target in panel.get("targets", ()):
            yield target["expr"]
    for rule in RULES:
        yield rule["expr"]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]["query"]


QUERIES = sorted(set(queries()))


def test_the_table_is_what_there_is() -> None:
    """Every metric with its kind, labels and meaning, in order; and nothing else."""
    *rows, library = table_rows(METRICS.under("The metrics"))
    assert library[0] == "`process_*`, `python_*`"
    assert rows == [
        [f"`{d.name}`", d.kind, ", ".join(f"`{label}`" for label in d.labels), d.meaning]
        for d in DEFINITIONS.values()
    ]


def test_the_limit_of_names_is_that_of_the_code() -> None:
    """And so is the label that stands for the rest."""
    said = METRICS.under("Names")
    assert f"first {MOST_NAMES:,} task names" in said
    assert f"`{OTHER}`" in said


async def test_the_paths_are_in_the_documents() -> None:
    """Each path that the manager answers to besides the calls."""
    service = Service(MemoryStorage())
    paths = {resource.canonical for resource in make_app(service).router.resources()}
    assert {health.HEALTH_PATH, health.READY_PATH, metrics_endpoint.METRICS_PATH} <= paths
    rows = {row[0] for row in table_rows(METRICS.under("Health"))}
    assert rows == {f"`GET {health.HEALTH_PATH}`", f"`GET {health.READY_PATH}`"}
    assert f"`GET {metrics_endpoint.METRICS_PATH}`" in METRICS.under("Scraping")
    assert f"at most {health.PATIENCE:g} seconds" in METRICS.under("Health")
    await service.close()


@pytest.mark.parametrize("query", QUERIES)
def test_queries_ask_for_what_there_is(query: str) -> None:
    """Metrics that exist, by labels that they have."""
    names = set(re.findall(r"\b(?:jsonrpc_qm|process|python)_\w+|\bup\b", query))
    assert names
    assert names <= KNOWN.keys() | LIBRARY
    for name, selector in re.findall(r"(jsonrpc_qm_\w+)\{([^}]*)\}", query):
        asked = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector))
        assert asked - {"instance", "job"} <= set(KNOWN[name].labels)
    grouped = {
        label.strip()
        for group in re.findall(r"by \(([^)]*)\)", query)
        for label in group.split(",")
    }
    have = {label for name in names & KNOWN.keys() for label in KNOWN[name].labels}
    assert grouped <= have | {"instance", "job", "le"}


def test_every_metric_is_looked_at() -> None:
    """By the dashboard or an alert: what nobody looks at need not be there."""
    text = "\n".join(QUERIES)
    for definition in DEFINITIONS.values():
        assert any(re.search(rf"\b{sample}\b", text) for sample in samples_of(definition))


def test_the_variables_of_traces_are_in_the_documents() -> None:
    """Each that tracing_setup.py reads by itself, but for what says how rather than whether."""
    source = Path(tracing_setup.__file__).read_text()
    read_there = set(re.findall(r"OTEL_\w+", source)) - {*tracing_setup.PROTOCOLS}
    table = {
        name
        for row in table_rows(METRICS.under("Traces"))
        for name in re.findall(r"OTEL_\w+", row[0])
    }
    assert table == read_there - {"OTEL_RESOURCE_ATTRIBUTES"}


def test_the_alerts_are_in_the_documents() -> None:
    """Each in the table; each says what it is about, and how bad it is."""
    rows = [row[0].strip("`") for row in table_rows(METRICS.under("Alerts"))]
    assert rows == [rule["alert"] for rule in RULES]
    for rule in RULES:
        assert rule["annotations"].keys() == {"summary", "description"}
        assert rule["labels"]["severity"] in ("critical", "warning")


def test_the_dashboard_fits_together() -> None:
    """No two panels have an id or a place in common, and none has a data source of somebody's."""
    ids = [panel["id"] for panel in PANELS]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert all(x < 24 for x, _ in cells)
        taken |= cells
        if panel["type"] != "row":
            assert panel["title"]
            assert panel["datasource"]["uid"] == "${datasource}"
            references = [target["refId"] for target in panel["targets"]]
            assert len(references) == len(set(references))


def test_prometheus_takes_the_configuration() -> None:
    """With the rules that it names."""
    promtool(["check", "config", str(PROMETHEUS / "prometheus.yml")])


def test_the_alerts_fire_when_they_should(tmp_path: Path) -> None:
    """On made up values; alerts_test.yml has them."""
    shutil.copy(ALERTS, tmp_path)
    shutil.copy(Path(__file__).with_name("alerts_test.yml"), tmp_path)
    promtool(["test", "rules", str(tmp_path / "alerts_test.yml")])


def test_prometheus_takes_the_queries_of_the_dashboard(tmp_path: Path) -> None:
    """Each is an expression of its language, with Grafana's variables filled in."""
    rules: list[dict[str, Any]] = [
        {"record": f"query:{number}", "expr": _filled_in(target["expr"])}
        for number, target in enumerate(t for p in PANELS for t in p.get("targets", ()))
    ]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool(["check", "rules", str(path)])


def _filled_in(query: str) -> str:
    for name, value in {"$__rate_interval": "5m", "$name": ".*", "$instance": ".*"}.items():
        query = query.replace(name, value)
    assert "$" not in query
    return query


def promtool(arguments: list[str]) -> None:
    """Run Prometheus' own checker, where it is installed."""
    command = [need("promtool"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
