"""Copies from one storage to another: `dump`, `load`, and what `jsonrpc-qm copy` does with them."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import NoneType

import pytest
from msgspec.structs import replace

from jsonrpc_qm.errors import Conflict, QueueError
from jsonrpc_qm.record import FIELDS, Record
from jsonrpc_qm.storage import copying
from jsonrpc_qm.storage.base import Storage
from jsonrpc_qm.storage.copying import Copied, NotACopy, copy, total
from jsonrpc_qm.storage.memory import MemoryStorage
from jsonrpc_qm.transitions import Cancel, Complete, Extend, Fail, Release
from tests.records import ERROR, HOUR, NOW, a_record
from tests.storage.conftest import STORAGES
from tests.storage.verbs import (
    ALL,
    add,
    changed,
    claim,
    completed,
    get,
    pause,
    saw,
    started,
    stored_in,
)

Pair = tuple[Storage, Storage]


def load(storage: Storage, *records: Record) -> list[bool | QueueError]:
    with storage.transaction():
        return storage.load(records)


def fill(storage: Storage) -> None:
    """Tasks in every state, with every field set in some, not stored in the order of their ids."""
    add(storage, a_record("z", priority=3, metadata='{"a": "b"}', parameters='{"x":[1.0,"ü"]}'))
    started(storage, "failed-once", name="retried", backoff='{"base":1}')
    claimed = get(storage, "failed-once")
    assert claimed is not None
    changed(storage, Fail(id="failed-once", token=claimed.token, error=ERROR, delay=HOUR))
    completed(storage, "done", name="done")
    taken = started(storage, "held", name="held", timeout=HOUR, unique_key="k")
    extend = Extend(id="held", token=taken.token, progress="0.5")
    changed(storage, extend, now=NOW + 1)
    changed(storage, Cancel(id="held"))
    released = started(storage, "released", name="released", unique_key="other", max_lost=9)
    changed(storage, Release(id="released", token=released.token, delay=0))
    add(storage, a_record("later", run_at=NOW + HOUR, expires_at=NOW + 2 * HOUR))
    add(storage, a_record("cancelled", unique_key="k"))
    changed(storage, Cancel(id="cancelled"))
    add(storage, a_record("again", unique_key="k"))
    given_up = started(storage, "given-up", name="given-up", unique_key="k")
    changed(
        storage, Fail(id="given-up", token=given_up.token, error=ERROR, retry=False), now=NOW + 2
    )
    add(storage, a_record("a"))
    pause(storage, "mail")
    pause(storage, "nobody's")
    saw(storage, "w", "mail")


PAIRS = dict.fromkeys(
    pair
    for kind in STORAGES
    for other in ("memory", "sqlite")
    for pair in ((kind, other), (other, kind))
)
"""Each kind of storage with those that need no server, in both directions."""


@pytest.fixture(params=PAIRS, ids="-".join)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    """Two empty storages of PAIRS."""
    folders = [tmp_path / "from", tmp_path / "to"]
    for folder in folders:
        folder.mkdir()
    opened = [STORAGES[kind](folder) for kind, folder in zip(request.param, folders, strict=True)]
    with closing(opened[0]), closing(opened[1]):
        yield opened[0], opened[1]


def copied(source: Storage, target: Storage) -> Copied:
    return copy(source, target, lambda done: None)


# -- dump -----------------------------------------------------------------------------------


def test_dump_gives_what_was_stored_in_that_order(storage: Storage) -> None:
    """Whatever happened to a task since: it stands where it was stored."""
    fill(storage)
    ids = ["z", "failed-once", "done", "held", "released", "later", "cancelled", "again"]
    assert [record.id for record in stored_in(storage)] == [*ids, "given-up", "a"]
    assert stored_in(storage) == storage.get([record.id for record in stored_in(storage)])


@pytest.mark.parametrize("tasks", [0, 1, 2, 4, 5])
def test_dump_ends(storage: Storage, tasks: int) -> None:
    """Also where the last page is full, and where there is nothing."""
    records = [a_record(f"{number}") for number in range(tasks)]
    load(storage, *records)
    assert stored_in(storage, limit=2) == records


# -- load -----------------------------------------------------------------------------------


def test_load_keeps_every_field(storage: Storage) -> None:
    """Nothing about a task is decided anew."""
    full = replace(
        a_record("full", metadata='{"k": "v"}', parameters="[1.0]", backoff='{"base":1}'),
        **{field: number for number, field in enumerate(FIELDS, 3) if int in kinds_of(field)},
        **{field: f'"{field}"' for field in FIELDS if kinds_of(field) == {str, NoneType}},
        status="started",
    )
    assert load(storage, full) == [True]
    assert storage.get([full.id]) == [full]
    assert stored_in(storage) == [full]


def kinds_of(field: str) -> set[type]:
    """The types that a record's field may have."""
    kind = Record.__annotations__[field]
    return set(getattr(kind, "__args__", (kind,)))


def test_load_counts_what_it_stores_and_claims_find_it(storage: Storage) -> None:
    """The copy is one to work with: tokens go on from where they were, leases run on."""
    specification = MemoryStorage()
    fill(specification)
    records = stored_in(specification)
    assert load(storage, *records) == [True] * len(records)
    counted = specification.stats(NOW)
    for name in ("mail", "nobody's"):
        pause(storage, name)
    assert storage.stats(NOW) == counted
    [again] = claim(storage, "released", now=NOW + 5)
    before = get(specification, "released")
    assert before is not None
    assert again.token > before.token > 0
    held = get(specification, "held")
    assert held is not None
    done = changed(storage, Complete(id="held", token=held.token), now=NOW + 6)
    assert done.status == "completed"


def test_load_passes_over_what_is_there(storage: Storage) -> None:
    """The very same task is stored once, and counted once."""
    first, second, third = (a_record(id) for id in "abc")
    assert load(storage, second) == [True]
    assert load(storage, first, second, third) == [True, False, True]
    assert load(storage, first, second, third) == [False] * 3
    assert stored_in(storage) == [second, first, third]
    assert storage.stats(NOW)["mail"].queued == 3


def test_load_refuses_what_meets_another_task(storage: Storage) -> None:
    """An id with another content, or a unique key that is held; its neighbours are stored."""
    add(storage, a_record("a"), a_record("b", unique_key="k"))
    answers = load(
        storage,
        a_record("a", priority=1),
        a_record("c", unique_key="k"),
        replace(a_record("d", unique_key="k"), status="completed", finished_at=NOW, due_at=None),
        a_record("e", name="other", unique_key="k"),
    )
    assert [type(answer) for answer in answers] == [Conflict, Conflict, bool, bool]
    assert [answer.data["id"] for answer in answers if isinstance(answer, QueueError)] == ["a", "c"]
    assert [record.id for record in stored_in(storage)] == ["a", "b", "d", "e"]
    assert storage.stats(NOW)["mail"].queued == 2
    assert storage.stats(NOW)["mail"].completed == 1


def test_load_is_part_of_its_transaction(storage: Storage) -> None:
    """What is rolled back was never stored, nor counted."""

    def load_and_break() -> None:
        with storage.transaction():
            storage.load([a_record("a")])
            raise KeyError

    with pytest.raises(KeyError):
        load_and_break()
    assert stored_in(storage) == []
    assert storage.stats(NOW) == {}


# -- copy -----------------------------------------------------------------------------------


def test_a_copy_is_equal(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every task with every field, in the same order; and which names are paused."""
    source, target = pair
    fill(source)
    monkeypatch.setattr(copying, "BATCH", 4)
    steps: list[int] = []
    assert total(source) == 10
    assert copy(source, target, steps.append) == Copied(10, 10, 2, [])
    assert steps == [4, 8, 10]
    assert stored_in(target) == stored_in(source)
    assert target.stats(NOW) == source.stats(NOW)
    assert target.page(ALL, 20, None).records == source.page(ALL, 20, None).records


def test_a_copy_of_nothing(pair: Pair) -> None:
    """Is nothing."""
    assert copied(*pair) == Copied(0, 0, 0, [])


def test_a_copy_that_was_cut_short_goes_on(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there already is not stored again, and a whole copy stays as it is."""
    source, target = pair
    fill(source)
    monkeypatch.setattr(copying, "BATCH", 4)

    def cut(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy(source, target, cut)
    assert len(stored_in(target)) == 4
    assert copied(source, target) == Copied(10, 6, 2, [])
    assert copied(source, target) == Copied(10, 0, 2, [])
    assert stored_in(target) == stored_in(source)


def a_task(target: Storage) -> None:
    add(target, a_record("foreign"))


def a_changed_task(target: Storage) -> None:
    add(target, a_record("a", priority=7))


def a_paused_name(target: Storage) -> None:
    pause(target, "foreign")


@pytest.mark.parametrize("spoil", [a_task, a_changed_task, a_paused_name])
def test_a_target_that_is_not_empty_is_refused(
    pair: Pair, spoil: Callable[[Storage], None]
) -> None:
    """Nothing is mixed, and nothing written over."""
    source, target = pair
    fill(source)
    spoil(target)
    before = (stored_in(target), target.stats(NOW))
    with pytest.raises(NotACopy, match="is not empty"):
        copied(source, target)
    assert (stored_in(target), target.stats(NOW)) == before


def test_who_writes_meanwhile_is_found_out(pair: Pair) -> None:
    """Counts that differ at the end are told."""
    source, target = pair
    add(source, a_record("a"))
    result = copy(source, target, lambda done: add(source, a_record("b")) and None)
    assert result.differences == [f"mail, queued: 2 in {source.url}, 1 in {target.url}"]
