"""Calls that are divided, as on a storage in parts, have the same outcome as undivided ones."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from jsonrpc_qm.division import Division
from jsonrpc_qm.errors import QueueError
from jsonrpc_qm.record import Record
from jsonrpc_qm.storage.base import WORKER_GONE, Claim, Sighting, Storage
from jsonrpc_qm.storage.memory import MemoryStorage
from jsonrpc_qm.storage.redis import RedisStorage
from jsonrpc_qm.transitions import Complete, Event, Extend, Fail, Release
from tests.records import NOW
from tests.storage import steps
from tests.storage.conftest import empty_redis
from tests.storage.steps import IDS
from tests.storage.test_state_machine import comparable, pages
from tests.storage.verbs import wanting
from tests.thoroughness import examples


class AtMoment:
    """A storage at the moment `at`."""

    def __init__(self, storage: RedisStorage) -> None:
        self._storage = storage
        self.at = NOW

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def now(self) -> int:
        return self.at


class InParts:
    """A storage on which each call is divided, as the server does it."""

    def __init__(self, storage: RedisStorage) -> None:
        self._storage = storage
        self.clock = AtMoment(storage)
        self._division = Division(cast(Storage, self.clock))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def transaction(self) -> AbstractContextManager[None]:
        """There is one for each part, later on."""
        return nullcontext()

    def _execute(self, verb: str, items: Sequence[Any], now: int | None = None) -> list[Any]:
        self.clock.at = self.clock.at if now is None else now
        [answers] = self._division.execute([wanting(verb, *items)])
        if isinstance(answers, QueueError):
            raise answers
        return answers[0]

    def add(self, groups: Sequence[Sequence[Record]], now: int) -> list[Any]:
        """Each as a call of its own."""
        return [self._execute("add", [group], now)[0] for group in groups]

    def transition(self, events: Sequence[Event], now: int) -> list[Any]:
        """Together where calls can have them together: if they are about different tasks, and none
        can be in another one's way."""
        apart = all(isinstance(each, Complete | Fail | Release | Extend) for each in events)
        if apart and len({event.id for event in events}) == len(events):
            return self._execute("transition", events, now)
        return [self._execute("transition", [event], now)[0] for event in events]

    def complete(self, outcomes: Sequence[Complete], now: int) -> list[bool]:
        if len({outcome.id for outcome in outcomes}) < len(outcomes):
            return [False] * len(outcomes)
        return [not isinstance(a, QueueError) for a in self._execute("complete", outcomes, now)]

    def claim(self, claims: Sequence[Claim], now: int) -> list[Any]:
        self.sweep(now)
        return [self._execute("claim", [each], now)[0] for each in claims]

    def sweep(self, now: int, limit: int = 500) -> Any:
        return self._execute("sweep", [limit], now)[0]

    def delete(self, ids: Sequence[str]) -> list[Any]:
        return self._execute("delete", ids)

    def pause(self, name: str, paused: bool) -> None:
        self._execute("pause", [(name, paused)])

    def saw(self, sightings: Sequence[Sighting], now: int) -> list[Any]:
        return self._execute("saw", sightings, now)

    def drain(self, worker: str, now: int) -> Any:
        return self._execute("drain", [worker], now)[0]

    def forget_workers(self, before: int) -> None:
        self._execute("forget", [(before,)])

    def purge(self, filter: Any, limit: int) -> int:
        with self._storage.transaction():
            return self._storage.purge(filter, limit)

    def load(self, records: Sequence[Record]) -> list[Any]:
        with self._storage.transaction():
            return self._storage.load(records)


class Divided(RuleBasedStateMachine):
    """Plays calls on the specification, and on a cluster with each call divided."""

    def __init__(self) -> None:
        super().__init__()
        self.specification = MemoryStorage()
        self.storage = InParts(empty_redis("cluster"))
        self.now = NOW

    def teardown(self) -> None:
        self.storage.close()

    @rule(step=steps.any_step)
    def call(self, step: steps.Step) -> None:
        self.storage.clock.at = self.now
        with self.specification.transaction():
            expected = step(self.specification, self.now)
        answer = step(cast(Storage, self.storage), self.now)
        assert comparable(answer) == comparable(expected)

    @rule(passed=st.sampled_from([1, 2, 5, 10, 30, WORKER_GONE + 1]))
    def let_time_pass(self, passed: int) -> None:
        self.now += passed

    @invariant()
    def reads_agree(self) -> None:
        ours, theirs = cast(Storage, self.storage), self.specification
        assert ours.get(IDS) == theirs.get(IDS)
        assert pages(ours, None, None) == pages(theirs, None, None)
        assert ours.stats(self.now) == theirs.stats(self.now)
        assert ours.workers() == theirs.workers()


@pytest.mark.timeout(600)
def test_divided_calls_do_what_undivided_ones_do() -> None:
    """Also with ids of clients', whose home is in another part than their task."""
    run_state_machine_as_test(
        Divided,
        settings=settings(
            max_examples=examples(15),
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
