"""Every storage behaves like storage/memory.py, whatever is played on it."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from jsonrpc_qm.errors import QueueError
from jsonrpc_qm.storage.base import WORKER_GONE, Listing, Storage
from jsonrpc_qm.storage.memory import MemoryStorage
from tests.records import NOW
from tests.storage import steps
from tests.storage.conftest import STORAGES
from tests.storage.steps import IDS, Step
from tests.thoroughness import examples

LISTS = [(None, None), ("mail", None), (None, "queued"), ("other", "queued"), (None, "failed")]
"""The lists that are compared, by name and status."""


EXAMPLES = {"sqlite": 100}
FEWER_EXAMPLES = 15
"""For storages on a server, where each commit waits for a round trip and the disk."""

STEPS = 40


class Broken(Exception):
    """What goes wrong in the middle of a transaction."""


def comparable(answer: Any) -> Any:
    """An answer with its refusals in a form that compares."""
    if isinstance(answer, QueueError):
        return type(answer).__name__, answer.data
    if isinstance(answer, list):
        return [comparable(member) for member in answer]
    return answer


def play(storage: Storage, played: list[Step], now: int, *, breaks: bool) -> list[Any]:
    """What each step was answered, all in one transaction; a broken one is taken back."""
    answers: list[Any] = []
    try:
        with storage.transaction():
            for step in played:
                answers.append(step(storage, now))
            if breaks:
                # Whatever is asked after a claim: its answer is there then.
                storage.get(IDS)
                raise Broken
    except Broken:
        pass
    return [comparable(answer) for answer in answers]


def pages(storage: Storage, name: str | None, status: str | None) -> list[Any]:
    """A list, two records a page; cursors are each storage's own."""
    found = []
    cursor = None
    while True:
        page = storage.page(Listing(name=name, status=status), 2, cursor)
        found.append(page.records)
        cursor = page.next_cursor
        if cursor is None:
            return found


class SideBySide(RuleBasedStateMachine):
    """Plays the same steps on the specification and on another storage, and compares answers."""

    kind: ClassVar[str]
    """The other storage: one of STORAGES."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.specification = MemoryStorage()
        self.storage = STORAGES[self.kind](Path(self.folder.name))
        self.now = NOW

    def teardown(self) -> None:
        self.storage.close()
        self.folder.cleanup()

    def compare(self, *played: Step, breaks: bool = False) -> None:
        expected = play(self.specification, list(played), self.now, breaks=breaks)
        assert play(self.storage, list(played), self.now, breaks=breaks) == expected

    @rule(step=steps.adds)
    def add(self, step: Step) -> None:
        self.compare(step)

    @rule(step=steps.claims)
    def claim(self, step: Step) -> None:
        self.compare(step)

    @rule(step=steps.transitions | steps.completions)
    def transition(self, step: Step) -> None:
        self.compare(step)

    @rule(step=steps.sweeps | steps.deletions | steps.purges)
    def clean(self, step: Step) -> None:
        self.compare(step)

    @rule(step=steps.pauses | steps.sightings | steps.drains | steps.forgettings | steps.loads)
    def operate(self, step: Step) -> None:
        self.compare(step)

    @rule(played=st.lists(steps.any_step, min_size=2, max_size=4), breaks=st.booleans())
    def play_in_one_transaction(self, played: list[Step], breaks: bool) -> None:
        self.compare(*played, breaks=breaks)

    @rule(passed=st.sampled_from([1, 1, 2, 2, 5, 10, 30, WORKER_GONE, WORKER_GONE + 1]))
    def let_time_pass(self, passed: int) -> None:
        self.now += passed

    @invariant()
    def reads_agree(self) -> None:
        ours, theirs = self.storage, self.specification
        assert ours.get(IDS) == theirs.get(IDS)
        assert ours.dump(None, 99).records == theirs.dump(None, 99).records
        for name, status in LISTS:
            assert pages(ours, name, status) == pages(theirs, name, status)
        assert ours.stats(self.now) == theirs.stats(self.now)
        assert ours.workers() == theirs.workers()
        # Looks without moving anything: what is ready, and what is due next.
        self.compare(steps.Sweep(limit=0))


# When it fails, looking for a short example takes a while.
@pytest.mark.timeout(600)
@pytest.mark.parametrize("of", [kind for kind in STORAGES if kind != "memory"])
def test_a_storage_behaves_like_the_specification(of: str) -> None:
    """Random verbs, alone and several in a transaction, are answered and stored alike."""

    class OfThisKind(SideBySide):
        kind = of

    run_state_machine_as_test(
        OfThisKind,
        settings=settings(
            max_examples=examples(EXAMPLES.get(of, FEWER_EXAMPLES)),
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
