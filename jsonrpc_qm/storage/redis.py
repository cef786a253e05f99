"""Redis: several managers, on any number of machines, share one queue in a server's memory."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import msgspec

from jsonrpc_qm.errors import QueueError, Unavailable
from jsonrpc_qm.moments import SECOND
from jsonrpc_qm.record import SCHEDULED, Record
from jsonrpc_qm.storage import redis_keys, redis_lists, redis_tasks
from jsonrpc_qm.storage.base import (
    SWEEP_LIMIT,
    WORKER_GONE,
    Claim,
    Filter,
    Listing,
    NameStats,
    News,
    Overtaken,
    Page,
    Sighting,
    Swept,
    WorkerRow,
)
from jsonrpc_qm.storage.moves import TellsMoves
from jsonrpc_qm.storage.redis_cluster import RedisClusterServer
from jsonrpc_qm.storage.redis_news import RedisNews
from jsonrpc_qm.storage.redis_orders import Range, Size
from jsonrpc_qm.storage.redis_recent import Recent
from jsonrpc_qm.storage.redis_server import RedisServer
from jsonrpc_qm.storage.redis_transactions import Transactions
from jsonrpc_qm.storage.redis_view import View
from jsonrpc_qm.task import FINISHED
from jsonrpc_qm.transitions import Complete, Event, claimed

LOOKS = 5
"""How often tasks are looked for that are just being stored or deleted."""


class RedisStorage(TellsMoves):
    """Tasks in a Redis, 6.2 or later.

    `url` like `redis://user:password@host:6379/0?prefix=jsonrpc-qm`; `rediss://` for TLS,
    `redis+cluster://` and `rediss+cluster://` for a Redis Cluster, by any of its nodes. Queues with
    different prefixes share a database without seeing each other.

    Raises:
        InvalidParams: the URL is none of Redis.
        Unavailable: the server can't be reached or used, or what it holds is of a newer version.
    """

    shared = True
    writers = 1

    def __init__(self, url: str) -> None:
        self._server = RedisClusterServer(url) if "+cluster:" in url else RedisServer(url)
        self.url = self._server.url
        self._shards = self._server.open()
        self._workers = self._shards.common.of("workers")
        self._transactions = Transactions(self._server, self._shards)
        self._news = RedisNews(self._server, self._shards.common.of("news"))
        self._turn = threading.RLock()
        self._own = threading.local()
        self._number = 0
        self._recent = Recent()

    def now(self) -> int:
        return self._server.clock.now()

    # -- transactions -------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._turn:
            if self._open_view() is not None:
                raise RuntimeError("transactions do not nest")
            with suppress(Unavailable):
                # Others may not need what is away; how far the clocks are apart is known.
                self._server.clock.set_now_and_then()
            view = self._own.view = self._new_view()
            try:
                yield
            finally:
                self._own.view = None
            try:
                self._transactions.commit(view.commits())
            except Unavailable:
                self._recent.forget()
                raise
            self._recent.keep(view)
            self._tell(view.moves())

    def _new_view(self) -> View:
        return View(
            self._server.run, self._shards, self._transactions.settle, number=self._next_number
        )

    def _next_number(self, last: int) -> int:
        """A number for a task behind all that this manager has stored, and behind that one.

        Shards know nothing of each other: there the time tells what other managers stored before.
        """
        time = 0 if self._shards.is_one else self.now()
        self._number = max(self._number + 1, last + 1, time)
        return self._number

    def _open_view(self) -> View | None:
        return getattr(self._own, "view", None)

    def _view(self) -> View:
        """What is read now: the open transaction's, else the latest."""
        return self._open_view() or self._new_view()

    def _writing(self) -> View:
        view = self._open_view()
        if view is None:
            raise RuntimeError("a verb that writes needs a transaction around it")
        return view

    # -- producers ----------------------------------------------------------------------------

    def add(self, groups: Sequence[Sequence[Record]], now: int) -> list[list[Record] | QueueError]:
        view = self._writing()
        records = [record for group in groups for record in group]
        self._recent.assume_new(view, records, self.now())
        redis_tasks.load_for_adding(view, records)
        return [redis_tasks.add_group(view, group) for group in groups]

    # -- workers ------------------------------------------------------------------------------

    def claim(self, claims: Sequence[Claim], now: int) -> list[list[Record]]:
        view, shards = self._writing(), self._shards
        names = {name for claim in claims for name in claim.names}
        redis_tasks.sweep_for(view, names, now)
        heads: dict[str, int] = {}
        for claim in claims:
            for name in set(claim.names):
                ready = shards.of(name).ready(name)
                heads[ready] = heads.get(ready, 0) + claim.max_tasks
        workers = [claim.worker for claim in claims if claim.worker is not None]
        fields = {keys.paused: some for keys, some in shards.grouped(names, shards.of).items()}
        view.load(fields={self._workers: workers, **fields}, heads=heads)
        return [self._claim(view, claim, now) for claim in claims]

    def _claim(self, view: View, claim: Claim, now: int) -> list[Record]:
        if claim.worker is not None:
            known = self._worker(view, claim.worker)
            if known is not None and known.drain:
                return []
        names = set(claim.names)
        ready = [self._shards.of(name).ready(name) for name in sorted(names - view.paused(names))]
        found = redis_tasks.claimable(view, ready, claim.max_tasks, now)
        return [
            view.save(claimed(record, now, worker=claim.worker, lease=claim.lease))
            for record in found
        ]

    def complete(self, outcomes: Sequence[Complete], now: int) -> list[bool]:
        ids = [outcome.id for outcome in outcomes]
        if len(set(ids)) < len(ids):
            return [False] * len(ids)
        view = self._writing()
        self._recent.assume_started(view, outcomes)
        view.load(ids=ids)
        return [redis_tasks.complete(view, outcome, now) for outcome in outcomes]

    def transition(self, events: Sequence[Event], now: int) -> list[Record | QueueError]:
        view = self._writing()
        followers = [r for event in events if isinstance(event, Complete) for r in event.queue]
        view.load(ids=[event.id for event in events])
        if followers:
            redis_tasks.load_for_adding(view, followers)
        return [redis_tasks.apply(view, event, now) for event in events]

    def sweep(self, now: int, limit: int = SWEEP_LIMIT) -> Swept:
        view, shards = self._writing(), self._shards
        # When none is, asking all says why.
        reached = self._server.reached(shards.all) or shards.all
        if not shards.is_one:
            self._transactions.settle_all(reached)
        records = redis_tasks.sweep(view, now, limit, shards=reached)
        names = view.names(reached)
        running = sorted(names.keys() - view.paused(names))
        sizes = [Size(key=shards.of(name).ready(name)) for name in running]
        dues = [Range(key=keys.due, limit=1) for keys in reached]
        answers = view.ask([*sizes, *dues])
        ready = zip(running, answers[: len(sizes)], strict=True)
        due = [member for members in answers[len(sizes) :] for member in members]
        return Swept(
            records=records,
            ready={name: size for name, size in ready if size},
            next_due=redis_keys.moment_in(min(due)) if due else None,
        )

    def saw(self, sightings: Sequence[Sighting], now: int) -> list[bool]:
        view = self._writing()
        if sightings:
            view.load(fields={self._workers: [each.worker for each in sightings]})
        return [self._saw(view, sighting, now) for sighting in sightings]

    def _saw(self, view: View, sighting: Sighting, now: int) -> bool:
        known = self._worker(view, sighting.worker)
        drain = known is not None and known.drain and not _is_gone(known, now)
        names = sighting.names or (known.names if known is not None else ())
        self._put_worker(view, sighting.worker, names, now, drain)
        return drain

    def _worker(self, view: View, worker: str) -> WorkerRow | None:
        [value] = view.values(self._workers, [worker])
        return None if value is None else _worker_row(worker, value)

    def _put_worker(
        self, view: View, worker: str, names: tuple[str, ...], last_seen: int, drain: bool
    ) -> None:
        value = msgspec.msgpack.encode((names, last_seen, drain))
        view.set_value(self._workers, worker, value)

    # -- operators ----------------------------------------------------------------------------

    def drain(self, worker: str, now: int) -> bool:
        view = self._writing()
        known = self._worker(view, worker)
        if known is None or _is_gone(known, now):
            return False
        self._put_worker(view, worker, known.names, known.last_seen, True)
        return True

    def forget_workers(self, before: int) -> None:
        view = self._writing()
        for worker, value in view.everything([self._workers]).items():
            if _worker_row(worker, value).last_seen < before:
                view.set_value(self._workers, worker, None)

    def pause(self, name: str, paused: bool) -> None:
        view = self._writing()
        if paused != bool(view.paused([name])):
            view.set_value(self._shards.of(name).paused, name, b"1" if paused else None)

    def delete(self, ids: Sequence[str]) -> list[bool | QueueError]:
        view = self._writing()
        view.load(ids=ids)
        return [redis_tasks.delete(view, id) for id in ids]

    def purge(self, filter: Filter, limit: int) -> int:
        view = self._writing()
        names = [filter.name] if filter.name is not None else list(view.names())
        statuses = [status for status in FINISHED if filter.status in (None, status)]
        before = filter.finished_before
        end = None if before is None else redis_keys.moment(before)[:8]
        ranges = [
            Range(key=self._shards.of(name).moments(status, name), limit=limit, before=end)
            for name in names
            for status in statuses
        ]
        places = redis_tasks.merged(ranges, view.ask(ranges))[:limit]
        found = redis_tasks.still_there(view, places, redis_keys.MOMENT)
        for id in found:
            view.delete(id)
        return len(found)

    # -- reads --------------------------------------------------------------------------------

    def get(self, ids: Sequence[str]) -> list[Record | None]:
        if self._open_view() is not None:
            return _tasks(self._writing(), ids)
        for _ in range(LOOKS):
            with suppress(Overtaken):
                return _tasks(self._new_view(), ids)
        return _tasks(self._new_view(), ids)

    def page(self, listing: Listing, limit: int, cursor: str | None) -> Page:
        return redis_lists.page(self._view(), listing, limit, cursor)

    def dump(self, cursor: str | None, limit: int) -> Page:
        return redis_lists.dump(self._view(), cursor, limit)

    def load(self, records: Sequence[Record]) -> list[bool | QueueError]:
        view = self._writing()
        redis_tasks.load_for_adding(view, records)
        return [redis_tasks.load(view, record) for record in records]

    def stats(self, now: int) -> dict[str, NameStats]:
        view = self._view()
        paused = view.everything([keys.paused for keys in self._shards.all])
        names = sorted({*paused, *view.names()})
        queries = [self._stats_queries(name, now) for name in names]
        answers = iter(view.ask([query for each in queries for query in each]))
        return {
            name: _stats([next(answers) for _ in each], name in paused, now)
            for name, each in zip(names, queries, strict=True)
        }

    def _stats_queries(self, name: str, now: int) -> list[Range | Size]:
        keys = self._shards.of(name)
        ripe = redis_keys.moment(now + 1)[:8]
        first, end = redis_keys.PLAIN
        return [
            *(Size(key=keys.listed(status, name)) for status in redis_keys.STATUSES),
            Size(key=keys.moments(SCHEDULED, name), before=ripe),
            Range(key=keys.ready(name), limit=1, after=first, before=end),
            Range(key=keys.moments("queued", name), limit=1),
            Range(key=keys.moments(SCHEDULED, name), limit=1, before=ripe),
        ]

    def workers(self) -> list[WorkerRow]:
        view = self._view()
        running = view.counts([keys.running for keys in self._shards.all])
        return [
            _worker_row(worker, value, running.get(worker, 0))
            for worker, value in sorted(view.everything([self._workers]).items())
        ]

    def changes(self) -> int:
        return 0

    def announce(self, news: News) -> None:
        self._news.announce(news)

    def subscribe(self, heard: Callable[[News], None]) -> None:
        self._news.subscribe(heard)

    def close(self) -> None:
        self._news.close()
        self._server.close()


def _tasks(view: View, ids: Sequence[str]) -> list[Record | None]:
    view.load(ids=ids)
    return [view.task(id) for id in ids]


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


def _worker_row(worker: str, value: bytes, running: int = 0) -> WorkerRow:
    names, last_seen, drain = msgspec.msgpack.decode(value)
    return WorkerRow(
        worker=worker, names=tuple(names), last_seen=last_seen, running=running, drain=drain
    )


def _is_gone(row: WorkerRow, now: int) -> bool:
    return row.last_seen < now - WORKER_GONE
