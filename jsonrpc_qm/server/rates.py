"""How many tasks of each name came and went over the last hour, in memory: `rates`."""

import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from jsonrpc_qm.answers import NameRates, Rates
from jsonrpc_qm.storage.moves import NEW, Moves
from jsonrpc_qm.task import FINISHED

STEP = 10.0
"""Seconds of a step."""

STEPS = 360
"""How many steps are remembered: an hour."""

_Step = dict[str, list[int]]
"""How many tasks were queued and finished, by name."""


class RateBook:
    """Counts what passes this manager. Any thread may add to it."""

    def __init__(
        self, label: Callable[[str], str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`label` folds names, so that there is a bound; `clock` tells seconds."""
        self._label = label
        self._clock = clock
        self._lock = threading.Lock()
        self._steps: deque[_Step] = deque([{}], STEPS + 1)
        """The last one is under way."""
        self._begun = clock()

    def moved(self, moves: Moves) -> None:
        """A transaction has done this to tasks."""
        with self._lock:
            step = self._current()
            for (name, before, after), tasks in moves.tasks.items():
                if before == NEW or after in FINISHED:
                    counts = step.setdefault(self._label(name), [0, 0])
                    counts[0 if before == NEW else 1] += tasks

    def rates(self, name: str | None = None) -> Rates:
        """The steps that have ended, of one name or of all that had tasks."""
        with self._lock:
            self._current()
            *ended, _ = self._steps
            past = self._clock() - self._begun
        names = {each for step in ended for each in step if name in (None, each)}
        none = [0, 0]
        return Rates(
            interval=STEP,
            until=datetime.now(UTC) - timedelta(seconds=past),
            names={
                each: NameRates(
                    queued=[step.get(each, none)[0] for step in ended],
                    finished=[step.get(each, none)[1] for step in ended],
                )
                for each in sorted(names)
            },
        )

    def _current(self) -> _Step:
        """The step that is under way."""
        ended = int((self._clock() - self._begun) // STEP)
        for _ in range(min(ended, STEPS + 1)):
            self._steps.append({})
        self._begun += ended * STEP
        return self._steps[-1]
