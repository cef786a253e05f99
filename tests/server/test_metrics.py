"""What /metrics says is what has happened."""

import asyncio
import math
from collections import defaultdict
from datetime import datetime

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics

from jsonrpc_qm.errors import Unavailable
from jsonrpc_qm.moments import SECOND
from jsonrpc_qm.server.metrics import MOST_NAMES, Histogram, Names
from jsonrpc_qm.server.metrics_endpoint import METRICS_PATH
from jsonrpc_qm.server.metrics_text import DEFINITIONS
from jsonrpc_qm.storage.base import NameStats, Storage
from jsonrpc_qm.storage.memory import MemoryStorage
from jsonrpc_qm.version import VERSION
from tests.records import NOW
from tests.server.callers import Caller, Refused, request, until
from tests.server.metrics import PREFIX, Scraped, scrape
from tests.server.waiting import Waiting

LIBRARY = ("process_", "python_")
"""How the names of the library's own metrics begin."""


async def some_work(call: Caller) -> None:
    """One task of each fate."""
    names = ["done", "done", "failed", "again", "late", "free"]
    await call("queue_many", [{"name": name} for name in names])
    await call("queue", name="later", delay=3600)
    tasks = await call("claim", names=names, max_tasks=5, worker="w", wait=0)
    ends = {
        "done": {"status": "completed"},
        "failed": {"status": "failed", "error": {"type": "E", "message": ""}, "retry": False},
        "again": {"status": "failed", "error": {"type": "E", "message": ""}, "delay": 60},
        "late": {"status": "queued"},
    }
    outcomes = [{"id": t["id"], "token": t["token"], **ends[t["name"]]} for t in tasks]
    await call("report", outcomes)


async def test_tasks_are_counted_by_name_and_status(call: Caller) -> None:
    """As `stats` counts them."""
    await some_work(call)
    scraped = await scrape(call)
    assert scraped.values("tasks") == {
        ("done", "completed"): 2,
        ("failed", "failed"): 1,
        ("again", "scheduled"): 1,
        ("late", "queued"): 1,
        ("free", "queued"): 1,
        ("later", "scheduled"): 1,
    }
    for name, row in (await call("stats"))["names"].items():
        for status in ("queued", "scheduled", "started", "completed", "failed", "cancelled"):
            assert scraped.value("tasks", name=name, status=status) == row[status]


async def test_transitions_are_counted_once_each(call: Caller) -> None:
    """By name, from and to; also when the outcomes are sent again."""
    await some_work(call)
    found = {(name, old, new): n for (old, name, new), n in (await _transitions(call)).items()}
    assert found == {
        ("done", "new", "queued"): 2,
        ("done", "queued", "started"): 2,
        ("done", "started", "completed"): 2,
        ("failed", "new", "queued"): 1,
        ("failed", "queued", "started"): 1,
        ("failed", "started", "failed"): 1,
        ("again", "new", "queued"): 1,
        ("again", "queued", "started"): 1,
        ("again", "started", "scheduled"): 1,
        ("late", "new", "queued"): 1,
        ("late", "queued", "started"): 1,
        ("late", "started", "queued"): 1,
        ("free", "new", "queued"): 1,
        ("later", "new", "scheduled"): 1,
    }


async def _transitions(call: Caller) -> dict[tuple[str, ...], float]:
    return (await scrape(call)).values("transitions_total")


async def test_a_repeated_outcome_counts_once(call: Caller) -> None:
    """Its answer was lost, and it is sent again."""
    await call("queue", "mail")
    [task] = await call("claim", names=["mail"], wait=0)
    for _ in range(3):
        await call("complete", task["id"], task["token"])
    assert (await _transitions(call))["started", "mail", "completed"] == 1


async def test_common_transitions_begin_with_0(call: Caller) -> None:
    """A rate needs a value from before the first failure."""
    await call("queue", "mail")
    scraped = await scrape(call)
    labels = {"name": "mail", "from": "started", "to": "failed"}
    assert scraped.value("transitions_total", **labels) == 0
    assert scraped.value("leases_lost_total", name="mail") == 0


async def test_lost_leases_are_counted(call: Caller) -> None:
    """Whoever notices: a sweep, or a claim."""
    await call("queue", name="mail", lease=0.1)
    await call("claim", names=["mail"], wait=0)
    await call("claim", names=["mail"], wait=5)
    scraped = await scrape(call)
    assert scraped.value("leases_lost_total", name="mail") == 1
    assert scraped.value("run_seconds_count", name="mail") is None


async def test_times_in_queue_and_run_times_are_histograms(call: Caller) -> None:
    """As the tasks' moments have them."""
    await call("queue", "mail")
    [task] = await call("claim", names=["mail"], wait=0)
    done = await call("complete", task["id"], task["token"])
    scraped = await scrape(call)
    assert scraped.value("queue_seconds_count", name="mail") == 1
    waited = scraped.value("queue_seconds_sum", name="mail")
    assert waited == pytest.approx(_seconds(done["run_at"], done["started_at"]), abs=1e-6)
    ran = scraped.value("run_seconds_sum", name="mail")
    assert ran == pytest.approx(_seconds(done["started_at"], done["finished_at"]), abs=1e-6)


def _seconds(begin: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()


async def test_calls_are_counted_by_method_and_error(call: Caller) -> None:
    """Members of batches each; what names no method is `unknown`, whatever it is called."""
    await call("queue", name="mail", id="a")
    with pytest.raises(Refused):
        await call("get_task", "nobody")
    await call.send([request("queue", "mail"), request("queue"), request("nonsense"), 1])
    await call.send({**request("queue", name="mail", id="b"), "id": None})
    for method in ("invented", "queue ", "", "rpc.x"):
        with pytest.raises(Refused):
            await call(method)
    await call.post("{")
    await call.post("[]")
    found = {(m, e): n for (e, m), n in (await scrape(call)).values("requests_total").items()}
    assert found == {
        ("queue", ""): 3,
        ("queue", "Invalid params"): 1,
        ("get_task", "Task not found"): 1,
        ("unknown", "Method not found"): 5,
        ("unknown", "Invalid Request"): 2,
        ("unknown", "Parse error"): 1,
    }


async def test_calls_take_as_long_as_they_wait(call: Caller, waiting: Waiting) -> None:
    """A claim that waits is a waiting claim, and its time counts once it is answered."""
    claim = await waiting.claim("mail", wait=0.3)
    scraped = await scrape(call)
    assert scraped.value("waiting_claims") == 1
    assert scraped.value("request_seconds_count", method="claim") is None
    await claim
    scraped = await scrape(call)
    assert scraped.value("waiting_claims") == 0
    took = scraped.value("request_seconds_sum", method="claim")
    assert took is not None
    assert took >= 0.3


async def test_a_caller_that_hangs_up_is_counted(call: Caller, waiting: Waiting) -> None:
    """It gets no answer, so it gets no error of the protocol either."""
    claim = await waiting.claim("mail")
    claim.cancel()
    await asyncio.wait([claim])
    await until(lambda: waiting.parked == 0)
    scraped = await scrape(call)
    assert scraped.value("requests_total", method="claim", error="Hung up") == 1


async def test_workers_and_pauses_are_told_by_name(call: Caller) -> None:
    """A name that nobody serves has 0 workers, so a rule can find it."""
    await call("queue_many", [{"name": "mail"}, {"name": "alone"}])
    await call("claim", names=["nothing", "mail"], worker="w1", wait=0, max_tasks=1)
    await call("claim", names=["mail"], worker="w2", wait=0)
    await call("pause", "alone")
    scraped = await scrape(call)
    assert scraped.values("workers") == {("mail",): 2, ("nothing",): 1}
    assert scraped.value("workers", name="alone") == 0
    assert scraped.values("paused") == {("alone",): 1}
    assert scraped.values("oldest_queued_seconds").keys() == {("alone",)}


async def test_commits_tell_how_many_shared_them(call: Caller) -> None:
    """Every operation is in one of them."""
    before = await scrape(call)
    await asyncio.gather(*(call("queue", "mail") for _ in range(50)))
    after = await scrape(call)
    more = _of(after, "commit_operations_sum") - _of(before, "commit_operations_sum")
    assert more >= 50
    assert _of(after, "commit_operations_count") == _of(after, "commit_seconds_count")
    assert _of(after, "commit_seconds_sum") > 0


def _of(scraped: Scraped, name: str) -> float:
    value = scraped.value(name)
    assert value is not None
    return value


async def test_what_there_is_is_what_is_defined(call: Caller, storage: Storage) -> None:
    """Names, kinds and labels; and the figures of the process, which are the library's."""
    await some_work(call)
    scraped = await scrape(call)
    ours = {name: f for name, f in scraped.families.items() if not name.startswith(LIBRARY)}
    assert {f"{PREFIX}{name}".removesuffix("_total") for name in DEFINITIONS} == set(ours)
    for definition in DEFINITIONS.values():
        family = ours[definition.name.removesuffix("_total")]
        assert family.type == definition.kind
        assert family.documentation == definition.meaning
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(definition.labels)
    assert "process_resident_memory_bytes" in scraped.families
    kind = storage.url.partition(":")[0]
    assert scraped.value("build_info", version=VERSION, storage=kind) == 1


async def test_histograms_are_cumulative(call: Caller) -> None:
    """Each bucket has what is in those below it; the last has all, which is the count."""
    await some_work(call)
    scraped = await scrape(call)
    for family in scraped.families.values():
        if family.type != "histogram":
            continue
        series: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = defaultdict(list)
        counts = {}
        for sample in family.samples:
            labels = tuple(sorted((k, v) for k, v in sample.labels.items() if k != "le"))
            if sample.name.endswith("_bucket"):
                series[labels].append((float(sample.labels["le"]), sample.value))
            elif sample.name.endswith("_count"):
                counts[labels] = sample.value
        assert series.keys() == counts.keys()
        for labels, buckets in series.items():
            assert buckets == sorted(buckets)
            assert [n for _, n in buckets] == sorted(n for _, n in buckets)
            assert buckets[-1] == (math.inf, counts[labels])


async def test_counters_only_grow(call: Caller) -> None:
    """From one scrape to the next."""
    await some_work(call)
    first = await scrape(call)
    await call("purge")
    second = await scrape(call)
    for name, family in first.families.items():
        if family.type == "counter":
            later = {(s.name, *s.labels.items()): s.value for s in second.families[name].samples}
            for sample in family.samples:
                assert later[(sample.name, *sample.labels.items())] >= sample.value


async def test_open_metrics_are_spoken_too(call: Caller) -> None:
    """To who asks for them, as Prometheus does; and compressed."""
    await some_work(call)
    accept = {"Accept": "application/openmetrics-text;version=1.0.0", "Accept-Encoding": "gzip"}
    async with call.session.get(call.url + METRICS_PATH, headers=accept) as response:
        assert response.content_type == "application/openmetrics-text"
        assert response.headers["Content-Encoding"] == "gzip"
        families = [*open_metrics(await response.text())]
    assert PREFIX + "tasks" in {family.name for family in families}


async def test_odd_names_are_labels_too(call: Caller) -> None:
    """Whatever a name holds, it comes out as it went in."""
    names = ['say "hi"', "back\\slash", "new\nline", "größe 漢 \U0001f600", "{a=b}"]
    await call("queue_many", [{"name": name} for name in names])
    assert {name for name, _ in (await scrape(call)).values("tasks")} == set(names)


class TestManyNames:
    """More names than labels."""

    @pytest.fixture
    def storage(self) -> Storage:
        """Where they are does not matter."""
        return MemoryStorage()

    async def test_names_past_a_thousand_fold_into_one(self, call: Caller) -> None:
        """The first ones keep their labels, everywhere the same; nothing is left out."""
        names = [f"n{number}" for number in range(MOST_NAMES + 20)]
        await call("queue_many", [{"name": name} for name in names])
        tasks = await call("claim", names=names[-50:], max_tasks=50, worker="w", wait=0)
        for name in ("tasks", "queue_seconds_count", "transitions_total", "workers"):
            values = (await scrape(call)).values(name)
            labels = {label for key in values for label in key}
            assert not labels & set(names[MOST_NAMES:])
            assert "other" in labels
        scraped = await scrape(call)
        assert sum(scraped.values("tasks").values()) == len(names)
        assert scraped.value("tasks", name="other", status="started") == 20
        assert len(tasks) == 50
        assert scraped.value("workers", name="other") == 1


def test_the_first_names_keep_their_labels() -> None:
    """What is really named `other` is counted with the rest, and takes no place from others."""
    names = Names(2)
    given = ["other", "a", "b", "c", "a", "d", "b"]
    assert [names.label(name) for name in given] == ["other", "a", "b", "other", "a", "other", "b"]


@pytest.mark.parametrize("values", [[1.0, 2.0], [0.5, 1.0], [0.0, 5.0, 1.5, 99.0], [3.0]])
def test_many_values_count_as_one_by_one(values: list[float]) -> None:
    """A bucket includes its bound."""
    together, apart = Histogram((1, 2, 5)), Histogram((1, 2, 5))
    together.observe_since([NOW - int(value * SECOND) for value in values], NOW)
    for value in values:
        apart.observe(value)
    assert together.counts == apart.counts
    assert together.total == apart.total == sum(values)
    below = [sum(value <= bound for value in values) for bound in (1, 2, 5, math.inf)]
    assert below == [sum(apart.counts[: n + 1]) for n in range(4)]


def test_a_clock_that_is_set_back_takes_nothing_away() -> None:
    """A task that is claimed before it was due, by the clock, has not waited."""
    waits = Histogram((1, 2))
    waits.observe_since([NOW + 5 * SECOND, NOW + SECOND], NOW)
    assert waits.counts == [2, 0, 0]
    assert waits.total == 0


class Away(MemoryStorage):
    """A storage that can be away."""

    away = False

    def stats(self, now: int) -> dict[str, NameStats]:
        """Not while it is away."""
        if self.away:
            raise Unavailable.of("it is away")
        return super().stats(now)


class TestWithoutItsStorage:
    """A manager whose storage does not count tasks."""

    @pytest.fixture
    def storage(self) -> Storage:
        """It can be away."""
        return Away()

    async def test_there_are_metrics_all_the_same(self, call: Caller, storage: Away) -> None:
        """All but what only the storage knows; and they say that it failed."""
        await some_work(call)
        storage.away = True
        scraped = await scrape(call)
        assert scraped.values("tasks") == {}
        assert scraped.values("transitions_total")
        assert scraped.value("storage_errors_total", tried="read") == 1
        storage.away = False
        assert (await scrape(call)).values("tasks")
