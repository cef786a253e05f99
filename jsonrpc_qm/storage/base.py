"""The seam: what every storage does, in verbs of the domain.

Verbs are plain, synchronous, and take and give lists, so that a batch costs a few statements. A
verb never commits: `with storage.transaction():` around any number of verbs does. Refusals are
values in the answer (a QueueError in the place of a record), so one refused member holds nothing
back; an exception means that nothing of the transaction happened. Time comes in as an argument, in
microseconds. `storage/memory.py` is the executable specification.
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec

from jsonrpc_qm.errors import QueueError, Unavailable
from jsonrpc_qm.record import Record
from jsonrpc_qm.storage.moves import Moves
from jsonrpc_qm.transitions import Complete, Event

SWEEP_LIMIT = 500
"""How many due tasks one sweep moves; more wait for the next sweep or claim."""


MOST_SEARCHED = 10_000
"""How many tasks a page of a search looks at."""

SEARCHED_AT_ONCE = 1_000
"""How many of them are read together."""


class Overtaken(Unavailable):
    """Unavailable

    Another transaction was in the way of this one, of which nothing has happened: run it again.
    """


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A worker's wish for tasks."""

    names: tuple[str, ...]
    worker: str | None = None
    max_tasks: int = 1
    lease: int | None = None
    """Microseconds; None for each task's own."""


class Swept(msgspec.Struct, frozen=True, kw_only=True):
    """What a sweep found."""

    records: list[Record]
    """The tasks it moved, as they are now."""
    ready: dict[str, int]
    """How many tasks each name has that a claim could take now; names with none, and paused
    ones, are left out."""
    next_due: int | None
    """When time alone changes a task next; at most `now` when more are due already."""


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a list."""

    records: list[Record]
    next_cursor: str | None


Reach = Callable[[str], bool]
"""Whether somebody may see the tasks of a name."""


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """Which tasks a list has; by default all."""

    name: str | None = None
    reach: Reach | None = None
    """Only tasks of these names: no others are looked at, so they change nothing about a page."""
    status: str | None = None
    """A public one."""
    text: str | None = None
    """What the id, or the parameters as compact JSON, have in them."""
    since: int | None = None
    """Stored at this moment or later."""
    until: int | None = None
    """Stored before this moment."""

    @property
    def is_search(self) -> bool:
        """Whether name and status are not all that counts, so that tasks have to be looked at."""
        return (self.text, self.since, self.until) != (None, None, None)

    def matches(self, record: Record) -> bool:
        """Whether a task meets the conditions of a search."""
        texts = (record.id, record.parameters or "null")
        return (
            (self.text is None or any(self.text in text for text in texts))
            and (self.since is None or record.created_at >= self.since)
            and (self.until is None or record.created_at < self.until)
        )


class NameStats(msgspec.Struct, kw_only=True):
    """How many tasks of one name are in each state."""

    queued: int = 0
    """Due now."""
    scheduled: int = 0
    """Queued with `run_at` ahead."""
    started: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    oldest_queued_age: float | None = None
    """Seconds since the `run_at` of the one that has been due longest; None when none is due."""
    paused: bool = False


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """A worker was heard of."""

    worker: str
    names: tuple[str, ...] = ()
    """What it asked for; empty when it did not ask (a heartbeat), which changes no names."""


class WorkerRow(msgspec.Struct, frozen=True, kw_only=True):
    """A worker as the storage remembers it."""

    worker: str
    names: tuple[str, ...]
    last_seen: int
    running: int
    """How many tasks it holds."""
    drain: bool


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which finished tasks to purge."""

    name: str | None = None
    status: str | None = None
    finished_before: int | None = None
    """A moment; None for all."""


class News(msgspec.Struct, frozen=True, kw_only=True):
    """What managers on one storage tell each other."""

    due: dict[str, int] = {}
    """How many tasks of each name have become due."""
    finished: list[str] = []
    """The ids of tasks that have finished."""
    drained: list[str] = []
    """The workers that were asked to drain."""
    more: bool = False
    """There is more to tell than one message holds: look for yourself."""


class Parts(Protocol):
    """What a storage is divided into. What concerns one part is quickest in a transaction that has
    nothing of another one.
    """

    count: int
    """They are numbered from 0 on."""

    def of_name(self, name: str) -> int:
        """The part that holds all tasks of a name."""

    def of_id(self, id: str) -> int:
        """The part that knows where a task is; as a rule it holds it."""

    def together(self, calls: Sequence[Callable[[], None]]) -> None:
        """Make some calls, each about another part, side by side."""

    def transaction(self, parts: Collection[int]) -> AbstractContextManager[None]:
        """Like `Storage.transaction`, for verbs that are, as far as one knows, about these parts.

        A sweep before a claim is left to other transactions where other parts are concerned. With
        several parts, claims in a transaction that does nothing else may happen in some of them
        and not in others, and take tasks in another order while others claim, too.
        """


class Storage(Protocol):
    """What keeps the tasks. Verbs may raise Unavailable; `announce` and `close` do not."""

    url: str
    """Where it is, without credentials."""

    shared: bool
    """Whether several managers may work on it, which tell each other news."""

    writers: int
    """How many transactions gain from running side by side; 1 unless it is shared."""

    @property
    def parts(self) -> Parts | None:
        """Into what it is divided; None for those that are not."""

    def now(self) -> int:
        """The storage's clock, in microseconds. Leases are judged by it."""

    def transaction(self) -> AbstractContextManager[None]:
        """All verbs inside happen together, and are on stable storage when it ends, or not at all.

        Verbs that write must run inside one. Transactions do not nest. One may end with
        Overtaken.
        """

    def add(self, groups: Sequence[Sequence[Record]], now: int) -> list[list[Record] | QueueError]:
        """Store new tasks; each group wholly or not at all, groups apart from each other.

        For each group its records in order, or the Conflict that held it back. An id that exists
        with equal name and parameters, and a unique key that an unfinished task of the name has,
        give the stored record instead of a new one.
        """

    def claim(self, claims: Sequence[Claim], now: int) -> list[list[Record]]:
        """Take due tasks for each claim in turn: highest priority, then oldest run_at, then first
        stored, across all its names but paused ones.

        Does a sweep first, so that what is ripe, lost or expired by now counts as such. Each record
        is taken by one claim only and carries a token larger than any that it had. One that has
        expired is not taken, even if more was due than the sweep moved. A claim that finds nothing
        gets an empty list, and so does one of a worker that is asked to drain.

        A storage may fill the lists only when it is asked anything else, or the transaction ends.
        """

    def transition(self, events: Sequence[Event], now: int) -> list[Record | QueueError]:
        """Apply each event to its task, each a conditional write of its own, in order: each sees
        what those before it did to any task, and nothing of those after it.

        For each event the record as it is then, or the refusal: TaskNotFound, LeaseLost,
        InvalidState; Conflict when a retry meets another holder of its unique key, or when one of
        a Complete's follow-up tasks does. A Complete's tasks are stored with it, or neither is;
        its own unique key is free for them. An outcome sent again stores nothing.
        """

    def complete(self, outcomes: Sequence[Complete], now: int) -> list[bool]:
        """Complete tasks for callers that need no record of it: `transition` in the simplest case.

        True for each that is done; False for one that is untouched and left for `transition`. Done
        are only tasks that are started, by the token of their running claim, with no tasks to
        follow and no other outcome in the list; a storage may leave those too.
        """

    def sweep(self, now: int, limit: int = SWEEP_LIMIT) -> Swept:
        """Move up to `limit` tasks that time alone has changed, those due longest first, then those
        stored first. With the limit 0 it moves nothing and tells the rest.
        """

    def delete(self, ids: Sequence[str]) -> list[bool | QueueError]:
        """Delete finished tasks: True, TaskNotFound or InvalidState for each."""

    def purge(self, filter: Filter, limit: int) -> int:
        """Delete up to `limit` finished tasks that match, and say how many; those that finished
        longest ago first.
        """

    def pause(self, name: str, paused: bool) -> None:
        """Stop or resume claims of a name; doing so twice changes nothing."""

    def saw(self, sightings: Sequence[Sighting], now: int) -> list[bool]:
        """Remember that workers were heard of; for each whether it is asked to drain.

        A worker not heard of for WORKER_GONE starts anew, without its drain.
        """

    def drain(self, worker: str, now: int) -> bool:
        """Ask a worker to finish what it has and stop; False when it is not known, or gone."""

    def forget_workers(self, before: int) -> None:
        """Forget the workers last seen before that moment."""

    def get(self, ids: Sequence[str]) -> list[Record | None]:
        """The tasks, None for one that is not there."""

    def page(self, listing: Listing, limit: int, cursor: str | None) -> Page:
        """Tasks, the last stored first, from after the cursor on.

        One that is there, and meets the conditions, the whole time while pages are read one after
        the other is on one of them, once, whatever others do to it. None has another status than
        the one that is asked for.

        A page of a search may be short, or empty, and have a cursor: it has looked at
        MOST_SEARCHED tasks by then. Where tasks were not stored in the order of `created_at`, a
        search by time may pass over some.

        Raises:
            InvalidParams: the cursor is none of ours.
        """

    def stats(self, now: int) -> dict[str, NameStats]:
        """For each name that has a task or is paused; cheap at any size."""

    def workers(self) -> list[WorkerRow]:
        """All remembered workers by name."""

    def dump(self, cursor: str | None, limit: int) -> Page:
        """All tasks, `limit` at a time and those stored first before others, each with all its
        fields; from the beginning, or on from the cursor that the call before gave.

        Where a storage keeps no order across names, it keeps that within each name.
        """

    def load(self, records: Sequence[Record]) -> list[bool | QueueError]:
        """Store tasks as they are, with all their fields, in this order behind those that are
        there; for copies, so nothing about them is decided anew, and nobody is told.

        For each True; False when the very same, each field equal, is there already; Conflict when
        another task has its id or, both unfinished, its unique key; or InvalidParams when the
        storage can't keep it.
        """

    def changes(self) -> int:
        """A number that differs after another process has changed something; cheap to ask.

        Constant for storages whose managers tell each other instead.
        """

    def announce(self, news: News) -> None:
        """Tell the other managers on this storage, soon, without waiting. It may be lost."""

    def subscribe(self, heard: Callable[[News], None]) -> None:
        """Have `heard` called with the news of other managers, in any thread, until `close`."""

    def watch(self, moved: Callable[[Moves], None]) -> None:
        """Have `moved` called, instead of what was given before, with what each transaction has
        done to tasks: once it is on stable storage, in the thread that has carried it out.
        """

    def close(self) -> None:
        """Release the calling thread's and the shared resources; a second call does nothing."""


WORKER_GONE = 60_000_000
"""After this many microseconds without a word a worker counts as gone."""
