"""Contract of `transition`: events in order, each under its fence, each stored or refused."""

from typing import Any

import pytest

from jsonrpc_qm.errors import Conflict, InvalidState, LeaseLost, QueueError, TaskNotFound
from jsonrpc_qm.moments import SECOND
from jsonrpc_qm.record import Record
from jsonrpc_qm.storage.base import NameStats, Storage
from jsonrpc_qm.transitions import Cancel, Complete, Event, Extend, Fail, Release, Retry
from tests.records import NOW, a_record
from tests.storage.verbs import add, changed, claim, completed, get, happen, refusal, started, sweep

ERROR = '{"type":"ValueError","message":"no","traceback":"line 1\\nline 2"}'


def statuses(answers: list[Record | QueueError]) -> list[str]:
    """The statuses of the events that were taken."""
    return [answer.status for answer in answers if isinstance(answer, Record)]


@pytest.mark.parametrize(
    "event",
    [
        Complete(id="a", token=NOW, result='{"big":123456789012345678901234567890}'),
        Complete(id="a", token=NOW),
        Fail(id="a", token=NOW, error=ERROR),
        Fail(id="a", token=NOW, error=ERROR, delay=0),
        Fail(id="a", token=NOW, error=ERROR, retry=False),
        Release(id="a", token=NOW),
        Release(id="a", token=NOW, delay=SECOND),
        Extend(id="a", token=NOW),
        Extend(id="a", token=NOW, lease=SECOND, progress='"half"', has_progress=True),
        Cancel(id="a"),
    ],
    ids=repr,
)
def test_an_event_makes_of_a_task_what_transitions_says(storage: Storage, event: Event) -> None:
    """The record that is answered and stored is the one that the event's `apply` gives."""
    taken = started(storage, "a", timeout=90 * SECOND, expires_at=NOW + SECOND)
    assert taken.token == NOW
    expected = event.apply(taken, NOW + 5)
    assert expected != taken
    assert happen(storage, event, now=NOW + 5) == [expected]
    assert get(storage, "a") == expected


def test_a_retry_makes_of_a_task_what_transitions_says(storage: Storage) -> None:
    """A failed task that starts over is stored as `Retry` gives it, and is due at once."""
    taken = started(storage, "a", expires_at=NOW + SECOND)
    failed = changed(storage, Fail(id="a", token=taken.token, error=ERROR, retry=False))
    expected = Retry(id="a").apply(failed, NOW + 9 * SECOND)
    assert happen(storage, Retry(id="a"), now=NOW + 9 * SECOND) == [expected]
    assert get(storage, "a") == expected
    assert [r.id for r in claim(storage, "mail", now=NOW + 9 * SECOND)] == ["a"]


def test_a_task_that_is_not_there_is_not_found(storage: Storage) -> None:
    """Every event of an unknown id is refused with that id."""
    events: list[Event] = [
        Complete(id="x", token=1),
        Fail(id="x", token=1, error=ERROR),
        Release(id="x", token=1),
        Extend(id="x", token=1),
        Cancel(id="x"),
        Retry(id="x"),
    ]
    answers = happen(storage, *events)
    assert [refusal(answer) for answer in answers] == [(TaskNotFound, {"id": "x"})] * 6


def test_no_events_give_no_answers(storage: Storage) -> None:
    """An empty list is answered with an empty list."""
    assert happen(storage) == []


def test_a_refused_event_holds_nothing_else_back(storage: Storage) -> None:
    """Refusals are values in the place of the record; the events beside them count."""
    first, second = started(storage, "a"), started(storage, "b")
    answers = happen(
        storage,
        Complete(id="a", token=first.token + 1),
        Complete(id="b", token=second.token, result="2"),
        Retry(id="a"),
        Complete(id="x", token=1),
    )
    assert refusal(answers[0]) == (LeaseLost, {"id": "a", "status": "started"})
    assert refusal(answers[2]) == (InvalidState, {"id": "a", "status": "started"})
    assert refusal(answers[3]) == (TaskNotFound, {"id": "x"})
    assert storage.get(["a", "b"]) == [first, answers[1]]


def test_events_of_one_task_see_those_before_them(storage: Storage) -> None:
    """Events are applied in order, each to what the one before left."""
    token = started(storage, "a").token
    answers = happen(
        storage,
        Extend(id="a", token=token, progress="1", has_progress=True),
        Cancel(id="a"),
        Fail(id="a", token=token, error=ERROR),
        Complete(id="a", token=token),
        Retry(id="a"),
        Retry(id="a"),
        now=NOW + 1,
    )
    records = [answer for answer in answers if isinstance(answer, Record)]
    assert statuses(answers) == ["started", "started", "cancelled", "queued"]
    assert records[1].progress == "1"
    assert refusal(answers[3]) == (LeaseLost, {"id": "a", "status": "cancelled"})
    assert refusal(answers[5]) == (InvalidState, {"id": "a", "status": "queued"})
    assert get(storage, "a") == records[-1]


def test_many_tasks_change_in_one_call(storage: Storage) -> None:
    """A report of a thousand outcomes is one call."""
    add(storage, *(a_record(f"t{place}") for place in range(1000)))
    taken = claim(storage, "mail", max_tasks=1000)
    events = [Complete(id=r.id, token=r.token, result=str(p)) for p, r in enumerate(taken)]
    answers = happen(storage, *events)
    assert [a.result for a in answers if isinstance(a, Record)] == [str(p) for p in range(1000)]
    assert storage.get([event.id for event in events]) == answers


def test_the_old_token_is_refused_once_another_claim_holds_the_task(storage: Storage) -> None:
    """Tokens fence: whoever lost the task changes nothing of it any more."""
    first = started(storage, "a", lease=10)
    [second] = claim(storage, "mail", now=NOW + 10)
    late: list[Event] = [
        Complete(id="a", token=first.token, queue=(a_record("next"),)),
        Fail(id="a", token=first.token, error=ERROR),
        Release(id="a", token=first.token),
        Extend(id="a", token=first.token),
    ]
    for answer in happen(storage, *late, now=NOW + 11):
        assert refusal(answer) == (LeaseLost, {"id": "a", "status": "started"})
    assert storage.get(["a", "next"]) == [second, None]


def test_a_task_that_nobody_has_claimed_can_not_be_ended(storage: Storage) -> None:
    """No token opens it, not even the 0 of a record that never had one."""
    waiting = a_record("a")
    add(storage, waiting)
    for answer in happen(storage, Complete(id="a", token=0), Release(id="a", token=0)):
        assert refusal(answer) == (LeaseLost, {"id": "a", "status": "queued"})
    assert get(storage, "a") == waiting


def test_a_late_outcome_is_taken_while_nobody_has_claimed_the_task(storage: Storage) -> None:
    """The lease ran out and the task went back, but the work was done and counts."""
    taken = started(storage, "a", lease=10)
    [waiting] = sweep(storage, NOW + 10).records
    assert waiting.status == "queued"
    done = changed(storage, Complete(id="a", token=taken.token, result="1"), now=NOW + 11)
    assert (done.status, done.result, done.lost) == ("completed", "1", 1)
    assert storage.stats(NOW + 11) == {"mail": NameStats(completed=1)}
    assert claim(storage, "mail", now=NOW + 12) == []


@pytest.mark.parametrize("kind", ["complete", "fail", "release"])
def test_an_outcome_sent_again_is_answered_as_before_and_happens_once(
    storage: Storage, kind: str
) -> None:
    """An answer got lost: the same call again gives the task and changes nothing."""
    token = started(storage, "a", backoff='{"base":0}').token
    event: Event = {
        "complete": Complete(id="a", token=token, result="1"),
        "fail": Fail(id="a", token=token, error=ERROR),
        "release": Release(id="a", token=token),
    }[kind]
    first = changed(storage, event)
    assert happen(storage, event, event, now=NOW + 9) == [first, first]
    assert get(storage, "a") == first


# -- tasks that follow ------------------------------------------------------------------------


def test_tasks_that_follow_are_stored_with_the_result(storage: Storage) -> None:
    """`complete` with `queue`: the result and the tasks are there together."""
    taken = started(storage, "a")
    followers = (a_record("b"), a_record("c", name="other", run_at=NOW + SECOND))
    changed(storage, Complete(id="a", token=taken.token, queue=followers))
    assert storage.get(["b", "c"]) == list(followers)


def test_a_conflict_of_a_task_that_follows_refuses_the_outcome(storage: Storage) -> None:
    """Both or neither: the task is still held and nothing was stored."""
    taken = started(storage, "a")
    followers = (a_record("b"), a_record("a", name="other"))
    [answer] = happen(storage, Complete(id="a", token=taken.token, queue=followers))
    assert refusal(answer) == (Conflict, {"id": "a"})
    assert storage.get(["a", "b"]) == [taken, None]
    assert storage.stats(NOW) == {"mail": NameStats(started=1)}
    done = changed(storage, Complete(id="a", token=taken.token, queue=followers[:1]))
    assert done.status == "completed"
    assert get(storage, "b") == a_record("b")


def test_an_outcome_sent_again_stores_no_tasks(storage: Storage) -> None:
    """What followed once does not follow again, even when it has been deleted since."""
    taken = started(storage, "a")
    event = Complete(id="a", token=taken.token, queue=(a_record("b"),))
    first = changed(storage, event)
    changed(storage, Cancel(id="b"))
    with storage.transaction():
        storage.delete(["b"])
    assert happen(storage, event, now=NOW + 9) == [first]
    assert get(storage, "b") is None


def test_an_outcome_twice_in_one_call_stores_its_tasks_once(storage: Storage) -> None:
    """The repeat in the same call is answered like the first, without a new task."""
    taken = started(storage, "a")
    first = Complete(id="a", token=taken.token, queue=(a_record("b"),))
    again = Complete(id="a", token=taken.token, queue=(a_record("c"),))
    answers = happen(storage, first, again)
    assert answers[0] == answers[1]
    assert storage.get(["b", "c"]) == [a_record("b"), None]


def test_a_task_that_follows_is_known_by_id_and_by_unique_key(storage: Storage) -> None:
    """`queue` in `complete` counts known tasks as `add` does."""
    known, keyed = a_record("b", parameters="[1]"), a_record("c", name="other", unique_key="k")
    taken = started(storage, "a")
    add(storage, known, keyed)
    followers = (a_record("b", parameters="[ 1 ]"), a_record("d", name="other", unique_key="k"))
    changed(storage, Complete(id="a", token=taken.token, queue=followers))
    assert storage.get(["b", "c", "d"]) == [known, keyed, None]


def test_a_task_may_be_followed_by_one_with_its_own_unique_key(storage: Storage) -> None:
    """A completed task's key is free, so a task that queues its like gets a new one."""
    taken = started(storage, "a", unique_key="k")
    follower = a_record("b", unique_key="k")
    done = changed(storage, Complete(id="a", token=taken.token, queue=(follower,)))
    assert done.status == "completed"
    assert get(storage, "b") == follower


def test_events_see_the_tasks_that_followed_those_before_them(storage: Storage) -> None:
    """A task stored by one event can be changed by the next."""
    taken = started(storage, "a")
    follower = a_record("next")
    answers = happen(
        storage, Complete(id="a", token=taken.token, queue=(follower,)), Cancel(id="next")
    )
    assert statuses(answers) == ["completed", "cancelled"]
    assert get(storage, "next") == answers[1]


def test_a_task_that_followed_one_event_is_in_the_way_of_the_next(storage: Storage) -> None:
    """Of two outcomes with different tasks of one id the first wins; an equal one is known."""
    first, second, third = (started(storage, id) for id in ("a", "b", "c"))
    follower = a_record("next")
    answers = happen(
        storage,
        Complete(id="a", token=first.token, queue=(follower,)),
        Complete(id="b", token=second.token, queue=(a_record("next", parameters="1"),)),
        Complete(id="c", token=third.token, queue=(follower,)),
    )
    assert statuses(answers) == ["completed", "completed"]
    assert refusal(answers[1]) == (Conflict, {"id": "next"})
    assert storage.get(["b", "next"]) == [second, follower]


def test_a_task_is_not_there_before_the_event_that_it_follows(storage: Storage) -> None:
    """Order counts: what comes earlier in the list finds nothing."""
    taken = started(storage, "a")
    follower = a_record("next")
    answers = happen(
        storage, Cancel(id="next"), Complete(id="a", token=taken.token, queue=(follower,))
    )
    assert refusal(answers[0]) == (TaskNotFound, {"id": "next"})
    assert get(storage, "next") == follower


def test_tasks_follow_in_the_order_of_the_events(storage: Storage) -> None:
    """Several events of one task do not put its outcome behind the next task's."""
    first, second = started(storage, "a"), started(storage, "b")
    happen(
        storage,
        Extend(id="a", token=first.token),
        Complete(id="a", token=first.token, queue=(a_record("next a", name="next"),)),
        Complete(id="b", token=second.token, queue=(a_record("next b", name="next"),)),
    )
    following = claim(storage, "next", max_tasks=9)
    assert [record.id for record in following] == ["next a", "next b"]


def test_hundreds_of_tasks_follow_hundreds_of_results(storage: Storage) -> None:
    """A report with a continuation for each outcome stores them in the order of the outcomes."""
    add(storage, *(a_record(f"t{place}") for place in range(250)))
    taken = claim(storage, "mail", max_tasks=1000)
    happen(
        storage,
        *(
            Complete(id=r.id, token=r.token, queue=(a_record(f"{r.id}.next", name="next"),))
            for r in taken
        ),
    )
    following = claim(storage, "next", max_tasks=1000)
    assert [r.id for r in following] == [f"t{place}.next" for place in range(250)]


# -- retry and unique keys --------------------------------------------------------------------


def cancelled(storage: Storage, id: str, **fields: Any) -> Record:
    """Store a task and cancel it."""
    add(storage, a_record(id, **fields))
    return changed(storage, Cancel(id=id))


def test_a_retry_meets_the_holder_of_its_unique_key(storage: Storage) -> None:
    """Two unfinished tasks never have one key: the retry is refused with the holder's id."""
    finished = cancelled(storage, "a", unique_key="k")
    add(storage, a_record("b", unique_key="k"))
    [answer] = happen(storage, Retry(id="a"))
    assert refusal(answer) == (Conflict, {"id": "b"})
    assert get(storage, "a") == finished


def test_a_retry_of_a_task_that_is_not_finished_badly_is_an_invalid_state(
    storage: Storage,
) -> None:
    """The state is judged before the key."""
    completed(storage, "a", unique_key="k")
    add(storage, a_record("b", unique_key="k"))
    [answer] = happen(storage, Retry(id="a"))
    assert refusal(answer) == (InvalidState, {"id": "a", "status": "completed"})


def test_of_two_retries_with_one_unique_key_the_first_wins(storage: Storage) -> None:
    """Events of one call see each other's unique keys."""
    cancelled(storage, "a", unique_key="k")
    second = cancelled(storage, "b", unique_key="k")
    answers = happen(storage, Retry(id="a"), Retry(id="b"))
    assert isinstance(answers[0], Record)
    assert refusal(answers[1]) == (Conflict, {"id": "a"})
    assert storage.get(["a", "b"]) == [answers[0], second]


def test_a_retry_may_have_the_key_that_an_event_before_it_gave_free(storage: Storage) -> None:
    """Once the holder has ended, in the same call too, the retry is taken."""
    cancelled(storage, "a", unique_key="k")
    add(storage, a_record("b", unique_key="k"))
    answers = happen(storage, Cancel(id="b"), Retry(id="a"))
    assert statuses(answers) == ["cancelled", "queued"]


def test_a_retry_meets_the_key_that_an_event_after_it_gives_free(storage: Storage) -> None:
    """Order counts between tasks too: the holder ends later in the call, so it still holds."""
    cancelled(storage, "a", unique_key="k")
    taken = started(storage, "b", unique_key="k")
    answers = happen(storage, Retry(id="a"), Complete(id="b", token=taken.token))
    assert refusal(answers[0]) == (Conflict, {"id": "b"})
    assert isinstance(answers[1], Record)
    assert answers[1].status == "completed"


def test_a_retry_meets_a_task_that_followed_an_event_before_it(storage: Storage) -> None:
    """A task stored by the same call holds its key too."""
    cancelled(storage, "a", unique_key="k")
    taken = started(storage, "b")
    answers = happen(
        storage,
        Complete(id="b", token=taken.token, queue=(a_record("c", unique_key="k"),)),
        Retry(id="a"),
    )
    assert refusal(answers[1]) == (Conflict, {"id": "c"})


def test_a_task_that_follows_meets_the_key_of_a_retry_before_it(storage: Storage) -> None:
    """The task that was retried has the key, so nothing new is stored."""
    cancelled(storage, "a", unique_key="k")
    taken = started(storage, "b")
    answers = happen(
        storage,
        Retry(id="a"),
        Complete(id="b", token=taken.token, queue=(a_record("c", unique_key="k"),)),
    )
    assert statuses(answers) == ["queued", "completed"]
    assert get(storage, "c") is None


def test_a_retry_of_a_task_without_a_unique_key_meets_nobody(storage: Storage) -> None:
    """No key is not a key that others could have."""
    finished = cancelled(storage, "a")
    add(storage, a_record("b"))
    assert changed(storage, Retry(id="a")) == Retry(id="a").apply(finished, NOW)
