"""What a manager need not read before it writes, as the commit sees whether it was right.

That are tasks which it has handed out itself, and which are done now, and ids so young that nobody
can have stored them before. When a commit finds otherwise, the transaction runs again and reads
all.
"""

import threading
from collections.abc import Callable, Iterable, Sequence

from jsonrpc_qm.record import Record
from jsonrpc_qm.storage.redis_reads import Reads
from jsonrpc_qm.storage.redis_values import Stored
from jsonrpc_qm.storage.redis_view import View
from jsonrpc_qm.transitions import Complete

MOST_REMEMBERED = 10_000
"""Of so many started tasks the record is kept."""

YOUNG = 10_000
"""Milliseconds for which an id counts as new."""


CAREFUL = 10
"""After one failure so many transactions assume no new ids: it runs again among others."""


class Recent:
    """What one manager has last written, and whether it can rely on it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started: dict[str, tuple[Stored, bytes]] = {}
        self._careful = 0

    def assume_started(self, view: View, outcomes: Iterable[Complete]) -> None:
        """Have a view see tasks as they were handed out, where that is what the outcomes say."""
        for outcome in outcomes:
            known = self._started.get(outcome.id)
            if known is not None and known[0][0].token == outcome.token:
                view.assume(outcome.id, *known)

    def assume_new(self, view: View, records: Sequence[Record], now: int) -> None:
        """Have a view see that there are no tasks with ids that were made just now."""
        for record in self._new(records, now):
            view.assume_none(record)

    def are_new(self, records: Sequence[Record], now: int) -> bool:
        """Whether it is safe to say that there are no tasks with the ids of any of these."""
        return len(self._new(records, now)) == len({record.id for record in records})

    def _new(self, records: Sequence[Record], now: int) -> list[Record]:
        """Those whose ids were made just now."""
        if self._careful:
            return []
        first, last = (_made_at(now // 1000 + away) for away in (-YOUNG, YOUNG))
        return [
            record
            for record in records
            if first <= (id := record.id)[:13] <= last and id[14:15] == "7" and len(id) == 36
        ]

    def held(self, outcomes: Sequence[Complete], look: Callable[[], Reads]) -> list[Record]:
        """Those tasks that their outcomes' tokens hold, as they were handed out here, else as
        `look` finds them."""
        held = {o.id: record for o in outcomes if (record := self._handed_out(o))}
        others = [outcome for outcome in outcomes if outcome.id not in held]
        if others:
            reads = look()
            reads.load(ids=[outcome.id for outcome in others])
            for outcome in others:
                record = reads.task(outcome.id)
                if record and record.status == "started" and record.token == outcome.token:
                    held[outcome.id] = record
        return [held[outcome.id] for outcome in outcomes if outcome.id in held]

    def _handed_out(self, outcome: Complete) -> Record | None:
        """The task that this manager has handed out with the token of an outcome."""
        known = self._started.get(outcome.id)
        if known is None or known[0][0].token != outcome.token:
            return None
        return known[0][0]

    def keep(self, changed: Iterable[tuple[str, Stored | None, bytes]]) -> None:
        """A transaction has been committed that changed these tasks; each with its revision."""
        started = self._started
        with self._lock:
            self._careful = max(0, self._careful - 1)
            for id, stored, revision in changed:
                if stored is not None and stored[0].status == "started":
                    started[id] = stored, revision
                else:
                    started.pop(id, None)
            while len(started) > MOST_REMEMBERED:
                del started[next(iter(started))]

    def forget(self, ids: Iterable[str]) -> None:
        """A transaction has failed, maybe as something was assumed of these tasks."""
        with self._lock:
            self._careful = CAREFUL
            for id in ids:
                self._started.pop(id, None)


def _made_at(milliseconds: int) -> str:
    """How a UUIDv7 begins that was made at a moment."""
    digits = f"{milliseconds:012x}"
    return f"{digits[:8]}-{digits[8:]}"
