"""What the manager counts about itself, as plain numbers; metrics_text.py makes metrics of them.

The storage tells what each transaction has done, so counting costs a few steps a transaction, not a
task. Histograms of tasks are kept by name, and names are bounded.
"""

import threading
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import partial

from jsonrpc_qm.answers import OTHER_NAMES
from jsonrpc_qm.moments import SECOND
from jsonrpc_qm.storage.moves import Moves

Labels = tuple[str, ...]
"""The values of a metric's labels."""

MOST_NAMES = 1000
"""How many task names keep a label of their own."""

OTHER = OTHER_NAMES
"""The label of all other names, and of tasks that are really named so."""

TASK_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)
REQUEST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 60)
COMMIT_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
COMMIT_OPERATIONS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)
"""The upper bounds of histograms' buckets."""


class Names:
    """Folds the names of tasks: the first MOST_NAMES that are seen stay, the rest are OTHER."""

    def __init__(self, most: int = MOST_NAMES) -> None:
        self._most = most
        self._labels: dict[str, str] = {OTHER: OTHER}

    def label(self, name: str) -> str:
        """What stands for a name, from now on."""
        label = self._labels.get(name)
        if label is None:
            if len(self._labels) > self._most:
                return OTHER
            label = self._labels[name] = name
        return label

    @property
    def kept(self) -> list[str]:
        """The names that were seen and have labels of their own."""
        return list(self._labels)[1:]


class Histogram:
    """How often something was how large; bounds are those of the buckets, from below."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        """Each bucket's own; the last is beyond all bounds."""
        self.total = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        """It was that large, so many times."""
        self.counts[bisect_left(self.bounds, value)] += times
        self.total += value * times

    def observe_since(self, begins: Sequence[int], now: int) -> None:
        """It took from each of these moments until now; there is at least one."""
        shortest, longest = now - max(begins), now - min(begins)
        bucket = bisect_left(self.bounds, shortest / SECOND)
        if shortest >= 0 and bucket == bisect_left(self.bounds, longest / SECOND):
            # Tasks that are claimed together have mostly waited alike.
            self.counts[bucket] += len(begins)
            self.total += (now * len(begins) - sum(begins)) / SECOND
        else:
            for begin in begins:
                # A clock that was set back must not make the total less.
                self.observe(max(0, now - begin) / SECOND)

    def copy(self) -> "Histogram":
        """It as it is now."""
        copied = Histogram(self.bounds)
        copied.counts = self.counts.copy()
        copied.total = self.total
        return copied


class Metrics:
    """The counts of one manager. Any thread may add to them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.names = Names()
        self.transitions: Counter[Labels] = Counter()
        """By name, status before and status after."""
        self.lost: Counter[str] = Counter()
        """Leases that expired, by name."""
        self.queue_seconds = _by_key(TASK_SECONDS)
        self.run_seconds = _by_key(TASK_SECONDS)
        """By name."""
        self.requests: Counter[Labels] = Counter()
        """By method and error; an empty one for none."""
        self.request_seconds = _by_key(REQUEST_SECONDS)
        """By method."""
        self.commit_operations = Histogram(COMMIT_OPERATIONS)
        self.commit_seconds = Histogram(COMMIT_SECONDS)
        self.storage_errors: Counter[str] = Counter({"read": 0, "write": 0})
        """By what was tried."""

    def moved(self, moves: Moves) -> None:
        """A transaction has done this to tasks."""
        label = self.names.label
        with self._lock:
            for (name, before, after), tasks in moves.tasks.items():
                self.transitions[label(name), before, after] += tasks
            for name, leases in moves.lost.items():
                self.lost[label(name)] += leases
            for (name, micros), attempts in moves.ran.items():
                self.run_seconds[label(name)].observe(micros / SECOND, attempts)
            if moves.claimed:
                # All of a transaction are claimed at the same moment.
                now = moves.claimed[0].started_at or 0
                for name, due in _due(moves):
                    self.queue_seconds[label(name)].observe_since(due, now)

    def committed(self, operations: int, seconds: float) -> None:
        """So many operations shared a transaction, which took so long."""
        with self._lock:
            self.commit_operations.observe(operations)
            self.commit_seconds.observe(seconds)

    def storage_failed(self, tried: str) -> None:
        """A "read" or a "write" found that the storage can't be used, or broke it."""
        with self._lock:
            self.storage_errors[tried] += 1

    def requested(self, method: str, error: str, seconds: float) -> None:
        """A method was called, and answered after so long with that error, or an empty one."""
        with self._lock:
            self.requests[method, error] += 1
            self.request_seconds[method].observe(seconds)

    def refused(self, error: str) -> None:
        """Something was no request, or called no method there is."""
        with self._lock:
            self.requests[UNKNOWN, error] += 1

    def copy(self) -> "Metrics":
        """All counts as they are at one moment; the names go on being shared."""
        copied = Metrics()
        with self._lock:
            copied.names = self.names
            copied.transitions = self.transitions.copy()
            copied.lost = self.lost.copy()
            copied.requests = self.requests.copy()
            copied.storage_errors = self.storage_errors.copy()
            copied.commit_operations = self.commit_operations.copy()
            copied.commit_seconds = self.commit_seconds.copy()
            for mine, theirs in (
                (self.queue_seconds, copied.queue_seconds),
                (self.run_seconds, copied.run_seconds),
                (self.request_seconds, copied.request_seconds),
            ):
                theirs.update((key, histogram.copy()) for key, histogram in mine.items())
        return copied


UNKNOWN = "unknown"
"""Stands for the method of what names none that there is."""


def _by_key(bounds: Sequence[float]) -> defaultdict[str, Histogram]:
    return defaultdict(partial(Histogram, bounds))


def _due(moves: Moves) -> Iterable[tuple[str, list[int]]]:
    """When claimed tasks had become due, by name."""
    names = [name for name, _, after in moves.tasks if after == "started"]
    if len(names) == 1:
        return [(names[0], [record.run_at for record in moves.claimed])]
    due: dict[str, list[int]] = defaultdict(list)
    for record in moves.claimed:
        due[record.name].append(record.run_at)
    return due.items()
