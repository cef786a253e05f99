"""What a transaction has done to tasks, counted: for tallies and metrics."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from copy import copy

from jsonrpc_qm.record import Record

NEW = "new"
"""Where a task comes from that is stored."""

GONE = "gone"
"""Where a task goes to that is deleted."""


class Moves:
    """The tasks of one transaction that went from one status to another."""

    def __init__(self) -> None:
        self.tasks: Counter[tuple[str, str, str]] = Counter()
        """How many, by name, status before and status after; SCHEDULED is a status here."""
        self.claimed: list[Record] = []
        """Those that claims have taken."""
        self.ran: Counter[tuple[str, int]] = Counter()
        """How many attempts have completed, failed or timed out, by name and microseconds that they
        took."""
        self.lost: Counter[str] = Counter()
        """How many leases expired, by name."""

    def see(self, before: Record | None, after: Record | None) -> None:
        """Count what became of one task; None before it is stored, and after it is deleted."""
        known = after or before
        assert known is not None
        old = NEW if before is None else before.status
        new = GONE if after is None else after.status
        if old != new:
            self.tasks[known.name, old, new] += 1
        if before is None or after is None:
            return
        if new == "started" and old != new:
            self.claimed.append(after)
        elif after.lost > before.lost:
            self.lost[known.name] += 1
        elif old == "started" and new != old and after.outcome != "released":
            assert before.started_at is not None
            self.ran[known.name, after.updated_at - before.started_at] += 1

    def add(self, records: Iterable[Record]) -> None:
        """Count that tasks have been stored."""
        for (name, status), tasks in Counter((r.name, r.status) for r in records).items():
            self.tasks[name, NEW, status] += tasks

    def claim(self, taken: Collection[Record]) -> None:
        """Count that queued tasks have been taken; they are as they are now."""
        self.claimed.extend(taken)
        for name, tasks in Counter(record.name for record in taken).items():
            self.tasks[name, "queued", "started"] += tasks

    def complete(self, ran: Mapping[tuple[str, int], int]) -> None:
        """Count that started tasks have been completed, given by name and how long they ran."""
        self.ran.update(ran)
        for (name, _), tasks in ran.items():
            self.tasks[name, "started", "completed"] += tasks

    def tally(self) -> Counter[tuple[str, str]]:
        """How many tasks more, or fewer, there are by name and status."""
        changed: Counter[tuple[str, str]] = Counter()
        for (name, before, after), tasks in self.tasks.items():
            if before != NEW:
                changed[name, before] -= tasks
            if after != GONE:
                changed[name, after] += tasks
        return changed

    def copy(self) -> "Moves":
        """The counts as they are now."""
        copied = Moves()
        for name, counted in vars(self).items():
            setattr(copied, name, copy(counted))
        return copied


class TellsMoves:
    """The part of a storage that tells of moves."""

    _moved: Callable[[Moves], None] | None = None

    def watch(self, moved: Callable[[Moves], None]) -> None:
        """See `Storage.watch`."""
        self._moved = moved

    def _tell(self, moves: Moves) -> None:
        if self._moved is not None:
            self._moved(moves)
