"""How much room a task takes."""

from collections.abc import Mapping
from typing import Protocol

from msgspec.structs import replace

from benchmarks.plan import Plan
from benchmarks.prefill import OLD_TASKS, prefill
from benchmarks.row import Row


class Place(Protocol):
    """Where storages are made and measured."""

    def create(self, name: str) -> str:
        """The URL of a new storage."""

    def room(self, name: str) -> Mapping[str, int]:
        """Bytes that a storage occupies, by where."""


def a_task(place: Place, plan: Plan) -> list[Row]:
    """Bytes of a finished task, on disk and where it differs in memory, beside a queued one."""
    queued = _bytes(place, "sized1", replace(plan, queued=plan.sized, scheduled=0, finished=0))
    finished = _bytes(place, "sized2", replace(plan, queued=0, scheduled=0, finished=plan.sized))
    return [
        Row(
            key="size",
            what=f"a finished task {where}",
            unit="bytes",
            figure=size,
            target=None,
            note=f"a queued one {queued[where]:,.0f}; {plan.sized:,} of each",
        )
        for where, size in finished.items()
    ]


def _bytes(place: Place, name: str, plan: Plan) -> dict[str, float]:
    """Bytes a task, once the storage is closed."""
    url = place.create(name)
    before = place.room(name)
    prefill(url, plan)
    tasks = OLD_TASKS + plan.sized
    return {where: (size - before[where]) / tasks for where, size in place.room(name).items()}
