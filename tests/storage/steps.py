"""Random verbs as values: the steps that test_state_machine.py plays on two storages.

Pools are small, so that ids, unique keys and moments collide often.
"""

from typing import Any, Protocol

import msgspec
from hypothesis import strategies as st
from msgspec.structs import replace

from jsonrpc_qm.errors import QueueError
from jsonrpc_qm.record import Record
from jsonrpc_qm.storage.base import SWEEP_LIMIT, Claim, Filter, Sighting, Storage
from jsonrpc_qm.transitions import (
    Cancel,
    Complete,
    Event,
    Extend,
    Fail,
    Release,
    Retry,
    WorkerEvent,
)
from tests.records import a_record, take

IDS = ["a", "b", "c", "d", "e"]
NAMES = ["mail", "other"]
WORKERS = ["v", "w"]


class Step(Protocol):
    """A verb with its arguments, but for the storage and the moment."""

    def __call__(self, storage: Storage, now: int, /) -> Any: ...


# -- producers --------------------------------------------------------------------------------


class Draft(msgspec.Struct, frozen=True):
    """A new task, but for the moment it is queued at."""

    id: str
    fields: dict[str, Any]
    delay: int = 0

    def record(self, now: int) -> Record:
        fields = {**DEFAULTS, **self.fields, "run_at": now + self.delay}
        if "expires_at" in fields:
            fields["expires_at"] += now
        return a_record(self.id, now=now, **fields)


DEFAULTS: dict[str, Any] = {"max_attempts": 2, "max_lost": 1, "lease": 9}
FIELDS: list[dict[str, Any]] = [
    {},
    {"priority": 1},
    {"priority": -1, "parameters": '{"x":1,"y":2}'},
    {"parameters": '{"y":2, "x":1}', "max_attempts": 1},
    {"unique_key": "k"},
    {"unique_key": "k", "expires_at": 6},
    {"unique_key": "k", "max_lost": 0, "lease": 4},
    {"unique_key": "l", "timeout": 2, "backoff": '{"base":0}'},
    {"name": "other"},
    {"name": "other", "unique_key": "k", "priority": 1},
    {"timeout": 12, "max_attempts": 3, "backoff": '{"base":0.000004,"jitter":0.5}'},
    {"expires_at": 60, "lease": 30, "max_lost": 2},
]
"""What new tasks are like; `expires_at` counts from the moment they are queued at."""


def records(drafts: list[Draft], now: int) -> tuple[Record, ...]:
    """The tasks of some drafts."""
    return tuple(draft.record(now) for draft in drafts)


class Add(msgspec.Struct, frozen=True):
    groups: list[list[Draft]]

    def __call__(self, storage: Storage, now: int, /) -> Any:
        return storage.add([records(group, now) for group in self.groups], now)


ids = st.sampled_from(IDS)
names = st.sampled_from([*NAMES[:1] * 3, *NAMES[1:]])
drafts = st.builds(Draft, ids, st.sampled_from(FIELDS), st.sampled_from([0, 0, 0, -3, 5, 40]))
adds = st.builds(Add, st.lists(st.lists(drafts, max_size=4), min_size=1, max_size=3))


# -- workers ----------------------------------------------------------------------------------


class Take(msgspec.Struct, frozen=True):
    claims: list[Claim]

    def __call__(self, storage: Storage, now: int, /) -> Any:
        return storage.claim(self.claims, now)


asked = [("mail",), ("mail",), ("mail", "other"), ("other", "mail", "mail"), ("other",), ()]
claims = st.builds(
    Take,
    st.lists(
        st.builds(
            Claim,
            names=st.sampled_from(asked),
            worker=st.sampled_from([None, *WORKERS]),
            max_tasks=st.integers(1, 4),
            lease=st.sampled_from([None, None, 7]),
        ),
        min_size=1,
        max_size=3,
    ),
)


class Happening(msgspec.Struct, frozen=True):
    """An event, but for the moment and the token, which is the task's latest or an older one.

    `queue` counts for a Complete only.
    """

    event: Event
    stale: bool
    queue: list[Draft]

    def at(self, storage: Storage, now: int) -> Event:
        event = self.event
        [record] = storage.get([event.id])
        if isinstance(event, WorkerEvent) and record is not None:
            event = replace(event, token=record.token - self.stale)
        if isinstance(event, Complete):
            event = replace(event, queue=records(self.queue, now))
        return event


class Happen(msgspec.Struct, frozen=True):
    happenings: list[Happening]

    def __call__(self, storage: Storage, now: int, /) -> Any:
        return storage.transition([each.at(storage, now) for each in self.happenings], now)


delays = st.sampled_from([None, None, 0, 3, 20])
tokens = st.just(1)
events = st.one_of(
    st.builds(Complete, id=ids, token=tokens, result=st.sampled_from([None, '"done"'])),
    st.builds(
        Fail,
        id=ids,
        token=tokens,
        error=st.just('{"type":"E","message":""}'),
        retry=st.booleans(),
        delay=delays,
    ),
    st.builds(Release, id=ids, token=tokens, delay=delays),
    st.builds(
        Extend,
        id=ids,
        token=tokens,
        lease=st.sampled_from([None, 8]),
        progress=st.sampled_from([None, '"half"', '"half"']),
        has_progress=st.just(True),
    ),
    st.builds(Extend, id=ids, token=tokens),
    st.builds(Cancel, id=ids),
    st.builds(Retry, id=ids),
)
happenings = st.builds(
    Happening,
    events,
    stale=st.sampled_from([False] * 7 + [True]),
    queue=st.just([]) | st.lists(drafts, min_size=1, max_size=2),
)
transitions = st.builds(Happen, st.lists(happenings, min_size=1, max_size=6))


class CompleteAll(msgspec.Struct, frozen=True):
    """`complete`, then `transition` for what it left, which differs from storage to storage."""

    happenings: list[Happening]

    def __call__(self, storage: Storage, now: int, /) -> Any:
        outcomes = [each.at(storage, now) for each in self.happenings]
        completes = [each for each in outcomes if isinstance(each, Complete)]
        done = storage.complete(completes, now)
        left = [each for each, quick in zip(completes, done, strict=True) if not quick]
        refusals = [a for a in storage.transition(left, now) if isinstance(a, QueueError)]
        return [refusals, storage.get([each.id for each in completes])]


completions = st.builds(
    CompleteAll,
    st.lists(
        st.builds(
            Happening,
            st.builds(Complete, id=ids, token=tokens, result=st.sampled_from([None, '"done"'])),
            stale=st.sampled_from([False] * 7 + [True]),
            queue=st.just([]),
        ),
        min_size=1,
        max_size=12,
    ),
)


class Sweep(msgspec.Struct, frozen=True):
    limit: int

    def __call__(self, storage: Storage, now: int, /) -> Any:
        return storage.sweep(now, self.limit)


sweeps = st.builds(Sweep, st.sampled_from([1, 2, SWEEP_LIMIT]))


class Saw(msgspec.Struct, frozen=True):
    sightings: list[Sighting]

    def __call__(self, storage: Storage, now: int, /) -> Any:
        return storage.saw(self.sightings, now)


workers = st.sampled_from(WORKERS)
sightings = st.builds(
    Saw,
    st.lists(
        st.builds(Sighting, worker=workers, names=st.lists(names, max_size=2).map(tuple)),
        max_size=3,
    ),
)


# -- operators --------------------------------------------------------------------------------


class Delete(msgspec.Struct, frozen=True):
    ids: list[str]

    def __call__(self, storage: Storage, now: int, /) -> Any:
        return storage.delete(self.ids)


deletions = st.builds(Delete, st.lists(ids, min_size=1, max_size=3))


class Purge(msgspec.Struct, frozen=True):
    filter: Filter
    age: int | None
    limit: int

    def __call__(self, storage: Storage, now: int, /) -> Any:
        before = None if self.age is None else now - self.age
        return storage.purge(replace(self.filter, finished_before=before), self.limit)


purges = st.builds(
    Purge,
    st.builds(
        Filter,
        name=st.sampled_from([None, *NAMES]),
        status=st.sampled_from([None, "completed", "failed", "cancelled"]),
    ),
    age=st.sampled_from([None, 0, 10]),
    limit=st.integers(1, 3),
)


class Pause(msgspec.Struct, frozen=True):
    name: str
    paused: bool

    def __call__(self, storage: Storage, now: int, /) -> Any:
        return storage.pause(self.name, self.paused)


pauses = st.builds(Pause, names, st.sampled_from([True, False, False]))


class Drain(msgspec.Struct, frozen=True):
    worker: str

    def __call__(self, storage: Storage, now: int, /) -> Any:
        return storage.drain(self.worker, now)


drains = st.builds(Drain, workers)


class Forget(msgspec.Struct, frozen=True):
    age: int

    def __call__(self, storage: Storage, now: int, /) -> Any:
        return storage.forget_workers(now - self.age)


forgettings = st.builds(Forget, st.sampled_from([0, 10]))


class Load(msgspec.Struct, frozen=True):
    drafts: list[Draft]
    taken: bool
    """Whether a worker holds them."""

    def __call__(self, storage: Storage, now: int, /) -> Any:
        loaded = records(self.drafts, now)
        return storage.load([take(each, now, lease=9) if self.taken else each for each in loaded])


loads = st.builds(Load, st.lists(drafts, max_size=3), taken=st.booleans())

any_step: st.SearchStrategy[Step] = st.one_of(
    adds,
    claims,
    transitions,
    completions,
    sweeps,
    sightings,
    deletions,
    purges,
    pauses,
    drains,
    forgettings,
    loads,
)
