"""How a transaction's commits become one: all of them, or none.

One commit is one script. Several, in different shards, are prepared first: each shard keeps what is
to be written and locks what it is about. The commit of one shard then decides for all, as it is
written together with the decision. At last all write what they have kept.

A manager may die at any moment in between. Whoever meets a lock, or finds something prepared in a
sweep, looks for the decision: there is one, and it is carried out; or there is none for a while,
and the transaction is given up, which its own manager is then told when it wants to decide.
"""

import logging
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec
from uuid_utils import uuid7

from jsonrpc_qm.errors import Unavailable
from jsonrpc_qm.moments import SECOND
from jsonrpc_qm.storage.base import Overtaken
from jsonrpc_qm.storage.redis_commit import Commit
from jsonrpc_qm.storage.redis_keys import Keys
from jsonrpc_qm.storage.redis_server import LOST, RedisServer
from jsonrpc_qm.storage.redis_shards import Shards

logger = logging.getLogger("jsonrpc_qm.storage")

GIVE_UP_AFTER = 2 * SECOND
"""Microseconds after which a transaction that was prepared and not decided is given up."""

LONGEST_WAIT = 0.2
"""Seconds to wait at most for a transaction that is in the way."""

LATEST = 600 * SECOND
"""Microseconds after which a transaction that was prepared can't be decided any more."""

FORGET_AFTER = 7200 * SECOND
"""Microseconds for which it is remembered that a transaction was given up: longer than LATEST by
more than the clocks of nodes may differ."""

WRITE, FORGET = b"1", b"0"
"""How decisions begin."""


_length = struct.Struct(">I").pack


class Prepared(msgspec.Struct, frozen=True, array_like=True):
    """What a shard keeps of a transaction besides the changes."""

    decider: int
    """The shard where it is decided."""
    at: int
    keys: list[str]


class Decision(msgspec.Struct, frozen=True):
    """What becomes of a transaction."""

    verdict: bytes
    at: int
    shards: list[int]
    """Where it is prepared."""

    def packed(self) -> bytes:
        return b"%b:%d:%b" % (self.verdict, self.at, bytes(self.shards).hex().encode())


def _decision(packed: bytes) -> Decision:
    verdict, at, shards = packed.split(b":")
    return Decision(verdict, int(at), list(bytes.fromhex(shards.decode())))


class Transactions:
    """Carries out what one storage object commits, one transaction after the other."""

    def __init__(self, server: RedisServer, shards: Shards) -> None:
        self._server = server
        self._shards = shards
        self._idle: list[str] = []
        """Names of writers, under which the servers keep each one's latest transaction; as many as
        ever wrote at the same time."""

    def commit(self, commits: Sequence[Commit]) -> None:
        """Write all of a transaction.

        Raises:
            Overtaken: what it read has changed; nothing is written.
            Unavailable: nothing is written; or, with `answer_lost`, it may be.
        """
        parts = list(commits)
        for commit in commits:
            if len(parts) > 1 and commit.shard is self._shards.common:
                # What was heard of workers belongs to no task: apart, and first, as saying it again
                # does no harm.
                self._succeed(commit.shard, self._write(commit))
                parts.remove(commit)
        if len(parts) == 1:
            self._succeed(parts[0].shard, self._write(parts[0]))
        elif parts:
            self._commit_together(parts)

    def work(self, commit: Commit) -> list[list[bytes | None]] | None:
        """Do what the server decides itself: what lua/work.lua answers.

        Raises:
            Unavailable: as `commit`.
        """
        strings = [commit.mark, *commit.strings()]
        others = (commit.shard.locks,)
        answer: list[list[bytes | None]] | None = self._send("work", commit, others, strings)
        return answer

    def _write(self, commit: Commit, decision: bytes = b"", latest: int = 0) -> int | bytes:
        """What lua/commit.lua answers."""
        others = commit.shard.locks, commit.shard.decisions
        strings = [commit.mark, decision, latest, *commit.strings()]
        answer: int | bytes = self._send("commit", commit, others, strings)
        return answer

    def _send(self, script: str, commit: Commit, keys: Sequence[str], strings: list[Any]) -> Any:
        """Run a script that does all of a commit, once however often it is sent."""
        try:
            writer = self._idle.pop()
        except IndexError:
            writer = str(uuid7())
        latest = commit.shard.of(f"commit:{writer}")
        try:
            return self._server.script(script, [latest, *keys, *commit.keys], strings)
        except Unavailable as error:
            if isinstance(error.__cause__, LOST):
                raise Unavailable.in_doubt(error.detail) from error
            raise
        finally:
            self._idle.append(writer)

    def _succeed(self, shard: Keys, answer: int | bytes) -> None:
        """Go on if a script has done what it was to do."""
        if isinstance(answer, bytes):
            # Whoever it is, they are given some time, and the transaction then runs again.
            time.sleep(min(self.settle(shard, answer), LONGEST_WAIT))
        if answer != 1:
            raise Overtaken.of("another manager changed the same tasks")

    # -- several shards -----------------------------------------------------------------------

    def _commit_together(self, parts: Sequence[Commit]) -> None:
        # The largest is the one that is sent and kept once only.
        decider = max(parts, key=lambda part: part.size)
        others = [part for part in parts if part is not decider]
        now = self._server.clock.now()
        try:
            answers = self._server.together(
                [partial(self._prepare, part, decider.shard, now) for part in others]
            )
            for part, answer in zip(others, answers, strict=True):
                self._succeed(part.shard, answer)
        except Unavailable:
            self._end(decider, others, FORGET)
            raise
        answer = self._decide(decider, Decision(WRITE, now, [part.shard.shard for part in others]))
        self._end(decider, others, WRITE if answer == 1 else FORGET)
        self._succeed(decider.shard, answer)

    def _prepare(self, part: Commit, decider: Keys, now: int) -> int | bytes:
        about = msgspec.msgpack.encode(Prepared(decider.shard, now, part.keys))
        answer: int | bytes = self._server.script(
            "prepare",
            [part.shard.prepared, part.shard.locks, *part.keys],
            [part.mark, _length(len(about)) + about + part.packed()],
        )
        return answer

    def _decide(self, decider: Commit, decision: Decision) -> int | bytes:
        """What lua/commit.lua answers.

        Raises:
            Unavailable: as `commit`; a sweep finds out.
        """
        try:
            return self._write(decider, decision.packed(), decision.at + LATEST)
        except Unavailable as error:
            # It may have been decided, and the answer alone is lost.
            try:
                return int(self._verdict(decider.shard, decider.mark, give_up=True) == WRITE)
            except Unavailable:
                raise error from None

    def _end(self, decider: Commit, others: Sequence[Commit], verdict: bytes) -> None:
        """Have all write or forget what they have kept.

        It is decided: whatever can't be reached now comes to know it from a sweep.
        """
        ends = [
            partial(self._end_one, part.shard, part.mark, part.keys, verdict) for part in others
        ]
        try:
            self._server.together(ends)
            if verdict == WRITE:
                self._server.run([("HDEL", decider.shard.decisions, decider.mark)])
        except Unavailable as error:
            logger.warning("a transaction is left to be ended by a sweep: %s", error)

    def _end_one(self, shard: Keys, mark: bytes, keys: Sequence[str], verdict: bytes) -> None:
        self._server.script("settle", [shard.prepared, shard.locks, *keys], [mark, verdict])

    # -- those of others ----------------------------------------------------------------------

    def settle(self, shard: Keys, mark: bytes) -> float:
        """End a transaction that is prepared in a shard, unless its manager may still do so; the
        seconds for which that has been waiting then."""
        [kept] = self._server.run([("HGET", shard.prepared, mark)])
        if kept is None:
            return 0.0
        begin = len(_length(0))
        about = kept[begin : begin + int.from_bytes(kept[:begin], "big")]
        prepared = msgspec.msgpack.decode(about, type=Prepared)
        age = self._server.clock.now() - prepared.at
        decider = self._shards.all[prepared.decider]
        verdict = self._verdict(decider, mark, give_up=age > GIVE_UP_AFTER)
        if verdict is None:
            return max(0, age) / SECOND
        self._end_one(shard, mark, prepared.keys, verdict)
        return 0.0

    def _verdict(self, decider: Keys, mark: bytes, *, give_up: bool) -> bytes | None:
        """What is decided; None while nothing is."""
        given_up = Decision(FORGET, self._server.clock.now(), []).packed() if give_up else b""
        packed = self._server.script("decide", [decider.decisions], [mark, given_up])
        return _decision(packed).verdict if packed else None

    def settle_all(self, shards: Sequence[Keys]) -> None:
        """End what others have left behind in some shards; to be called now and then."""
        commands = [(("HKEYS", shard.prepared), ("HGETALL", shard.decisions)) for shard in shards]
        replies = iter(self._server.run([command for both in commands for command in both]))
        for shard in shards:
            for mark in next(replies):
                self._now_or_later(partial(self.settle, shard, mark))
            for mark, packed in next(replies).items():
                self._now_or_later(partial(self._forget, shard, mark, _decision(packed)))

    def _now_or_later(self, end: Callable[[], object]) -> None:
        """Leave it to a later sweep if it needs a shard that can't be reached."""
        with suppress(Unavailable):
            end()

    def _forget(self, decider: Keys, mark: bytes, decision: Decision) -> None:
        """Forget a decision that nobody can ask for any more."""
        age = self._server.clock.now() - decision.at
        if age < (FORGET_AFTER if decision.verdict == FORGET else GIVE_UP_AFTER):
            return
        shards = [self._shards.all[number] for number in decision.shards]
        kept = self._server.run([("HEXISTS", shard.prepared, mark) for shard in shards])
        if not any(kept):
            self._server.run([("HDEL", decider.decisions, mark)])
