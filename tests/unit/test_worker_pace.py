"""How many tasks a worker holds beyond those that run."""

from jsonrpc_qm.worker.pace import MAX_HELD, Pace


def paced(*seconds: float) -> Pace:
    pace = Pace()
    for each in seconds:
        pace.observe(each)
    return pace


def test_nothing_is_held_back_before_anything_is_known() -> None:
    """The first tasks may be long."""
    assert Pace().prefetch(8) == 0


def test_no_op_tasks_are_claimed_as_many_as_a_claim_takes() -> None:
    """Slots and prefetched ones together."""
    assert paced(0.000_01).prefetch(8) == MAX_HELD - 8


def test_long_tasks_are_left_to_workers_that_are_free() -> None:
    """A task that takes a second is not claimed before it can start."""
    assert paced(1.0).prefetch(8) == 0


def test_what_is_held_is_about_fifty_milliseconds_of_work() -> None:
    """With eight slots and tasks of 10 ms: 40."""
    assert paced(0.01).prefetch(8) == 40


def test_one_long_task_is_noticed_at_once() -> None:
    """Short ones have to add up before more is held again."""
    pace = paced(*[0.000_01] * 50, 1.0)
    assert pace.prefetch(8) == 0
    for _ in range(100):
        pace.observe(0.000_01)
    assert pace.prefetch(8) > 100


def test_more_slots_than_a_claim_takes_need_no_more() -> None:
    """The bound holds for any concurrency."""
    assert paced(0.000_01).prefetch(5000) == 0


def test_after_a_stall_nothing_is_held_back() -> None:
    """Until the next attempt has ended, which says how it is now."""
    pace = paced(0.01)
    pace.forget()
    assert pace.prefetch(8) == 0
    pace.observe(0.01)
    assert pace.prefetch(8) == 40
