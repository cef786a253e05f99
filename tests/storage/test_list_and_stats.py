"""Contract of the reads: `get`, `page` and `stats`."""

import pytest

from jsonrpc_qm.errors import InvalidParams
from jsonrpc_qm.moments import SECOND
from jsonrpc_qm.storage.base import Listing, NameStats, Storage
from jsonrpc_qm.transitions import Cancel, Fail, Release
from tests.records import NOW, a_record
from tests.storage.verbs import ALL, add, changed, claim, completed, pause, started


def ids(
    storage: Storage, name: str | None = None, status: str | None = None, *, limit: int = 1000
) -> list[list[str]]:
    """The ids on each page of a list."""
    pages = []
    cursor = None
    while True:
        page = storage.page(Listing(name=name, status=status), limit, cursor)
        pages.append([record.id for record in page.records])
        cursor = page.next_cursor
        if cursor is None:
            return pages


@pytest.fixture
def varied(storage: Storage) -> Storage:
    """Two names with tasks in every state, stored in the order of their ids."""
    for ten, name in enumerate(["mail", "other"]):
        completed(storage, f"{ten}0", name=name)
        token = started(storage, f"{ten}1", name=name).token
        changed(storage, Fail(id=f"{ten}1", token=token, error="{}", retry=False))
        add(storage, a_record(f"{ten}2", name=name))
        changed(storage, Cancel(id=f"{ten}2"))
        started(storage, f"{ten}3", name=name)
        add(
            storage,
            a_record(f"{ten}4", name=name, run_at=NOW + SECOND),
            a_record(f"{ten}5", name=name, priority=3),
            a_record(f"{ten}6", name=name, run_at=NOW - 9 * SECOND),
        )
    return storage


def test_get_answers_each_id_in_its_place(storage: Storage) -> None:
    """None stands for a task that is not there; an id may come twice."""
    add(storage, a_record("a"), a_record("b"))
    assert storage.get(["b", "none", "a", "b"]) == [
        a_record("b"),
        None,
        a_record("a"),
        a_record("b"),
    ]
    assert storage.get([]) == []


def test_ids_are_told_apart_by_case(storage: Storage) -> None:
    """Ids and names are compared character by character."""
    add(storage, a_record("a"), a_record("A", name="Mail"))
    assert storage.get(["a", "A"]) == [a_record("a"), a_record("A", name="Mail")]
    assert [record.id for record in claim(storage, "Mail", max_tasks=9)] == ["A"]


def test_get_reads_hundreds_at_once(storage: Storage) -> None:
    """There is no limit to a list of ids but the protocol's."""
    group = [a_record(f"t{place}") for place in range(777)]
    add(storage, *group)
    assert storage.get([record.id for record in group]) == group


def test_a_list_has_the_last_stored_first(varied: Storage) -> None:
    """Order of storing counts: not priority, run_at, id or state."""
    everything = [f"1{place}" for place in range(6, -1, -1)]
    everything += [f"0{place}" for place in range(6, -1, -1)]
    assert ids(varied) == [everything]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 13, 14, 15])
def test_pages_follow_each_other_without_gap_or_repeat(varied: Storage, limit: int) -> None:
    """Cursors lead through the whole list; the last page has none."""
    pages = ids(varied, limit=limit)
    assert [id for page in pages for id in page] == ids(varied)[0]
    assert all(len(page) == limit for page in pages[:-1])
    assert 0 < len(pages[-1]) <= limit


def test_an_empty_list_is_one_page(storage: Storage) -> None:
    """No tasks: no records and no cursor."""
    assert ids(storage) == [[]]
    assert ids(storage, "mail", "queued") == [[]]


def test_a_list_of_one_name(varied: Storage) -> None:
    """Tasks of other names are left out, on every page."""
    assert ids(varied, "mail", limit=4) == [["06", "05", "04", "03"], ["02", "01", "00"]]
    assert ids(varied, "none") == [[]]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("queued", ["16", "15", "14", "06", "05", "04"]),
        ("started", ["13", "03"]),
        ("completed", ["10", "00"]),
        ("failed", ["11", "01"]),
        ("cancelled", ["12", "02"]),
    ],
)
def test_a_list_of_one_status(varied: Storage, status: str, expected: list[str]) -> None:
    """`queued` covers those with run_at ahead too, as the outside sees them."""
    assert ids(varied, status=status) == [expected]
    pairs = ids(varied, status=status, limit=2)
    assert [id for page in pairs for id in page] == expected


def test_a_list_of_one_name_and_status(varied: Storage) -> None:
    """Both conditions hold."""
    assert ids(varied, "other", "queued", limit=2) == [["16", "15"], ["14"]]


def test_a_cursor_outlives_its_task(varied: Storage) -> None:
    """A page goes on after its cursor, though tasks come and go meanwhile."""
    first = varied.page(ALL, 2, None)
    assert [record.id for record in first.records] == ["16", "15"]
    changed(varied, Cancel(id="15"))
    with varied.transaction():
        varied.delete(["15"])
        varied.add([[a_record("new")]], NOW)
    second = varied.page(ALL, 2, first.next_cursor)
    assert [record.id for record in second.records] == ["14", "13"]


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "-1", "1.5", " 1", "1_0", "²", "٣", "9" * 25, "1" * 64, "\x00"],
)
def test_a_cursor_that_no_list_gave_is_refused(storage: Storage, cursor: str) -> None:
    """The error names the parameter."""
    with pytest.raises(InvalidParams) as refused:
        storage.page(ALL, 10, cursor)
    assert refused.value.data["param"] == "cursor"


# -- stats ------------------------------------------------------------------------------------


def test_stats_count_each_name_in_each_state(varied: Storage) -> None:
    """Queued is what is due, scheduled what has run_at ahead, age that of the oldest run_at."""
    counted = NameStats(
        queued=2,
        scheduled=1,
        started=1,
        completed=1,
        failed=1,
        cancelled=1,
        oldest_queued_age=9.5,
    )
    assert varied.stats(NOW + SECOND // 2) == {"mail": counted, "other": counted}


def test_an_empty_storage_has_no_stats(storage: Storage) -> None:
    """No name has tasks."""
    assert storage.stats(NOW) == {}


def test_what_is_ripe_counts_as_queued_before_a_sweep_came_by(storage: Storage) -> None:
    """Stats go by the moment they are asked for."""
    add(storage, a_record("a", run_at=NOW + 2 * SECOND), a_record("b", run_at=NOW + 9 * SECOND))
    assert storage.stats(NOW + 2 * SECOND - 1) == {"mail": NameStats(scheduled=2)}
    assert storage.stats(NOW + 2 * SECOND) == {
        "mail": NameStats(queued=1, scheduled=1, oldest_queued_age=0.0)
    }
    assert storage.stats(NOW + 10 * SECOND) == {
        "mail": NameStats(queued=2, scheduled=0, oldest_queued_age=8.0)
    }


def test_the_oldest_queued_age_is_that_of_the_longest_wait(storage: Storage) -> None:
    """Whatever its priority, the task that has been due longest tells the age."""
    add(
        storage,
        a_record("a", priority=9, run_at=NOW - SECOND),
        a_record("b", priority=-9, run_at=NOW - 30 * SECOND),
        a_record("c", priority=0, run_at=NOW - 20 * SECOND),
        a_record("d", run_at=NOW + 1),
    )
    assert storage.stats(NOW + 1)["mail"].oldest_queued_age == pytest.approx(30.000001)


def test_nothing_queued_has_no_age(storage: Storage) -> None:
    """Tasks that run or are scheduled wait for nobody."""
    started(storage, "a")
    add(storage, a_record("b", run_at=NOW + SECOND))
    assert storage.stats(NOW) == {"mail": NameStats(started=1, scheduled=1)}


def test_a_paused_name_has_stats_though_it_has_no_tasks(storage: Storage) -> None:
    """Operators see what they paused; once resumed and empty it is gone."""
    add(storage, a_record("a"))
    pause(storage, "mail")
    pause(storage, "empty")
    assert storage.stats(NOW) == {
        "mail": NameStats(queued=1, oldest_queued_age=0.0, paused=True),
        "empty": NameStats(paused=True),
    }
    pause(storage, "mail", False)
    pause(storage, "empty", False)
    assert storage.stats(NOW) == {"mail": NameStats(queued=1, oldest_queued_age=0.0)}


def test_a_name_without_tasks_disappears(storage: Storage) -> None:
    """The last task of a name takes its row along."""
    completed(storage, "a")
    assert storage.stats(NOW) == {"mail": NameStats(completed=1)}
    with storage.transaction():
        storage.delete(["a"])
    assert storage.stats(NOW) == {}


def test_stats_follow_a_task_through_its_states(storage: Storage) -> None:
    """Each task is counted once, where it stands now."""
    add(storage, a_record("a"))
    assert storage.stats(NOW)["mail"] == NameStats(queued=1, oldest_queued_age=0.0)
    [taken] = claim(storage, "mail")
    assert storage.stats(NOW)["mail"] == NameStats(started=1)
    changed(storage, Release(id="a", token=taken.token, delay=10))
    assert storage.stats(NOW)["mail"] == NameStats(scheduled=1)
    changed(storage, Cancel(id="a"))
    assert storage.stats(NOW)["mail"] == NameStats(cancelled=1)
