"""Contract of lists for those who may see some names only: `page` with a reach."""

import pytest

from jsonrpc_qm.storage.base import MOST_SEARCHED, Listing, Page, Storage
from tests.records import a_record
from tests.storage.verbs import add, completed


def is_mine(name: str) -> bool:
    return name.startswith("mine")


@pytest.fixture
def mixed(storage: Storage) -> Storage:
    """Tasks in reach among others."""
    for number, name in enumerate(["mine.a", "far", "mine.b", "far", "far", "mine.a"]):
        add(storage, a_record(f"t{number}", name=name, parameters=f'"secret {name}"'))
    completed(storage, "done", name="mine.b", priority=1)
    return storage


def pages(storage: Storage, listing: Listing, limit: int) -> list[Page]:
    """All pages of a list."""
    found = [storage.page(listing, limit, None)]
    while (cursor := found[-1].next_cursor) is not None:
        found.append(storage.page(listing, limit, cursor))
    return found


def ids(found: list[Page]) -> list[list[str]]:
    return [[record.id for record in page.records] for page in found]


def test_only_tasks_in_reach_are_there(mixed: Storage) -> None:
    """Each page is as full as if there were no others, and leads on only to more in reach."""
    assert ids(pages(mixed, Listing(reach=is_mine), 2)) == [["done", "t5"], ["t2", "t0"]]
    assert ids(pages(mixed, Listing(reach=is_mine, status="queued"), 2)) == [["t5", "t2"], ["t0"]]
    assert ids(pages(mixed, Listing(reach=is_mine, name="mine.a"), 9)) == [["t5", "t0"]]
    assert ids(pages(mixed, Listing(reach=is_mine, name="far"), 9)) == [[]]
    assert ids(pages(mixed, Listing(reach=lambda name: False), 9)) == [[]]


def test_a_search_does_not_look_at_others(mixed: Storage) -> None:
    """Whether its text is in them makes no difference."""
    for text in ("secret far", "secret else"):
        assert pages(mixed, Listing(reach=is_mine, text=text), 1) == [
            Page(records=[], next_cursor=None)
        ]
    assert ids(pages(mixed, Listing(reach=is_mine, text="secret"), 1)) == [["t5"], ["t2"], ["t0"]]


def test_others_do_not_use_up_what_a_page_looks_at(storage: Storage) -> None:
    """However many they are: one page finds what there is."""
    add(storage, a_record("t", name="mine.a"))
    add(storage, *(a_record(f"f{n}", name="far") for n in range(MOST_SEARCHED + 5)))
    assert ids(pages(storage, Listing(reach=is_mine, text="t"), 1)) == [["t"]]
