"""Every range of protocol.md at its edges: the last value inside, and the first outside."""

from typing import Any, NamedTuple

import pytest

from jsonrpc_qm.rpc.openrpc import document
from tests.server.plain import PlainCaller

YEAR = 365.25 * 86400
MONTH = 30 * 86400

OUTCOME = {"id": "a", "token": 1, "status": "queued"}
FAILED = {"id": "a", "token": 1, "status": "failed", "error": {"type": "E", "message": ""}}


class Range(NamedTuple):
    """What a param takes and what not; `params` has a place for it under `place`."""

    method: str
    params: dict[str, Any]
    place: str
    taken: list[Any]
    refused: list[Any]


def queue(place: str, taken: list[Any], refused: list[Any]) -> Range:
    """The range of an option of `queue`."""
    return Range("queue", {"name": "a"}, place, taken, refused)


def texts(most: int) -> tuple[list[Any], list[Any]]:
    """Texts of 1 to `most` characters, whatever their bytes, and texts of more and of none."""
    return ["x", "x" * most, "\U0001f680" * most, "\0" * most], ["", "x" * (most + 1)]


IDS = (
    ["a", "A-Z_0.9:z", "x" * 64],
    ["", "x" * 65, "a b", "a/b", "ä", "a\n", "\na", "\0", "a,b", "²"],
)
TOKENS = [1, 2**53 - 1], [0, -1, 2**53, 10**30]
WAITS = [0, 0.001, 55, 55.0], [-0.001, 55.001, 1e300]
LEASES = [0.1, 1, MONTH], [0.099, 0, -1, MONTH + 1]
DELAYS = [0, 0.000001, 10 * YEAR], [-0.000001, 10 * YEAR + 1, 1e300]
DURATIONS = [0.000001, 10 * YEAR], [0, -1, 10 * YEAR + 1]
MAX_TASKS = [1, 1000], [0, -1, 1001]
TIMES = ["2026-01-01T00:00:00Z"], ["2026-01-01T00:00:00", "2026-01-01", "now"]
CLAIM = {"names": ["a"]}
HELD = {"id": "a", "token": 1}

RANGES = [
    queue("name", *texts(200)),
    queue("priority", [-1_000_000, 0, 1_000_000], [-1_000_001, 1_000_001, 10**30]),
    queue("delay", *DELAYS),
    queue(
        "run_at",
        [
            "2026-01-01T00:00:00Z",
            "2026-01-01T00:00:00.123456+14:00",
            "2026-01-01t00:00:00z",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59.999999Z",
        ],
        [
            "2026-01-01T00:00:00",
            "2026-01-01",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "0001-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "10000-01-01T00:00:00Z",
            "now",
        ],
    ),
    queue("max_attempts", [1, 1_000_000], [0, -1, 1_000_001]),
    queue("max_lost", [0, 1_000_000], [-1, 1_000_001]),
    queue("lease", *LEASES),
    queue("timeout", *DURATIONS),
    queue("expires_in", *DURATIONS),
    queue("unique_key", *texts(200)),
    queue("id", *IDS),
    queue(
        "metadata",
        [{}, {str(number): "" for number in range(32)}],
        [{str(number): "" for number in range(33)}],
    ),
    Range("queue", {"name": "a", "backoff": {}}, "backoff.base", *DELAYS),
    Range("queue", {"name": "a", "backoff": {}}, "backoff.max", *DELAYS),
    Range("queue", {"name": "a", "backoff": {}}, "backoff.factor", [1, 100], [0.999, 100.001]),
    Range("queue", {"name": "a", "backoff": {}}, "backoff.jitter", [0, 1], [-0.001, 1.001]),
    Range("get_task", {}, "id", *IDS),
    Range("get_task", {"id": "a"}, "wait", *WAITS),
    Range("list_tasks", {}, "name", *texts(200)),
    Range("list_tasks", {}, "limit", [1, 1000], [0, -1, 1001]),
    Range(
        "list_tasks",
        {},
        "status",
        ["queued", "started", "completed", "failed", "cancelled"],
        ["scheduled", "Queued", ""],
    ),
    Range("list_tasks", {}, "cursor", ["1"], ["", "x", "-1", "1.0", "²", "9" * 65]),
    Range("list_tasks", {}, "query", *texts(200)),
    Range("list_tasks", {}, "since", *TIMES),
    Range("list_tasks", {}, "until", *TIMES),
    Range("history", {}, "id", [], IDS[1]),
    Range("explain", {}, "id", [], IDS[1]),
    Range("rates", {}, "name", *texts(200)),
    *(
        Range(method, {"dry_run": True}, place, *values)
        for method in ("retry_many", "cancel_many", "delete_many")
        for place, values in (
            ("ids", ([["a"], []], [["a b"], [""]])),
            ("name", texts(200)),
            ("query", texts(200)),
            ("since", TIMES),
            ("until", TIMES),
        )
    ),
    Range("retry_many", {"dry_run": True}, "status", ["failed", "cancelled"], ["queued", ""]),
    Range("cancel_many", {"dry_run": True}, "status", ["queued", "started"], ["failed", ""]),
    Range("delete_many", {"dry_run": True}, "status", ["completed", "failed"], ["queued", ""]),
    Range("cancel", {}, "id", *IDS),
    Range("retry", {}, "id", *IDS),
    Range("delete_task", {}, "id", *IDS),
    Range("claim", {}, "names", [["a"], ["x" * 200]], [[], [""], ["x" * 201]]),
    Range("claim", CLAIM, "worker", *texts(200)),
    Range("claim", CLAIM, "max_tasks", *MAX_TASKS),
    Range("claim", CLAIM, "wait", *WAITS),
    Range("claim", CLAIM, "lease", *LEASES),
    Range("heartbeat", {"leases": [HELD]}, "leases[0].id", *IDS),
    Range("heartbeat", {"leases": [HELD]}, "leases[0].token", *TOKENS),
    Range("heartbeat", {"leases": [HELD]}, "leases[0].lease", *LEASES),
    Range("heartbeat", {"leases": []}, "worker", *texts(200)),
    Range("complete", {"token": 1}, "id", *IDS),
    Range("complete", {"id": "a"}, "token", *TOKENS),
    Range("complete", {**HELD, "queue": [{"name": "a"}]}, "queue[0].name", *texts(200)),
    Range("complete", {**HELD, "queue": [{"name": "a"}]}, "queue[0].delay", *DELAYS),
    Range("fail", {"token": 1, "error": FAILED["error"]}, "id", *IDS),
    Range("fail", {**HELD, "error": {"message": ""}}, "error.type", *texts(200)),
    Range("fail", {**HELD, "error": FAILED["error"]}, "delay", *DELAYS),
    Range("fail", {**HELD, "error": FAILED["error"]}, "token", *TOKENS),
    Range("release", {"token": 1}, "id", *IDS),
    Range("release", HELD, "delay", *DELAYS),
    Range("release", HELD, "token", *TOKENS),
    Range("report", {"outcomes": [OUTCOME]}, "outcomes[0].id", *IDS),
    Range("report", {"outcomes": [OUTCOME]}, "outcomes[0].token", *TOKENS),
    Range("report", {"outcomes": [OUTCOME]}, "outcomes[0].delay", *DELAYS),
    Range("report", {"outcomes": [FAILED]}, "outcomes[0].delay", *DELAYS),
    Range("report", {"outcomes": []}, "names", [["a"]], [[], [""], ["x" * 201]]),
    Range("report", {"outcomes": []}, "worker", *texts(200)),
    Range("report", {"outcomes": [], **CLAIM}, "max_tasks", *MAX_TASKS),
    Range("report", {"outcomes": [], **CLAIM}, "lease", *LEASES),
    Range("drain", {}, "worker", ["x" * 200], ["", "x" * 201]),
    Range("pause", {}, "name", *texts(200)),
    Range("resume", {}, "name", *texts(200)),
    Range("purge", {}, "name", *texts(200)),
    Range("purge", {}, "status", ["completed", "failed", "cancelled"], ["queued", "started", ""]),
    Range("purge", {}, "older_than", *DELAYS),
]


def put(params: Any, place: str, value: Any) -> Any:
    """The params with a value at a place such as `leases[0].token`."""
    first, _, rest = place.replace("[", ".").replace("]", "").partition(".")
    key: Any = int(first) if isinstance(params, list) else first
    changed = list(params) if isinstance(params, list) else dict(params)
    changed[key] = put(changed[key], rest, value) if rest else value
    return changed


def error_for(caller: PlainCaller, tested: Range, value: Any) -> dict[str, Any]:
    """The error that a value provokes; in a batch, so that no call waits."""
    params = put(tested.params, tested.place, value)
    body = {"jsonrpc": "2.0", "id": 1, "method": tested.method, "params": params}
    [answer] = caller.send([body])
    error: dict[str, Any] = answer.get("error", {})
    return error


@pytest.mark.parametrize("tested", RANGES, ids=lambda tested: f"{tested.method}-{tested.place}")
def test_a_range_ends_where_the_protocol_says(shared: PlainCaller, tested: Range) -> None:
    """The edges are inside; beyond them it is Invalid params, and the error names the place."""
    for value in tested.taken:
        error = error_for(shared, tested, value)
        place = error.get("data", {}).get("param")
        # An unknown worker is not taken, but for another reason than its length.
        assert error.get("code") != -32602 or "no worker" in error["data"]["reason"], (value, place)
    for value in tested.refused:
        error = error_for(shared, tested, value)
        assert error.get("code") == -32602, value
        assert error["message"] == "Invalid params"
        assert error["data"]["param"].startswith(tested.place), value
        assert error["data"]["reason"]


def test_every_param_with_a_range_is_in_the_table() -> None:
    """A new param gets its line here."""
    known = {(tested.method, tested.place.partition("[")[0]) for tested in RANGES}
    bounds = {"minimum", "exclusiveMinimum", "minLength", "enum"}
    for method in document()["methods"]:
        for param in method["params"]:
            choices = param["schema"].get("anyOf", [param["schema"]])
            if any(bounds.intersection(choice) for choice in choices):
                assert (method["name"], param["name"]) in known
