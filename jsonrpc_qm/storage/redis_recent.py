"""What a manager need not read before it writes, as the commit sees whether it was right.

That are tasks which it has handed out itself, and which are done now, and ids so young that nobody
can have stored them before. When a commit finds otherwise, the transaction runs again and reads
all.
"""

from collections.abc import Iterable, Sequence

from jsonrpc_qm.record import Record
from jsonrpc_qm.storage.redis_keys import Stored
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
        if self._careful:
            return
        first, last = (_made_at(now // 1000 + away) for away in (-YOUNG, YOUNG))
        for record in records:
            id = record.id
            if first <= id[:13] <= last and id[14:15] == "7" and len(id) == 36:
                view.assume_none(record)

    def keep(self, view: View) -> None:
        """A view's transaction has been committed."""
        self._careful = max(0, self._careful - 1)
        started = self._started
        for id, stored, revision in view.changed():
            if stored is not None and stored[0].status == "started":
                started[id] = stored, revision
            else:
                started.pop(id, None)
        while len(started) > MOST_REMEMBERED:
            del started[next(iter(started))]

    def forget(self) -> None:
        """A transaction has failed, maybe as something was assumed."""
        self._careful = CAREFUL
        self._started.clear()


def _made_at(milliseconds: int) -> str:
    """How a UUIDv7 begins that was made at a moment."""
    digits = f"{milliseconds:012x}"
    return f"{digits[:8]}-{digits[8:]}"
