"""Contract of `saw`, `drain`, `workers` and `forget_workers`: who is there and who should stop."""

from jsonrpc_qm.storage.base import WORKER_GONE, Sighting, Storage, WorkerRow
from jsonrpc_qm.transitions import Complete
from tests.records import NOW, a_record
from tests.storage.verbs import add, changed, claim, saw


def drain(storage: Storage, worker: str, now: int = NOW) -> bool:
    """Ask a worker to drain, in a transaction."""
    with storage.transaction():
        return storage.drain(worker, now)


def row(worker: str, *names: str, seen: int = NOW, running: int = 0, drain: bool = False) -> object:
    """What `workers` says of one."""
    return WorkerRow(worker=worker, names=names, last_seen=seen, running=running, drain=drain)


def test_nobody_is_known_at_first(storage: Storage) -> None:
    """An empty storage remembers no workers."""
    assert storage.workers() == []


def test_workers_are_remembered_by_name(storage: Storage) -> None:
    """All that were heard of, sorted by their names as characters go."""
    for worker in ("w2", "Ω", "W3", "w10"):
        assert saw(storage, worker, "mail") is False
    assert storage.workers() == [row(worker, "mail") for worker in ("W3", "w10", "w2", "Ω")]


def test_several_sightings_are_answered_in_order(storage: Storage) -> None:
    """Each sighting has its answer, also of one worker twice."""
    saw(storage, "b")
    drain(storage, "b")
    sightings = [
        Sighting(worker="a", names=("x",)),
        Sighting(worker="b"),
        Sighting(worker="a", names=("y", "x")),
    ]
    with storage.transaction():
        assert storage.saw(sightings, NOW + 1) == [False, True, False]
    assert storage.workers() == [
        row("a", "y", "x", seen=NOW + 1),
        row("b", seen=NOW + 1, drain=True),
    ]


def test_no_sightings_are_no_answers(storage: Storage) -> None:
    """An empty list is answered with an empty list."""
    with storage.transaction():
        assert storage.saw([], NOW) == []


def test_the_names_are_those_it_asked_for_last(storage: Storage) -> None:
    """A claim brings the names; a heartbeat brings none and leaves them."""
    saw(storage, "w", "a", "b")
    saw(storage, "w", now=NOW + 1)
    assert storage.workers() == [row("w", "a", "b", seen=NOW + 1)]
    saw(storage, "w", "c", now=NOW + 2)
    assert storage.workers() == [row("w", "c", seen=NOW + 2)]


def test_a_drained_worker_hears_of_it_until_it_is_gone(storage: Storage) -> None:
    """The request stays while the worker keeps in touch."""
    saw(storage, "w")
    assert drain(storage, "w") is True
    assert drain(storage, "w") is True
    now = NOW
    for _ in range(3):
        now += WORKER_GONE
        assert saw(storage, "w", now=now) is True
    assert storage.workers() == [row("w", seen=now, drain=True)]


def test_a_worker_that_was_gone_starts_anew(storage: Storage) -> None:
    """Not heard of for WORKER_GONE: whoever comes by that name is not asked to drain."""
    saw(storage, "w", "mail")
    drain(storage, "w")
    back = NOW + WORKER_GONE + 1
    assert saw(storage, "w", now=back) is False
    assert storage.workers() == [row("w", "mail", seen=back)]


def test_draining_a_worker_that_nobody_knows(storage: Storage) -> None:
    """There is nobody to ask, and asking does not make one."""
    assert drain(storage, "w") is False
    assert storage.workers() == []


def test_draining_a_worker_that_is_gone(storage: Storage) -> None:
    """It would not hear of it when it comes back, so the answer is that there is nobody."""
    saw(storage, "w")
    assert drain(storage, "w", NOW + WORKER_GONE) is True
    saw(storage, "v")
    assert drain(storage, "v", NOW + WORKER_GONE + 1) is False
    assert [worker.drain for worker in storage.workers()] == [False, True]


def test_running_counts_what_a_worker_holds(storage: Storage) -> None:
    """Tasks that it claimed and that are started, of all names; nobody else's."""
    saw(storage, "w1")
    saw(storage, "w2")
    saw(storage, "w3")
    add(storage, *(a_record(f"t{place}", name=f"n{place % 2}") for place in range(6)))
    held = claim(storage, "n0", "n1", worker="w1", max_tasks=3)
    claim(storage, "n0", worker="w2")
    claim(storage, "n1")
    claim(storage, "n0", worker="never seen")
    assert [worker.running for worker in storage.workers()] == [3, 1, 0]
    changed(storage, Complete(id=held[0].id, token=held[0].token))
    assert [worker.running for worker in storage.workers()] == [2, 1, 0]


def test_workers_not_seen_since_a_moment_are_forgotten(storage: Storage) -> None:
    """Those last seen before it go, with their drain; one seen at it stays."""
    saw(storage, "old", now=NOW)
    saw(storage, "new", now=NOW + 1)
    drain(storage, "old")
    with storage.transaction():
        storage.forget_workers(NOW + 1)
    assert storage.workers() == [row("new", seen=NOW + 1)]
    assert saw(storage, "old", now=NOW + 2) is False
