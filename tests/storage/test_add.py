"""Contract of `add`: new tasks, each group wholly or not at all, and what counts as known."""

import pytest

from jsonrpc_qm.errors import Conflict, InvalidParams
from jsonrpc_qm.moments import SECOND
from jsonrpc_qm.record import Record
from jsonrpc_qm.storage.base import Storage
from jsonrpc_qm.transitions import Cancel, Complete, Event, Fail
from tests.records import NOW, a_record
from tests.storage.verbs import add, changed, get, refusal, started


def everything(id: str) -> Record:
    """A new task that uses every field that a producer can fill."""
    return a_record(
        id,
        name="é\N{PILE OF POO}\x01'\"%;",
        parameters='{"text":"\N{ZERO WIDTH JOINER}ß","digits":123456789012345678901234567890}',
        priority=-1_000_000,
        run_at=NOW + 7 * SECOND,
        max_attempts=1_000_000,
        max_lost=0,
        lease=30 * 86_400 * SECOND,
        timeout=315_576_000 * SECOND,
        expires_at=NOW + 315_576_000 * SECOND,
        backoff='{"base":1.5}',
        unique_key="ключ",
        metadata='{"traceparent":"00-1"}',
    )


def test_add_answers_the_records_in_order_and_stores_them(storage: Storage) -> None:
    """Each member of a group is answered with its record, in the order of the group."""
    group = [a_record("b"), a_record("a", priority=5), a_record("c", name="other")]
    assert add(storage, *group) == group
    assert storage.get(["a", "b", "c"]) == [group[1], group[0], group[2]]


def test_every_field_comes_back_as_it_was_given(storage: Storage) -> None:
    """What is stored is what was given: extremes, quotes, text of every plane."""
    add(storage, everything("a"))
    assert get(storage, "a") == everything("a")


def test_a_large_group_is_stored_whole(storage: Storage) -> None:
    """A group may have as many members as `queue_many` takes tasks."""
    group = [a_record(f"t{place}", parameters=str(place)) for place in range(1_234)]
    assert add(storage, *group) == group
    assert storage.get([record.id for record in group]) == group


def test_texts_of_a_large_group_come_back_as_they_were(storage: Storage) -> None:
    """Storages may have a quicker way for many tasks, with characters of its own that mean more."""
    odd = ["\\N", "\\.", "\t", "\n", "\r\n", "\\", "a\\tb", "'", "''", '"', "%s", "?", "é😀", ""]
    texts = [text + end for end in ("", "x", "\\") for text in odd] * 2
    group = [
        a_record(f"t{place}", name=f"n{text}", parameters=f'"{text}"', metadata=text)
        for place, text in enumerate(texts)
    ]
    assert add(storage, *group) == group
    assert storage.get([record.id for record in group]) == group


def test_a_conflict_among_many_holds_back_its_group_and_no_other(storage: Storage) -> None:
    """Of groups with many members as of those with few; members that are known count as before."""
    add(storage, a_record("a"))
    first, second, third = ([a_record(f"{n}-{m}") for m in range(70)] for n in range(3))
    groups = [[*first, a_record("a")], [*second, a_record("a", name="other")], third]
    with storage.transaction():
        answers = storage.add(groups, NOW)
    assert [answers[0], answers[2]] == [groups[0], third]
    assert refusal(answers[1]) == (Conflict, {"id": "a"})
    assert storage.get(["0-69", "1-0", "2-69"]) == [first[69], None, third[69]]
    assert storage.stats(NOW)["mail"].queued == 141


def test_an_empty_group_is_answered_with_an_empty_list(storage: Storage) -> None:
    """No members, no records; no groups, no answers."""
    with storage.transaction():
        assert storage.add([[], [a_record("a")], []], NOW) == [[], [a_record("a")], []]
        assert storage.add([], NOW) == []


def test_a_known_id_with_equal_name_and_parameters_gives_the_stored_task(storage: Storage) -> None:
    """A task that is sent again is not stored again, whatever else it says now."""
    add(storage, a_record("a", parameters="[1]"))
    again = a_record("a", parameters="[1]", priority=9, now=NOW + SECOND)
    assert add(storage, again, now=NOW + SECOND) == [a_record("a", parameters="[1]")]
    assert get(storage, "a") == a_record("a", parameters="[1]")


def test_equal_parameters_may_be_written_differently(storage: Storage) -> None:
    """Parameters are compared as JSON values: the order of members and spaces don't count."""
    first = a_record("a", parameters='{"x":1,"y":[2,3]}')
    add(storage, first)
    assert add(storage, a_record("a", parameters='{ "y": [2, 3], "x": 1 }')) == [first]


def test_a_known_id_gives_the_stored_task_in_whatever_state_it_is(storage: Storage) -> None:
    """A task that is sent again late is answered with what has become of it."""
    taken = started(storage, "a")
    assert add(storage, a_record("a")) == [taken]
    done = changed(storage, Complete(id="a", token=taken.token, result="1"))
    assert add(storage, a_record("a")) == [done]


@pytest.mark.parametrize(
    "other",
    [a_record("a", name="other"), a_record("a", parameters="1"), a_record("a", parameters="[]")],
    ids=["name", "parameters", "empty parameters"],
)
def test_a_known_id_of_a_different_task_is_a_conflict(storage: Storage, other: Record) -> None:
    """An id that a different task has is refused, and that task stays as it is."""
    add(storage, a_record("a"))
    with storage.transaction():
        [answer] = storage.add([[other]], NOW)
    assert refusal(answer) == (Conflict, {"id": "a"})
    assert get(storage, "a") == a_record("a")


def test_a_conflict_holds_back_its_group_and_no_other(storage: Storage) -> None:
    """Groups are apart: one is refused wholly, those before and after it are stored."""
    add(storage, a_record("a"))
    groups = [[a_record("b")], [a_record("c"), a_record("a", name="other")], [a_record("d")]]
    with storage.transaction():
        first, second, third = storage.add(groups, NOW)
    assert (first, third) == ([a_record("b")], [a_record("d")])
    assert refusal(second) == (Conflict, {"id": "a"})
    assert storage.get(["b", "c", "d"]) == [a_record("b"), None, a_record("d")]


def test_what_a_conflict_held_back_is_free_for_the_next_group(storage: Storage) -> None:
    """Ids and unique keys of a refused group are not taken."""
    add(storage, a_record("a"))
    held_back = [a_record("b", unique_key="k"), a_record("a", name="other")]
    with storage.transaction():
        answers = storage.add([held_back, [a_record("b", parameters="2", unique_key="k")]], NOW)
    assert answers[1] == [a_record("b", parameters="2", unique_key="k")]
    assert get(storage, "b") == a_record("b", parameters="2", unique_key="k")


def test_members_of_a_group_see_those_before_them(storage: Storage) -> None:
    """The same id, or the same unique key, twice in a group is one task."""
    first, keyed = a_record("a"), a_record("b", unique_key="k")
    group = [first, keyed, a_record("a"), a_record("c", unique_key="k")]
    assert add(storage, *group) == [first, keyed, first, keyed]
    assert get(storage, "c") is None


def test_a_group_can_be_at_odds_with_itself(storage: Storage) -> None:
    """Two different tasks with one id in one group hold the group back."""
    with storage.transaction():
        [answer] = storage.add([[a_record("a"), a_record("a", parameters="1")]], NOW)
    assert refusal(answer) == (Conflict, {"id": "a"})
    assert get(storage, "a") is None


def test_groups_of_one_call_see_those_before_them(storage: Storage) -> None:
    """Groups are stored in turn: ids and unique keys of earlier ones count."""
    keyed = a_record("a", unique_key="k")
    groups = [[keyed], [a_record("a", parameters="1")], [a_record("b", unique_key="k")]]
    with storage.transaction():
        first, second, third = storage.add(groups, NOW)
    assert (first, third) == ([keyed], [keyed])
    assert refusal(second) == (Conflict, {"id": "a"})


def test_a_unique_key_gives_the_unfinished_task_that_has_it(storage: Storage) -> None:
    """While a queued, scheduled or started task of the name has the key, that one is returned."""
    queued = a_record("a", unique_key="k1", parameters="1")
    scheduled = a_record("b", unique_key="k2", run_at=NOW + SECOND)
    add(storage, queued, scheduled)
    running = started(storage, "c", unique_key="k3", priority=1)
    again = [a_record(f"new {key}", unique_key=key) for key in ("k1", "k2", "k3")]
    assert add(storage, *again) == [queued, scheduled, running]
    assert storage.get([record.id for record in again]) == [None, None, None]


def test_a_unique_key_counts_within_its_name_only(storage: Storage) -> None:
    """Tasks of different names may have equal unique keys."""
    group = [a_record("a", unique_key="k"), a_record("b", name="other", unique_key="k")]
    assert add(storage, *group) == group


@pytest.mark.parametrize("field", ["name", "unique_key"])
def test_a_zero_character_is_stored_or_refused(storage: Storage, field: str) -> None:
    """PostgreSQL alone can't store U+0000, and says so of the parameter; others keep it."""
    record = a_record("a", **{field: "a\x00b"})
    with storage.transaction():
        answers = storage.add([[record], [a_record("b")]], NOW)
    assert answers[1] == [a_record("b")]
    if storage.url.startswith("postgresql:"):
        kind, data = refusal(answers[0])
        assert (kind, data["param"]) == (InvalidParams, field)
        assert get(storage, "a") is None
    else:
        assert answers[0] == [record]
        assert get(storage, "a") == record


@pytest.mark.parametrize("ending", ["completed", "failed", "cancelled"])
def test_a_finished_task_gives_its_unique_key_free(storage: Storage, ending: str) -> None:
    """Once the task that had the key is finished, a new one may have it."""
    token = started(storage, "a", unique_key="k").token
    endings: dict[str, list[Event]] = {
        "completed": [Complete(id="a", token=token)],
        "failed": [Fail(id="a", token=token, error="{}", retry=False)],
        "cancelled": [Cancel(id="a"), Fail(id="a", token=token, error="{}")],
    }
    for event in endings[ending]:
        last = changed(storage, event)
    assert last.status == ending
    assert add(storage, a_record("b", unique_key="k")) == [a_record("b", unique_key="k")]


def test_an_id_is_looked_at_before_a_unique_key(storage: Storage) -> None:
    """A task that is sent again is itself, though another one has its unique key by now."""
    taken = started(storage, "a", unique_key="k")
    done = changed(storage, Complete(id="a", token=taken.token))
    add(storage, a_record("b", unique_key="k"))
    assert add(storage, a_record("a", unique_key="k")) == [done]


def test_add_mixes_known_and_new_members(storage: Storage) -> None:
    """A group that is known in part stores the rest, in its order."""
    known = [a_record(f"t{place}") for place in range(0, 300, 3)]
    group = [a_record(f"t{place}") for place in range(300)]
    add(storage, *known)
    assert add(storage, *group) == group
    assert storage.get([record.id for record in group]) == group
