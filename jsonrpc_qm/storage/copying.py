"""All tasks of one storage, copied into another."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from jsonrpc_qm.errors import QueueError
from jsonrpc_qm.record import Record
from jsonrpc_qm.storage.base import Page, Storage

BATCH = 1000
"""Tasks that are read, and stored in one transaction, at a time."""

COUNTS = ("queued", "scheduled", "started", "completed", "failed", "cancelled")

"""The states that `stats` counts."""

Counts = Counter[tuple[str, str]]
"""How many tasks there are by name and state."""


class NotACopy(Exception):
    """The target has something that the source has not or has otherwise, or can't keep."""


@dataclass(frozen=True)
class Copied:
    """What a copy has come to."""

    tasks: int
    """How many the target has."""
    stored: int
    """How many of them were not there before."""
    paused: int
    """How many names are paused."""
    differences: list[str]
    """Where the two do not have equally many tasks of a name in a state, a line each."""


def total(storage: Storage) -> int:
    """How many tasks a storage has."""
    return _counted(storage).total()


def copy(source: Storage, target: Storage, on_progress: Callable[[int], object]) -> Copied:
    """Copy all tasks, each with all its fields, in their order, and which names are paused.

    Nobody else may write to either meanwhile. The target must be empty, or have part of a copy that
    was cut short: what is there is left as it is. `on_progress` gets how many tasks are done.

    Raises:
        NotACopy: the target has something else in it, and stays as it is; or it does not take one
            of the tasks, before which the copy has stopped.
        Unavailable: one of them can't be used. Copying again goes on from there.
    """
    resumed = _check(source, target)
    sent: Counts = Counter()
    stored = 0
    for records in _batches(source):
        missing = _missing(target, records) if resumed else records
        _load(source, target, missing)
        stored += len(missing)
        sent.update((record.name, record.status) for record in records)
        on_progress(sent.total())
    paused = _paused(source)
    with target.transaction():
        for name in sorted(paused):
            target.pause(name, True)
    there = Counter(
        (record.name, record.status) for records in _batches(target) for record in records
    )
    differences = [
        *_differing(source, sent, target, there),
        *_differing(source, _counted(source), target, there),
        *_differing(source, sent, target, _counted(target)),
    ]
    return Copied(there.total(), stored, len(paused), list(dict.fromkeys(differences)))


def _batches(storage: Storage) -> Iterator[list[Record]]:
    page = Page(records=[], next_cursor=None)
    while True:
        page = storage.dump(page.next_cursor, BATCH)
        yield page.records
        if page.next_cursor is None:
            return


def _check(source: Storage, target: Storage) -> bool:
    """Whether the target has some of the source's tasks already."""
    found = False
    for records in _batches(target):
        found = found or bool(records)
        for there, here in zip(records, source.get([r.id for r in records]), strict=True):
            if here != there:
                how = "is not in" if here is None else "differs from that in"
                raise NotACopy(
                    f"{target.url} is not empty, and its task {there.id} {how} {source.url}"
                )
    for name in sorted(_paused(target) - _paused(source)):
        raise NotACopy(f"{target.url} is not empty: {name} is paused in it")
    return found


def _missing(target: Storage, records: list[Record]) -> list[Record]:
    there = target.get([record.id for record in records])
    return [record for record, known in zip(records, there, strict=True) if known is None]


def _load(source: Storage, target: Storage, records: list[Record]) -> None:
    with target.transaction():
        for record, answer in zip(records, target.load(records), strict=True):
            if isinstance(answer, QueueError):
                raise NotACopy(f"{target.url} does not take {record.id} of {source.url}: {answer}")


def _paused(storage: Storage) -> set[str]:
    return {name for name, stats in storage.stats(storage.now()).items() if stats.paused}


def _counted(storage: Storage) -> Counts:
    """How many tasks the storage says it has of each name in each state."""
    counted: Counts = Counter()
    # At that moment nothing that is scheduled is due.
    for name, stats in storage.stats(0).items():
        counted.update({(name, count): getattr(stats, count) for count in COUNTS})
    return counted


def _differing(source: Storage, here: Counts, target: Storage, there: Counts) -> Iterator[str]:
    for name, status in sorted(here.keys() | there.keys()):
        if here[name, status] != there[name, status]:
            yield (
                f"{name}, {status}: {here[name, status]} in {source.url}, "
                f"{there[name, status]} in {target.url}"
            )
