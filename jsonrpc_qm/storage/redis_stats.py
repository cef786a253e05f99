"""How many tasks a queue on Redis has, by name."""

from typing import Any

from jsonrpc_qm.moments import SECOND
from jsonrpc_qm.record import SCHEDULED
from jsonrpc_qm.storage import redis_keys
from jsonrpc_qm.storage.base import NameStats
from jsonrpc_qm.storage.redis_orders import Range, Size
from jsonrpc_qm.storage.redis_reads import Reads


def stats(view: Reads, now: int) -> dict[str, NameStats]:
    """See `Storage.stats`."""
    paused = view.everything([keys.paused for keys in view.shards.all])
    names = sorted({*paused, *view.names()})
    queries = [_queries(view, name, now) for name in names]
    answers = iter(view.ask([query for each in queries for query in each]))
    return {
        name: _stats([next(answers) for _ in each], name in paused, now)
        for name, each in zip(names, queries, strict=True)
    }


def _queries(view: Reads, name: str, now: int) -> list[Range | Size]:
    keys = view.shards.of(name)
    ripe = redis_keys.moment(now + 1)[:8]
    first, end = redis_keys.PLAIN
    return [
        *(Size(key=keys.listed(status, name)) for status in redis_keys.STATUSES),
        Size(key=keys.moments(SCHEDULED, name), before=ripe),
        Range(key=keys.ready(name), limit=1, after=first, before=end),
        Range(key=keys.moments("queued", name), limit=1),
        Range(key=keys.moments(SCHEDULED, name), limit=1, before=ripe),
    ]


def _stats(answers: list[Any], paused: bool, now: int) -> NameStats:
    queued, scheduled, started, completed, failed, cancelled, ripe, plain, *firsts = answers
    moments = [redis_keys.moment_in(member) for first in firsts for member in first]
    moments.extend(redis_keys.run_at_in(member) for member in plain)
    return NameStats(
        queued=queued + ripe,
        scheduled=scheduled - ripe,
        started=started,
        completed=completed,
        failed=failed,
        cancelled=cancelled,
        oldest_queued_age=max(0, now - min(moments)) / SECOND if moments else None,
        paused=paused,
    )
