"""Contract of searches: `page` with a text or a time."""

from collections.abc import Iterable

import pytest

from jsonrpc_qm.moments import SECOND
from jsonrpc_qm.record import Record
from jsonrpc_qm.storage.base import MOST_SEARCHED, Listing, Storage
from tests.records import HOUR, NOW, a_record
from tests.storage.verbs import add, claim


def found(storage: Storage, listing: Listing, *, limit: int = 1000) -> list[str]:
    """The ids of all pages of a search, each of which is no longer than asked for."""
    ids: list[str] = []
    cursor = None
    while True:
        page = storage.page(listing, limit, cursor)
        assert len(page.records) <= limit
        ids += [record.id for record in page.records]
        cursor = page.next_cursor
        if cursor is None:
            return ids


@pytest.fixture
def mixed(storage: Storage) -> Storage:
    """Tasks of two names, an hour between each and the next."""
    parameters = ['{"city":"Graz"}', '["Wien"]', '"50 %_"', None, '{"city":"Gräz"}', '{"no":7}']
    for hour, text in enumerate(parameters):
        record = a_record(
            f"task-{hour}",
            name=("mail", "other")[hour % 2],
            now=NOW + hour * HOUR,
            parameters=text,
        )
        add(storage, record, now=record.created_at)
    return storage


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Graz", ["task-0"]),
        ("graz", []),
        ("city", ["task-4", "task-0"]),
        ("Gräz", ["task-4"]),
        ("task-3", ["task-3"]),
        ("-5", ["task-5"]),
        ("%_", ["task-2"]),
        ("_", ["task-2"]),
        ("null", ["task-3"]),
        ('{"no":7}', ["task-5"]),
        ("'", []),
        ("\\", []),
    ],
)
def test_a_text_is_looked_for_in_ids_and_parameters(
    mixed: Storage, text: str, expected: list[str]
) -> None:
    """As it is, character by character: it is no pattern."""
    assert found(mixed, Listing(text=text)) == expected
    assert found(mixed, Listing(text=text), limit=1) == expected


def test_a_search_keeps_to_name_and_status(mixed: Storage) -> None:
    """All conditions hold."""
    assert found(mixed, Listing(text="task", name="other")) == ["task-5", "task-3", "task-1"]
    [taken] = claim(mixed, "other", now=NOW + 9 * HOUR)
    assert found(mixed, Listing(text="task", name="other", status="started")) == [taken.id]
    assert found(mixed, Listing(text="task", status="started")) == [taken.id]
    assert found(mixed, Listing(text="Graz", name="other")) == []


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        (None, None, [5, 4, 3, 2, 1, 0]),
        (4 * HOUR, None, [5, 4]),
        (4 * HOUR + 1, None, [5]),
        (None, HOUR, [0]),
        (None, HOUR + 1, [1, 0]),
        (HOUR, 3 * HOUR, [2, 1]),
        (3 * HOUR, 3 * HOUR, []),
        (-9 * HOUR, -8 * HOUR, []),
        (60 * HOUR, 90 * HOUR, []),
    ],
)
def test_a_time_is_that_of_storing(
    mixed: Storage, since: int | None, until: int | None, expected: list[int]
) -> None:
    """From the first moment on, up to the other one without it."""
    listing = Listing(
        since=None if since is None else NOW + since,
        until=None if until is None else NOW + until,
    )
    assert found(mixed, listing) == [f"task-{hour}" for hour in expected]
    assert found(mixed, listing, limit=2) == [f"task-{hour}" for hour in expected]


def test_text_and_time_hold_together(mixed: Storage) -> None:
    """A search may have both."""
    assert found(mixed, Listing(text="city", since=NOW + HOUR)) == ["task-4"]


def test_tasks_that_were_stored_out_of_order_are_found(storage: Storage) -> None:
    """Calls overtake each other on their way to the storage, by seconds at most."""
    moments = [3, 1, 2, 9, 5]
    add(storage, *(a_record(f"t{at}", now=NOW + at * SECOND) for at in moments))
    listing = Listing(since=NOW + 2 * SECOND, until=NOW + 9 * SECOND)
    assert found(storage, listing) == ["t5", "t2", "t3"]


def many(number: int) -> Iterable[Record]:
    return (a_record(f"t{place}") for place in range(number))


def test_a_page_looks_at_so_many_tasks(storage: Storage) -> None:
    """However many there are, a page is soon there; its cursor leads on to the rest."""
    add(storage, a_record("needle"))
    add(storage, *many(MOST_SEARCHED + 5))
    assert found(storage, Listing(text="needle")) == ["needle"]
    assert found(storage, Listing(text="t1000"), limit=3)[:2] == ["t10004", "t10003"]


def test_an_empty_storage_has_nothing_to_find(storage: Storage) -> None:
    """One page, with nothing on it."""
    assert found(storage, Listing(text="a", since=NOW)) == []
