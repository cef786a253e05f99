"""Contract of `delete` and `purge`: finished tasks go, others stay."""

from typing import Any

import pytest

from jsonrpc_qm.errors import InvalidState, TaskNotFound
from jsonrpc_qm.storage.base import Filter, Storage
from jsonrpc_qm.transitions import Cancel, Complete, Fail
from tests.records import NOW, a_record
from tests.storage.verbs import ALL, add, changed, claim, completed, get, refusal, started, sweep


def delete(storage: Storage, *ids: str) -> list[object]:
    """Delete in a transaction."""
    with storage.transaction():
        return list(storage.delete(ids))


def purge(storage: Storage, limit: int = 1000, **filter: Any) -> int:
    """Purge in a transaction."""
    with storage.transaction():
        return storage.purge(Filter(**filter), limit)


def left(storage: Storage) -> list[str]:
    """The ids that are still there, the first stored first."""
    return [record.id for record in reversed(storage.page(ALL, 1000, None).records)]


@pytest.fixture
def finished(storage: Storage) -> Storage:
    """Six finished tasks, one a microsecond, and three that are not."""
    completed(storage, "c1", now=NOW + 1)
    completed(storage, "c2", name="other", now=NOW + 2)
    add(storage, a_record("x3"))
    changed(storage, Cancel(id="x3"), now=NOW + 3)
    token = started(storage, "f4", now=NOW + 4).token
    changed(storage, Fail(id="f4", token=token, error="{}", retry=False), now=NOW + 4)
    token = started(storage, "f5", name="other", now=NOW + 5).token
    changed(storage, Fail(id="f5", token=token, error="{}", retry=False), now=NOW + 5)
    completed(storage, "c6", now=NOW + 6)
    started(storage, "started", name="third")
    add(storage, a_record("queued"), a_record("scheduled", run_at=NOW + 99))
    return storage


UNFINISHED = ["started", "queued", "scheduled"]


def test_a_finished_task_is_deleted(finished: Storage) -> None:
    """Whatever way it finished, it is gone."""
    assert delete(finished, "c1", "x3", "f4") == [True, True, True]
    assert left(finished) == ["c2", "f5", "c6", *UNFINISHED]


def test_an_unfinished_task_is_not_deleted(finished: Storage) -> None:
    """The refusal says the public state."""
    answers = delete(finished, "started", "queued", "scheduled")
    assert [refusal(answer) for answer in answers] == [
        (InvalidState, {"id": "started", "status": "started"}),
        (InvalidState, {"id": "queued", "status": "queued"}),
        (InvalidState, {"id": "scheduled", "status": "queued"}),
    ]
    assert len(left(finished)) == 9


def test_a_refused_deletion_holds_no_other_back(finished: Storage) -> None:
    """Each id has its own answer; one that comes twice is gone the second time."""
    answers = delete(finished, "c1", "none", "queued", "c1", "c2")
    assert (answers[0], answers[4]) == (True, True)
    assert refusal(answers[1]) == (TaskNotFound, {"id": "none"})
    assert refusal(answers[2]) == (InvalidState, {"id": "queued", "status": "queued"})
    assert refusal(answers[3]) == (TaskNotFound, {"id": "c1"})
    assert left(finished) == ["x3", "f4", "f5", "c6", *UNFINISHED]


def test_no_ids_delete_nothing(finished: Storage) -> None:
    """An empty list is answered with an empty list."""
    assert delete(finished) == []
    assert len(left(finished)) == 9


def test_the_id_of_a_deleted_task_is_free(finished: Storage) -> None:
    """A different task may have it, and is stored as the last."""
    delete(finished, "c1")
    again = a_record("c1", name="new", parameters="1")
    assert add(finished, again) == [again]
    assert left(finished)[-1] == "c1"


def test_a_purge_deletes_all_finished_tasks(finished: Storage) -> None:
    """Without a condition every finished task goes, and no other."""
    assert purge(finished) == 6
    assert left(finished) == UNFINISHED
    assert purge(finished) == 0


def test_a_purge_by_name(finished: Storage) -> None:
    """Tasks of other names stay."""
    assert purge(finished, name="other") == 2
    assert left(finished) == ["c1", "x3", "f4", "c6", *UNFINISHED]
    assert purge(finished, name="third") == 0


@pytest.mark.parametrize(
    ("status", "gone"),
    [("completed", {"c1", "c2", "c6"}), ("failed", {"f4", "f5"}), ("cancelled", {"x3"})],
)
def test_a_purge_by_status(finished: Storage, status: str, gone: set[str]) -> None:
    """Tasks that finished otherwise stay."""
    before = left(finished)
    assert purge(finished, status=status) == len(gone)
    assert left(finished) == [id for id in before if id not in gone]


def test_a_purge_by_age_spares_the_moment_itself(finished: Storage) -> None:
    """What finished before the moment goes; what finished at it or later stays."""
    assert purge(finished, finished_before=NOW + 3) == 2
    assert left(finished) == ["x3", "f4", "f5", "c6", *UNFINISHED]


def test_the_beginning_of_time_is_a_moment_too(finished: Storage) -> None:
    """Nothing finished before 1970; the moment 0 is not the absence of one."""
    assert purge(finished, finished_before=0) == 0
    assert len(left(finished)) == 9


def test_conditions_of_a_purge_hold_together(finished: Storage) -> None:
    """A task goes when its name, its state and its age match."""
    assert purge(finished, name="mail", status="completed", finished_before=NOW + 6) == 1
    assert left(finished) == ["c2", "x3", "f4", "f5", "c6", *UNFINISHED]


def test_a_purge_deletes_no_more_than_its_limit(finished: Storage) -> None:
    """Batches are small: the rest is for the next call."""
    assert [purge(finished, limit=4), purge(finished, limit=4), purge(finished, limit=4)] == [
        4,
        2,
        0,
    ]
    assert left(finished) == UNFINISHED


def test_a_purge_begins_with_those_that_finished_longest_ago(storage: Storage) -> None:
    """The oldest go first, however they were stored."""
    add(storage, *(a_record(id) for id in ("a", "b", "c")))
    tokens = {record.id: record.token for record in claim(storage, "mail", max_tasks=3)}
    for moment, id in enumerate(["c", "a", "b"]):
        changed(storage, Complete(id=id, token=tokens[id]), now=NOW + moment)
    assert purge(storage, status="completed", limit=2) == 2
    assert left(storage) == ["b"]


def test_a_purge_of_all_states_begins_with_the_oldest_of_them_all(storage: Storage) -> None:
    """However they finished: a limit takes the ones that finished longest ago."""
    add(storage, *(a_record(id) for id in ("a", "b", "c", "d")))
    tokens = {record.id: record.token for record in claim(storage, "mail", max_tasks=3)}
    changed(storage, Cancel(id="d"), now=NOW + 1)
    changed(storage, Fail(id="c", token=tokens["c"], error="{}", retry=False), now=NOW + 2)
    changed(storage, Complete(id="b", token=tokens["b"]), now=NOW + 3)
    changed(storage, Complete(id="a", token=tokens["a"]), now=NOW + 4)
    assert purge(storage, limit=2) == 2
    assert left(storage) == ["a", "b"]
    assert purge(storage, limit=1) == 1
    assert left(storage) == ["a"]


def test_a_purge_of_nothing_leaves_the_storage_empty(storage: Storage) -> None:
    """An empty storage has nothing to purge."""
    assert purge(storage) == 0


def test_what_is_deleted_is_forgotten_everywhere(finished: Storage) -> None:
    """Deleted tasks count in no statistics and are due no more."""
    delete(finished, "c2")
    purge(finished, name="other")
    assert "other" not in finished.stats(NOW + 9)
    assert get(finished, "f5") is None
    assert sweep(finished, NOW).next_due == NOW + 99
