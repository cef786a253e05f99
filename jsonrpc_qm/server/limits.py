"""How much callers may ask of a manager; beyond that they are to come back later."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated

import msgspec

from jsonrpc_qm.errors import TooLarge, Unavailable
from jsonrpc_qm.storage.base import NameStats

COME_BACK_AFTER = 1.0
"""Seconds after which a caller that was sent away is to try again."""

LOOK_EVERY = 1.0
"""Seconds after which the count of queued tasks is read anew."""

LOOK_AGAIN = 0.05
"""Seconds that a count may be old when a call is refused by it."""


Most = Annotated[int, msgspec.Meta(ge=1)]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a manager takes on at a time."""

    max_connections: Most = 10_000
    max_connections_per_client: Most = 5_000
    """Of one address."""
    max_waiting_claims: Most = 10_000
    """Calls of `claim` and of `get_task` that wait."""
    max_waiting_per_client: Most = 5_000
    """Of one address."""
    max_queued: Most | None = None
    """Tasks that are queued or scheduled; None for any number."""
    max_queued_per_name: Most | None = None
    """The same of each name."""


class Share:
    """Counts what each client has of something, and all of them together."""

    def __init__(self, most: int, most_per_client: int) -> None:
        self._most = most
        self._most_per_client = most_per_client
        self._all = 0
        self._of: Counter[str] = Counter()

    def has_room(self, client: str) -> bool:
        """Whether a client may have one more."""
        return self._all < self._most and self._of[client] < self._most_per_client

    def take(self, client: str) -> None:
        """One more."""
        self._all += 1
        self._of[client] += 1

    def give_back(self, client: str) -> None:
        """One less."""
        self._all -= 1
        self._of[client] -= 1
        if not self._of[client]:
            del self._of[client]

    @contextmanager
    def one(self, client: str, what: str) -> Iterator[None]:
        """One more in this block.

        Raises:
            Unavailable: there are too many, of `what`.
        """
        if not self.has_room(client):
            raise Unavailable.beyond(f"too many {what}", retry_after=COME_BACK_AFTER)
        self.take(client)
        try:
            yield
        finally:
            self.give_back(client)


class QueueLimits:
    """Keeps the number of queued tasks, in all and of each name, from growing without end.

    The storage is asked for its counts now and then, not by each call; in between, what is added
    here is added to them. So a full queue is seen at once, room in it after LOOK_AGAIN, and what
    other managers add after LOOK_EVERY.
    """

    def __init__(
        self,
        limits: Limits,
        stats: Callable[[], Awaitable[Mapping[str, NameStats]]],
        clock: Callable[[], float],
    ) -> None:
        """`clock` gives seconds."""
        self._most = limits.max_queued
        self._most_per_name = limits.max_queued_per_name
        self._stats = stats
        self._clock = clock
        self._looking = asyncio.Lock()
        self._looked_at = float("-inf")
        self._counts: Counter[str] = Counter()
        self._total = 0
        self._on_the_way: Counter[str] = Counter()
        """Tasks whose call is not answered, so that a count may not have them."""
        self._unseen: Counter[str] = Counter()
        """Tasks that the count which is being read may not have."""

    @property
    def are_set(self) -> bool:
        """Whether there is any limit."""
        return self._most is not None or self._most_per_name is not None

    @asynccontextmanager
    async def room_for(self, tasks: Counter[str], param: str) -> AsyncIterator[None]:
        """Add so many tasks of each name in this block.

        Raises:
            TooLarge: that many will never fit.
            Unavailable: they do not fit now.
        """
        self._check_size(tasks, param)
        await self._find_room(tasks)
        self._counts += tasks
        self._total += tasks.total()
        self._unseen += tasks
        self._on_the_way += tasks
        try:
            yield
        finally:
            self._on_the_way -= tasks

    def _check_size(self, tasks: Counter[str], param: str) -> None:
        if self._most is not None and tasks.total() > self._most:
            raise TooLarge.of(param, limit=self._most, size=tasks.total())
        largest = max(tasks.values(), default=0)
        if self._most_per_name is not None and largest > self._most_per_name:
            raise TooLarge.of(param, limit=self._most_per_name, size=largest)

    async def _find_room(self, tasks: Counter[str]) -> None:
        await self._look(LOOK_EVERY)
        if self._refusal(tasks) is not None:
            await self._look(LOOK_AGAIN)
        if (refusal := self._refusal(tasks)) is not None:
            raise Unavailable.beyond(refusal, retry_after=COME_BACK_AFTER)

    def _refusal(self, tasks: Counter[str]) -> str | None:
        if self._most is not None and self._total + tasks.total() > self._most:
            return f"{self._most} tasks are queued, which is the limit"
        if self._most_per_name is not None:
            for name, number in tasks.items():
                if self._counts[name] + number > self._most_per_name:
                    return f"{self._most_per_name} tasks of {name!r} are queued, the limit"
        return None

    async def _look(self, oldest: float) -> None:
        """Read the counts, unless they were read that many seconds ago or later."""
        if self._clock() - self._looked_at <= oldest:
            return
        async with self._looking:
            began = self._clock()
            if began - self._looked_at <= oldest:
                return
            self._unseen = Counter(self._on_the_way)
            found = await self._stats()
            queued = {name: row.queued + row.scheduled for name, row in found.items()}
            self._counts = Counter(queued) + self._unseen
            self._total = self._counts.total()
            self._looked_at = began
