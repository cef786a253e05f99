"""New tasks, completions and claims of a transaction that a Redis decides, all in one script.

What others do meanwhile changes nothing, so managers that work on the same names are in nobody's
way. It is for transactions that do nothing else, in one shard. The script does all of it or
nothing: nothing if a token is not that of its task's running claim, if time has changed a task that
is to be swept first, or while a transaction over several shards is prepared in this one. The
transaction then does it as any other.
"""

import struct
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from copy import copy
from itertools import chain
from typing import NamedTuple

from jsonrpc_qm.errors import QueueError
from jsonrpc_qm.record import Record
from jsonrpc_qm.storage import redis_keys
from jsonrpc_qm.storage.base import Claim
from jsonrpc_qm.storage.moves import Moves
from jsonrpc_qm.storage.redis_commit import Commit, flat, new_mark
from jsonrpc_qm.storage.redis_keys import Keys
from jsonrpc_qm.storage.redis_transactions import Transactions
from jsonrpc_qm.storage.redis_values import (
    REVISION,
    Done,
    Stored,
    Taken,
    packed,
    packed_event,
    unpacked,
    unpacked_record,
)
from jsonrpc_qm.transitions import Complete, claimed

LATEST = 1 << 52
"""Moments that the server counts with are before this one, and not negative."""

_token = struct.Struct(">Q").pack


class Completion(NamedTuple):
    outcome: Complete
    before: Record
    """As this manager handed it out."""
    at: int


class Addition(NamedTuple):
    groups: Sequence[Sequence[Record]]
    first: int
    """The number of the first task; the others have those behind it."""


class Asked(NamedTuple):
    claim: Claim
    at: int
    taken: list[Stored]
    """To be filled."""
    records: list[Record]
    """Those of them, to be filled too."""


def is_simple(claim: Claim) -> bool:
    """Whether the server can decide it."""
    return bool(claim.names) and claim.worker != ""


class Work:
    """What one transaction wants to be stored or completed in a shard, and claimed after that."""

    def __init__(self, keys: Keys, *, is_all: bool = True) -> None:
        self._keys = keys
        self.shards: Sequence[Keys] = [keys]
        self._is_all = is_all
        """Whether the queue has no other shard, where an id may be."""
        self._mark = new_mark()
        self._revision = self._mark[:REVISION]
        self.completions: list[Completion] = []
        self.additions: list[Addition] = []
        self.claims: list[Asked] = []
        self._moves = Moves()
        self._changed: list[tuple[str, Stored | None]] = []

    def __bool__(self) -> bool:
        return bool(self.completions or self.additions or self.claims)

    def is_in(self, shards: Collection[Keys]) -> bool:
        """Whether it may be about these shards."""
        return set(shards) <= set(self.shards)

    def run(self, transactions: Transactions) -> "list[Work] | None":
        """Have it done; what has been done, None when it is not that simple.

        Raises:
            Overtaken: nothing is done.
            Unavailable: nothing is done; or, with `answer_lost`, it may be.
        """
        answer = transactions.work(self.commit())
        if answer is None:
            return None
        self.take(answer)
        return [self]

    def forget(self) -> "Work":
        """Want nothing any more; what was wanted."""
        wanted = copy(self)
        self.completions, self.additions, self.claims = [], [], []
        return wanted

    def complete(
        self, outcomes: Sequence[Complete], before: Sequence[Record], now: int
    ) -> list[bool]:
        """Have tasks completed that were handed out so; see `Storage.complete`."""
        for outcome, record in zip(outcomes, before, strict=True):
            self.completions.append(Completion(outcome, record, now))
        return [True] * len(outcomes)

    def add(
        self, groups: Sequence[Sequence[Record]], first: int
    ) -> list[list[Record] | QueueError]:
        """Have tasks stored that are new and without unique keys; see `Storage.add`."""
        self.additions.append(Addition(groups, first))
        return [list(group) for group in groups]

    def claim(self, claims: Sequence[Claim], now: int) -> list[list[Record]]:
        """Have tasks taken; see `Storage.claim`. The lists are filled later."""
        asked = [Asked(claim, now, [], []) for claim in claims]
        self.claims += asked
        return [each.records for each in asked]

    def ids(self) -> list[str]:
        """Of the tasks that are to be completed."""
        return [outcome.id for outcome, *_ in self.completions]

    def commit(self) -> Commit:
        """What is to be sent to lua/work.lua."""
        commit = Commit(self._keys, self._mark)
        commit.add_keys(self._keys.tasks)
        self._step_completions(commit)
        self._step_additions(commit)
        for claim, at, *_ in self.claims:
            self._step_claim(commit, claim, at)
        return commit

    def _step_completions(self, commit: Commit) -> None:
        groups: dict[tuple[str, int], list[Completion]] = defaultdict(list)
        running: Counter[str] = Counter()
        free: list[bytes] = []
        for completion in self.completions:
            before = completion.before
            groups[before.name, completion.at].append(completion)
            if before.worker is not None:
                running[before.worker] -= 1
            if before.unique_key is not None:
                free.append(redis_keys.holder_field(before.name, before.unique_key).encode())
        for (name, at), group in groups.items():
            strings = [redis_keys.moment(at)[:8]]
            strings += [outcome.id.encode() for outcome, *_ in group]
            strings += [_token(outcome.token) for outcome, *_ in group]
            strings += [
                packed_event(Done(at, outcome.token, outcome.result)) for outcome, *_ in group
            ]
            commit.step("complete", self._keys.of_completion(name), strings)
        commit.step(
            "count", self._keys.running, flat({w: b"%d" % less for w, less in running.items()})
        )
        commit.step("HDEL", self._keys.holders, free)

    def _step_additions(self, commit: Commit) -> None:
        keys, revision = self._keys, self._revision
        tasks: list[bytes] = []
        places: dict[str, list[bytes]] = defaultdict(list)
        names: Counter[str] = Counter()
        homes: list[bytes] = []
        number = 0
        for groups, first in self.additions:
            for number, record in enumerate(chain.from_iterable(groups), first):
                id = record.id.encode()
                tasks += (id, revision + packed(record, number))
                homes.append(id)
                for key, member in keys.orders(record, number):
                    places[key].append(member)
                names[record.name] += 1
        commit.step("new", keys.tasks, tasks)
        if not self._is_all:
            commit.step("absent", keys.places, homes)
        for key, members in places.items():
            commit.step("ZADD", key, members)
        commit.step("count", keys.names, flat({name: b"%d" % n for name, n in names.items()}))
        commit.step("raise", keys.number, [b"%d" % number] if tasks else [])

    def _step_claim(self, commit: Commit, claim: Claim, at: int) -> None:
        names = sorted(set(claim.names))
        strings = [
            b"%d" % at,
            redis_keys.moment(at + 1)[:8],
            (claim.worker or "").encode(),
            b"%d" % claim.max_tasks,
            b"" if claim.lease is None else b"%d" % claim.lease,
            packed_event(Taken(at, claim.worker, claim.lease)),
            *(name.encode() for name in names),
        ]
        commit.step("claim", self._keys.of_claim(names), strings)

    def take(self, answer: Sequence[Sequence[bytes | None]]) -> None:
        """Take in what lua/work.lua answers: it is done."""
        self._changed += [(outcome.id, None) for outcome, *_ in self.completions]
        self._moves.complete(Counter(map(_ran, self.completions)))
        for groups, *_ in self.additions:
            self._moves.add(chain.from_iterable(groups))
        for (claim, at, taken, records), values in zip(self.claims, answer, strict=True):
            found = [value for value in values if value is not None]
            # They come name by name.
            stored = in_order([*self._taken(claim, at, found), *self._still_taken(at, found)])
            taken += stored
            records += [record for record, _ in stored]

    def _taken(self, claim: Claim, at: int, values: Iterable[bytes]) -> list[Stored]:
        """What was taken, and is as the server has left it."""
        stored = []
        for value in values:
            if value.startswith(self._revision):
                before, number, _ = unpacked_record(value)
                after = claimed(before, at, worker=claim.worker, lease=claim.lease)
                stored.append((after, number))
        self._moves.claim([record for record, _ in stored])
        self._changed += [(each[0].id, each) for each in stored]
        return stored

    def _still_taken(self, at: int, values: Iterable[bytes]) -> Iterator[Stored]:
        """What was taken, and somebody has changed before it was sent again: what still is."""
        for value in values:
            if value.startswith(self._revision):
                continue
            record, number = unpacked(value)
            if record.status == "started" and record.started_at == at:
                yield record, number

    def moves(self) -> Moves:
        """What has been done to tasks."""
        return self._moves

    def changed(self) -> Iterator[tuple[str, Stored | None, bytes]]:
        """Each task that was changed, with its new revision; None for one that is finished."""
        for id, stored in self._changed:
            yield id, stored, self._revision


def _ran(completion: Completion) -> tuple[str, int]:
    """The name of a task, and for how long its attempt ran."""
    _, before, at = completion
    assert before.started_at is not None
    return before.name, at - before.started_at


def in_order(taken: Iterable[Stored]) -> list[Stored]:
    """Tasks in the order of claims."""
    return sorted(taken, key=_claim_order)


def _claim_order(stored: Stored) -> tuple[int, int, int]:
    record, number = stored
    return -record.priority, record.run_at, number
