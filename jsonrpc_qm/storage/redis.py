"""Redis: several managers, on any number of machines, share one queue in a server's memory."""

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from itertools import groupby
from operator import attrgetter

from jsonrpc_qm.errors import QueueError, Unavailable
from jsonrpc_qm.record import Record
from jsonrpc_qm.storage import (
    redis_keys,
    redis_lists,
    redis_stats,
    redis_tasks,
    redis_workers,
)
from jsonrpc_qm.storage.base import (
    SWEEP_LIMIT,
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
from jsonrpc_qm.storage.redis_keys import Keys
from jsonrpc_qm.storage.redis_news import RedisNews
from jsonrpc_qm.storage.redis_orders import Range, Size
from jsonrpc_qm.storage.redis_parts import RedisParts
from jsonrpc_qm.storage.redis_recent import Recent
from jsonrpc_qm.storage.redis_server import RedisServer
from jsonrpc_qm.storage.redis_spread import Spread
from jsonrpc_qm.storage.redis_transactions import Transactions
from jsonrpc_qm.storage.redis_turns import Turns
from jsonrpc_qm.storage.redis_view import View
from jsonrpc_qm.storage.redis_work import LATEST, Work, is_simple
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

    def __init__(self, url: str) -> None:
        self._server = RedisClusterServer(url) if "+cluster:" in url else RedisServer(url)
        self.url = self._server.url
        self._shards = self._server.open()
        # Parts of a cluster run side by side anyway.
        self.writers = 4 if self._shards.is_one else 2
        self.parts = None if self._shards.is_one else RedisParts(self._shards, self._transaction)
        self._transactions = Transactions(self._server, self._shards)
        self._news = RedisNews(self._server, self._shards.common.of("news"))
        self._turns = Turns(self._shards.all)
        self._own = threading.local()
        self._number = 0
        self._counting = threading.Lock()
        self._recent = Recent()

    def now(self) -> int:
        return self._server.clock.now()

    # -- transactions -------------------------------------------------------------------------

    def transaction(self) -> AbstractContextManager[None]:
        return self._transaction(None)

    @contextmanager
    def _transaction(self, parts: Collection[int] | None) -> Iterator[None]:
        """One that is about these parts, if that is known."""
        own = self._own
        if getattr(own, "view", None) is not None:
            raise RuntimeError("transactions do not nest")
        with suppress(Unavailable):
            # Others may not need what is away; how far the clocks are apart is known.
            self._server.clock.set_now_and_then()
        with ExitStack() as own.turn:
            own.has_turn = False
            own.shards = (
                None if parts is None else [self._shards.all[part] for part in sorted(parts)]
            )
            view, own.work = self._new_view(), None
            own.view = view
            try:
                yield
                done = self._commit(view, own.work)
            except Unavailable:
                self._recent.forget([*view.assumed, *(own.work.ids() if own.work else [])])
                raise
            finally:
                own.view = own.work = None
            for each in done:
                self._recent.keep(each.changed())
                self._tell(each.moves())

    def _commit(self, view: View, work: Work | None) -> Sequence[View | Work]:
        """Write all of a transaction; what tells of it."""
        if work:
            with self._turns.together(work.shards):
                done = work.run(self._transactions)
            if done is not None:
                return done
            self._do_here(work)
        self._transactions.commit(view.commits())
        return [view]

    def _new_view(self) -> View:
        return View(
            self._server.run, self._shards, self._transactions.settle, number=self._next_number
        )

    def _next_number(self, last: int, count: int = 1) -> int:
        """The first of so many numbers for tasks, behind all of this manager's and behind that one.

        The time tells what other managers stored before: nobody asks them, nor other shards.
        """
        with self._counting:
            first = max(self._number + 1, last + 1, self.now())
            self._number = first + count - 1
        return first

    def _open_view(self) -> View | None:
        """The open transaction's, for anything but what the server decides."""
        view: View | None = getattr(self._own, "view", None)
        if view is not None and self._own.work:
            self._do_here(self._own.work)
        return view

    def _may_work(self) -> bool:
        """Whether the servers may decide all of the open transaction so far."""
        own = self._own
        return getattr(own, "view", None) is not None and not (own.has_turn or own.view.is_used)

    def _work(self, shards: Collection[Keys]) -> Work | None:
        """What the servers decide of the open transaction, if that may still be all of it, and they
        may decide on what is in these shards."""
        own = self._own
        if not shards or not self._may_work():
            return None
        if own.work is None and len(shards) == 1:
            own.work = Work(*shards, is_all=self._shards.is_one)
        work: Work | None = own.work
        return work if work is not None and work.is_in(shards) else None

    def _work_of_claims(self, shards: Collection[Keys]) -> Work | None:
        """The same of claims."""
        own = self._own
        if len(shards) > 1 and self._may_work() and own.work is None:
            own.work = Spread(own.shards, self._server, self._new_view)
        return self._work(shards)

    def _do_here(self, work: Work) -> None:
        """Decide here what the server was to decide, as something else is to be done, too."""
        wanted = work.forget()
        completions, claims = wanted.completions, wanted.claims
        done = [
            self._complete([outcome for outcome, *_ in group], at)
            for at, group in groupby(completions, key=attrgetter("at"))
        ]
        stored = [
            self._add(groups) == [list(group) for group in groups] for groups, _ in wanted.additions
        ]
        if not all(map(all, done)) or not all(stored):
            raise Overtaken.of("another manager changed the same tasks")
        for at, group in groupby(claims, key=attrgetter("at")):
            asked = list(group)
            found = self._claim_all([claim for claim, *_ in asked], at)
            for each, records in zip(asked, found, strict=True):
                each.records.extend(records)

    def _view(self) -> View:
        """What is read now: the open transaction's, else the latest."""
        return self._open_view() or self._new_view()

    def _writing(self) -> View:
        view = self._open_view()
        if view is None:
            raise RuntimeError("a verb that writes needs a transaction around it")
        if not self._own.has_turn:
            about = self._own.shards or self._shards.all
            self._own.turn.enter_context(self._turns.alone(about))
            self._own.has_turn = True
        return view

    # -- producers ----------------------------------------------------------------------------

    def add(self, groups: Sequence[Sequence[Record]], now: int) -> list[list[Record] | QueueError]:
        records = [record for group in groups for record in group]
        names, ids = (each.name for each in records), (each.id for each in records)
        work = self._work(self._shards.about(names, ids))
        if work is not None and not work.claims and self._are_simple(records):
            first = self._next_number(0, len(records))
            return work.add(groups, first)
        return self._add(groups)

    def _are_simple(self, records: Sequence[Record]) -> bool:
        """Whether the server can decide all on storing these."""
        keyed = any(record.unique_key is not None for record in records)
        return not keyed and self._recent.are_new(records, self.now())

    def _add(self, groups: Sequence[Sequence[Record]]) -> list[list[Record] | QueueError]:
        view = self._writing()
        records = [record for group in groups for record in group]
        self._recent.assume_new(view, records, self.now())
        redis_tasks.load_for_adding(view, records)
        return [redis_tasks.add_group(view, group) for group in groups]

    # -- workers ------------------------------------------------------------------------------

    def claim(self, claims: Sequence[Claim], now: int) -> list[list[Record]]:
        if not all(map(is_simple, claims)) or not 0 <= now < LATEST:
            return self._claim_all(claims, now)
        if self._shards.is_one:
            work = self._work([self._shards.common])
            return work.claim(claims, now) if work is not None else self._claim_all(claims, now)
        if getattr(self._own, "shards", None) is None:
            # Elsewhere there may be tasks that are to be swept first.
            return self._claim_all(claims, now)
        return self._claim_in_parts(claims, now)

    def _claim_in_parts(self, claims: Sequence[Claim], now: int) -> list[list[Record]]:
        """Have shards decide, which can't know who is to drain."""
        workers = {claim.worker for claim in claims if claim.worker is not None}
        draining = redis_workers.draining(self._new_view(), workers)
        left = [claim for claim in claims if claim.worker not in draining]
        work = self._work_of_claims(
            self._shards.about(name for claim in left for name in claim.names)
        )
        if work is None:
            return self._claim_all(claims, now)
        taken = iter(work.claim(left, now))
        return [[] if claim.worker in draining else next(taken) for claim in claims]

    def _claim_all(self, claims: Sequence[Claim], now: int) -> list[list[Record]]:
        view, shards = self._writing(), self._shards
        names = {name for claim in claims for name in claim.names}
        redis_tasks.sweep_for(view, names, now, shards=self._own.shards or shards.all)
        heads: dict[str, int] = {}
        for claim in claims:
            for name in set(claim.names):
                ready = shards.of(name).ready(name)
                heads[ready] = heads.get(ready, 0) + claim.max_tasks
        workers = [claim.worker for claim in claims if claim.worker is not None]
        fields = {keys.paused: some for keys, some in shards.grouped(names, shards.of).items()}
        view.load(fields={shards.common.workers: workers, **fields}, heads=heads)
        return [self._claim(view, claim, now) for claim in claims]

    def _claim(self, view: View, claim: Claim, now: int) -> list[Record]:
        if claim.worker is not None:
            known = redis_workers.row(view, claim.worker)
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
        if self._may_work() and not any(each.queue for each in outcomes):
            known = self._recent.held(outcomes, self._new_view)
            work = self._work(self._shards.about(record.name for record in known))
            if work is not None and not work.claims and len(known) == len(outcomes):
                return work.complete(outcomes, known, now)
        return self._complete(outcomes, now)

    def _complete(self, outcomes: Sequence[Complete], now: int) -> list[bool]:
        view = self._writing()
        self._recent.assume_started(view, outcomes)
        view.load(ids=[outcome.id for outcome in outcomes])
        return [redis_tasks.complete(view, outcome, now) for outcome in outcomes]

    def transition(self, events: Sequence[Event], now: int) -> list[Record | QueueError]:
        if not events:
            return []
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
        return redis_workers.saw(self._writing(), sightings, now)

    # -- operators ----------------------------------------------------------------------------

    def drain(self, worker: str, now: int) -> bool:
        return redis_workers.drain(self._writing(), worker, now)

    def forget_workers(self, before: int) -> None:
        redis_workers.forget(self._writing(), before)

    def pause(self, name: str, paused: bool) -> None:
        view = self._writing()
        if paused != bool(view.paused([name])):
            view.set_value(self._shards.of(name).paused, name, b"1" if paused else None)

    def delete(self, ids: Sequence[str]) -> list[bool | QueueError]:
        view = self._writing()
        view.load(ids=ids)
        return [redis_tasks.delete(view, id) for id in ids]

    def purge(self, filter: Filter, limit: int) -> int:
        return redis_tasks.purge(self._writing(), filter, limit)

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
        return redis_stats.stats(self._view(), now)

    def workers(self) -> list[WorkerRow]:
        return redis_workers.rows(self._view())

    def changes(self) -> int:
        return 0

    def announce(self, news: News) -> None:
        self._news.announce(news)

    def subscribe(self, heard: Callable[[News], None]) -> None:
        self._news.subscribe(heard)

    def close(self) -> None:
        self._news.close()
        if self.parts is not None:
            self.parts.close()
        self._server.close()


def _tasks(view: View, ids: Sequence[str]) -> list[Record | None]:
    view.load(ids=ids)
    return [view.task(id) for id in ids]
