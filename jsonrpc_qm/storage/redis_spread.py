"""Claims of names in several shards of a queue on Redis.

What comes first of all names is looked up, and each shard then gives as many tasks as it has of
those, in a script of its own. It gives what it has by then, whatever others have taken meanwhile:
so managers that claim at the same time are in nobody's way, but take tasks in another order.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from msgspec.structs import replace

from jsonrpc_qm.errors import Unavailable
from jsonrpc_qm.storage import redis_keys
from jsonrpc_qm.storage.base import Claim, Overtaken
from jsonrpc_qm.storage.redis_keys import Keys
from jsonrpc_qm.storage.redis_orders import Range
from jsonrpc_qm.storage.redis_reads import Reads
from jsonrpc_qm.storage.redis_server import RedisServer
from jsonrpc_qm.storage.redis_transactions import Transactions
from jsonrpc_qm.storage.redis_work import Asked, Work, in_order

logger = logging.getLogger("jsonrpc_qm.storage")


class Share(NamedTuple):
    """What one shard is to give to a claim."""

    asked: Asked
    claim: Claim


class Spread(Work):
    """The claims of one transaction, which does nothing else, in these shards.

    `look` begins a look at the queue.
    """

    def __init__(
        self, shards: Sequence[Keys], server: RedisServer, look: Callable[[], Reads]
    ) -> None:
        super().__init__(shards[0])
        self.shards = shards
        self._server = server
        self._look = look

    def run(self, transactions: Transactions) -> list[Work] | None:
        reads = self._look()
        at = max(asked.at for asked in self.claims)
        if self._are_some_due(reads, at):
            return None
        shares = self._shares(reads)
        works: list[Work] = []
        for keys, group in shares.items():
            work = Work(keys)
            work.claim([share.claim for share in group], at)
            works.append(work)
        calls = [partial(_attempt, work, transactions) for work in works]
        failures = [why for why in self._server.together(calls) if why is not None]
        for work, group in zip(works, shares.values(), strict=True):
            for share, given in zip(group, work.claims, strict=True):
                share.asked.taken.extend(given.taken)
        self._see(failures, is_planned=bool(works))
        return works

    def _are_some_due(self, reads: Reads, at: int) -> bool:
        """Whether time has changed a task that is to be swept before."""
        before = redis_keys.moment(at + 1)[:8]
        dues = [Range(key=keys.due, limit=1, before=before) for keys in self.shards]
        return any(reads.ask(dues))

    def _shares(self, reads: Reads) -> dict[Keys, list[Share]]:
        """How many tasks each shard is to give to each claim."""
        of = reads.shards.of
        wanted: Counter[str] = Counter()
        for asked in self.claims:
            wanted.update(dict.fromkeys(asked.claim.names, asked.claim.max_tasks))
        names = sorted(wanted.keys() - reads.paused(wanted))
        ranges = [Range(key=of(name).ready(name), limit=wanted[name]) for name in names]
        heads = dict(zip(names, reads.ask(ranges), strict=True))
        shares: dict[Keys, list[Share]] = defaultdict(list)
        for asked in self.claims:
            counts: Counter[Keys] = Counter()
            for name, number in _take_first(heads, asked.claim).items():
                counts[of(name)] += number
            for keys, number in counts.items():
                there = tuple(name for name in asked.claim.names if of(name) is keys)
                shares[keys].append(
                    Share(asked, replace(asked.claim, names=there, max_tasks=number))
                )
        return shares

    def _see(self, failures: Sequence[Unavailable], *, is_planned: bool) -> None:
        """See what has come of it, and give the claims what they have got.

        What one shard has given counts, whatever has become of the others.
        """
        if is_planned and not any(asked.taken for asked in self.claims):
            raise failures[0] if failures else Overtaken.of("other managers took the same tasks")
        for why in failures:
            logger.warning("a claim has got only what other nodes had: %s", why)
        for asked in self.claims:
            asked.records.extend(record for record, _ in in_order(asked.taken))


def _take_first(heads: dict[str, list[bytes]], claim: Claim) -> Counter[str]:
    """Take what a claim comes to first; how many of each name."""
    found = [(member, name) for name in set(claim.names) for member in heads.get(name, ())]
    counts = Counter(name for _, name in sorted(found)[: claim.max_tasks])
    for name, number in counts.items():
        del heads[name][:number]
    return counts


def _attempt(work: Work, transactions: Transactions) -> Unavailable | None:
    """Have a shard give its tasks, if it can; why it can't be used."""
    try:
        work.run(transactions)
    except Unavailable as error:
        return error
    return None
