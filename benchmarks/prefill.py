"""Fills a storage with many tasks by the storage's own verbs, without a server."""

import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TypeVar

from msgspec.structs import replace

from benchmarks.calls import PARAMETERS
from benchmarks.plan import Plan
from benchmarks.show import progress
from jsonrpc_qm.ids import new_id
from jsonrpc_qm.operations import Rules
from jsonrpc_qm.params import QueueParams
from jsonrpc_qm.record import Record
from jsonrpc_qm.storage.base import Claim, Storage
from jsonrpc_qm.storage.urls import open_storage
from jsonrpc_qm.transitions import Complete

CROWDED = "crowded"
"""The name that nine of ten tasks have; claims are measured with it."""

OTHERS = tuple(f"other-{number}" for number in range(20))
"""The names of the rest."""

OLD = "old"
"""A name whose tasks were the first to be stored, and have waited since."""

OLD_TASKS = 200

BATCH = 5_000
"""Tasks of one transaction."""

CLAIMED = 1_000

HOUR = 3600 * 1_000_000
"""In microseconds."""

T = TypeVar("T")


def prefill(url: str, plan: Plan) -> None:
    """Store finished tasks, then scheduled ones, then queued ones."""
    start = time.monotonic()
    storage = open_storage(url)
    try:
        tasks = _Tasks(storage)
        _add(storage, tasks.due([OLD], OLD_TASKS))
        _add(storage, tasks.due(_names(), plan.finished))
        _finish(storage, plan.finished)
        _add(storage, tasks.scheduled(_names(), plan.scheduled))
        _add(storage, tasks.due(_names(), plan.queued))
    finally:
        storage.close()
    number = OLD_TASKS + plan.finished + plan.scheduled + plan.queued
    progress(f"{number:,} tasks stored in {time.monotonic() - start:.0f} s")


def _names() -> Sequence[str]:
    crowd = [CROWDED] * 9
    return [name for other in OTHERS for name in (*crowd, other)]


class _Tasks:
    """Makes records as the manager does, from few that it made."""

    def __init__(self, storage: Storage) -> None:
        self._now = storage.now
        rules = Rules(storage.now)
        self._made = [
            rules.new_task(QueueParams("made", parameters=parameters), storage.now())
            for parameters in PARAMETERS
        ]

    def due(self, names: Sequence[str], number: int) -> Iterator[Record]:
        """Tasks to be taken now, in their order."""
        for place in range(number):
            now = self._now()
            yield self._task(names, place, now, run_at=now)

    def scheduled(self, names: Sequence[str], number: int) -> Iterator[Record]:
        """Tasks that are due in the next days, not before an hour."""
        for place in range(number):
            now = self._now()
            run_at = now + HOUR + place % 72 * HOUR
            yield self._task(names, place, now, run_at=run_at, due_at=run_at, status="scheduled")

    def _task(self, names: Sequence[str], place: int, now: int, **changes: object) -> Record:
        name = names[place % len(names)]
        return replace(
            self._made[place % len(self._made)],
            id=new_id(name),
            name=name,
            created_at=now,
            updated_at=now,
            **changes,
        )


def _add(storage: Storage, records: Iterator[Record]) -> None:
    for batch in _batches(records, BATCH):
        with storage.transaction():
            storage.add([batch], storage.now())


def _finish(storage: Storage, tasks: int) -> None:
    """Claim and complete the tasks that are due, but for the old ones."""
    claim = Claim(names=(CROWDED, *OTHERS), max_tasks=CLAIMED)
    finished = 0
    while finished < tasks:
        with storage.transaction():
            claimed = storage.claim([claim] * 5, storage.now())
        taken = [record for records in claimed for record in records]
        if not taken:
            raise RuntimeError(f"{tasks - finished:,} tasks can't be claimed")
        with storage.transaction():
            done = [Complete(id=record.id, token=record.token) for record in taken]
            storage.transition(done, storage.now())
        finished += len(taken)


def _batches(items: Iterator[T], size: int) -> Iterator[list[T]]:
    while batch := list(islice(items, size)):
        yield batch
