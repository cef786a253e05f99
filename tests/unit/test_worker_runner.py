"""A worker process from the first claim to the last outcome, on a manager of cardboard."""

import asyncio
import threading
from collections.abc import Callable
from threading import Barrier, Event
from typing import Any

import pytest

from jsonrpc_qm.errors import Forbidden, QueueError, TooLarge, Unavailable
from jsonrpc_qm.worker import courier as courier_module
from jsonrpc_qm.worker import runner as runner_module
from jsonrpc_qm.worker.outcome import Fail, Retry
from jsonrpc_qm.worker.runner import Runner
from tests.unit.worker_fakes import PATIENCE, FakeManager, away, working


@pytest.fixture
def manager() -> FakeManager:
    return FakeManager()


@pytest.fixture
def go() -> Any:
    """Handlers wait for it; set at the end, so that no thread is left behind."""
    event = Event()
    yield event
    event.set()


def mail(text: str = "") -> str:
    return text.upper()


async def amail(text: str = "") -> str:
    return text.upper()


# -- working -------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", [mail, amail])
def test_a_task_is_run_and_its_result_reported(
    manager: FakeManager, function: Callable[..., Any]
) -> None:
    """Plain functions in a thread, async ones on the loop."""
    with working(manager, function):
        id = manager.queue(function.__name__, {"text": "hi"})
        assert manager.finished(id).result == "HI"


def test_a_single_outcome_is_reported_at_once(manager: FakeManager) -> None:
    """It waits for no others when there is nothing else to do."""
    with working(manager, mail):
        for _ in range(3):
            manager.finished(manager.queue())
    assert [len(report) for report in manager.reports] == [1, 1, 1]


@pytest.mark.parametrize("function", [mail, amail])
def test_short_tasks_are_claimed_and_reported_many_at_a_time(
    manager: FakeManager, function: Callable[..., Any]
) -> None:
    """3000 no-op tasks take some dozens of calls, not thousands."""
    for number in range(3000):
        manager.queue(function.__name__, [str(number)])
    with working(manager, function):
        manager.wait_until(manager.all_finished)
    assert len(manager.reports) < 100
    assert manager.tasks["t3000"].result == "2999"


@pytest.mark.parametrize("concurrency", [1, 3])
def test_as_many_run_at_a_time_as_was_said(manager: FakeManager, concurrency: int) -> None:
    """Not one more, and not one less."""
    together = Barrier(concurrency)
    running, most = 0, 0
    lock = threading.Lock()

    def meet() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        together.wait(PATIENCE)
        with lock:
            running -= 1

    for _ in range(4 * concurrency):
        manager.queue("meet")
    with working(manager, meet, concurrency=concurrency):
        manager.wait_until(manager.all_finished)
    assert most == concurrency
    assert all(task.status == "completed" for task in manager.tasks.values())


def test_async_handlers_run_side_by_side_up_to_the_concurrency(manager: FakeManager) -> None:
    """On one event loop."""
    running, most = 0, 0

    async def nap() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1

    for _ in range(20):
        manager.queue("nap")
    with working(manager, nap, concurrency=4):
        manager.wait_until(manager.all_finished)
    assert most == 4


def test_long_tasks_are_left_to_other_workers(manager: FakeManager, go: Event) -> None:
    """What can't start is not claimed."""

    def long() -> None:
        go.wait(PATIENCE)

    for _ in range(10):
        manager.queue("long")
    with working(manager, long, concurrency=2):
        manager.wait_until(lambda: sum(t.status == "started" for t in manager.tasks.values()) == 2)
        assert sum(manager.claims) == 2
        go.set()


def test_what_was_claimed_too_early_is_given_back(
    manager: FakeManager, go: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tasks behind one that turned out to be long are released, and others run them."""
    monkeypatch.setattr(runner_module, "OVERDUE", 0.05)
    monkeypatch.setattr(courier_module, "LOOK", 0.02)

    def work(long: bool) -> None:
        if long:
            go.wait(PATIENCE)

    for number in range(400):
        manager.queue("work", {"long": number == 200})
    with working(manager, work, concurrency=1):
        manager.wait_until(lambda: manager.tasks["t201"].status == "started")
        manager.wait_until(lambda: sum(t.status == "started" for t in manager.tasks.values()) == 1)
        assert manager.tasks["t400"].attempts == 0
        go.set()
        manager.wait_until(manager.all_finished)


def test_only_registered_names_are_claimed(manager: FakeManager) -> None:
    """What nobody here can do stays where it is."""
    other = manager.queue("other")
    with working(manager, mail):
        manager.finished(manager.queue())
    assert manager.tasks[other].status == "queued"


# -- failing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [ValueError, SystemExit, KeyboardInterrupt, GeneratorExit])
@pytest.mark.parametrize("is_async", [False, True])
def test_whatever_a_handler_raises_fails_its_task_only(
    manager: FakeManager, kind: type[BaseException], is_async: bool
) -> None:
    """The worker goes on, also after what ends whole programs elsewhere."""

    def mail(bad: bool) -> None:
        if bad:
            raise kind("no")

    async def amail(bad: bool) -> None:
        mail(bad)

    function = amail if is_async else mail
    with working(manager, function):
        failed = manager.finished(manager.queue(function.__name__, {"bad": True}))
        assert failed.error is not None
        assert failed.error["type"] == kind.__name__
        fine = manager.queue(function.__name__, {"bad": False})
        assert manager.finished(fine).status == "completed"


def test_retry_and_fail_decide_what_is_next(manager: FakeManager) -> None:
    """They reach the manager as `delay` and `retry`."""

    def mail(how: str) -> None:
        raise Retry(delay=7) if how == "retry" else Fail("never")

    with working(manager, mail):
        manager.finished(manager.queue("mail", ["retry"]))
        manager.finished(manager.queue("mail", ["fail"]))
    outcomes = [outcome for report in manager.reports for outcome in report]
    assert outcomes[0]["delay"] == 7
    assert outcomes[1]["retry"] is False


def test_a_result_that_is_no_json_spoils_no_other(manager: FakeManager) -> None:
    """It fails its own task."""

    def work(n: int) -> Any:
        return {n} if n == 5 else n

    for number in range(10):
        manager.queue("work", [number])
    with working(manager, work):
        manager.wait_until(manager.all_finished)
    assert [t.status for t in manager.tasks.values()].count("completed") == 9
    error = manager.tasks["t6"].error
    assert error is not None
    assert error["type"] == "ResultNotSerializable"


def test_a_result_that_the_manager_refuses_fails_its_task(manager: FakeManager) -> None:
    """With the manager's reason."""
    manager.refuse = lambda outcome: (
        TooLarge.of("result", limit=1, size=2) if outcome["status"] == "completed" else None
    )
    with working(manager, mail):
        error = manager.finished(manager.queue("mail", ["x"])).error
    assert error is not None
    assert error["type"] == "TooLarge"


def test_a_task_that_ends_the_event_loop_ends_it_not(manager: FakeManager) -> None:
    """SystemExit in a task that a handler started would take asyncio's loop with it."""

    async def exiting() -> None:
        async def leave() -> None:
            raise SystemExit(1)

        leaving = asyncio.get_running_loop().create_task(leave())
        await asyncio.wait([leaving])
        leaving.exception()

    with working(manager, exiting, amail):
        manager.finished(manager.queue("exiting"))
        assert manager.finished(manager.queue("amail", ["x"])).result == "X"


def test_an_async_handler_that_runs_too_long_is_cancelled(manager: FakeManager) -> None:
    """Its attempt has failed with the type Timeout; a TimeoutError of its own is something else."""

    async def slow(own: bool) -> None:
        if own:
            raise TimeoutError("mine")
        await asyncio.Event().wait()

    with working(manager, slow) as worker:
        worker.runner._jobs["slow"].timeout = 0.05
        own = manager.finished(manager.queue("slow", [True])).error
        assert own is not None
        assert own["type"] == "TimeoutError"
        error = manager.finished(manager.queue("slow", [False])).error
        assert error is not None
        assert error["type"] == "Timeout"
        assert "0.05 s" in error["message"]


# -- the manager away ----------------------------------------------------------------------------


def test_outcomes_survive_the_managers_absence(
    manager: FakeManager, go: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What runs goes on, its outcome is kept, and then work goes on."""
    tried = Event()
    monkeypatch.setattr(
        "jsonrpc_qm.worker.link.Link.failed", lambda self, error: tried.set() or 0.01
    )

    def work(n: int) -> int:
        go.wait(PATIENCE)
        return n

    with working(manager, work, concurrency=2):
        ids = [manager.queue("work", [number]) for number in range(2)]
        manager.wait_until(lambda: all(manager.tasks[id].status == "started" for id in ids))
        with manager.changed:
            manager.error = away()
            manager.changed.notify_all()
        go.set()
        assert tried.wait(PATIENCE)
        assert [manager.tasks[id].status for id in ids] == ["started", "started"]
        with manager.changed:
            manager.error = None
        assert [manager.finished(id).result for id in ids] == [0, 1]
        assert manager.finished(manager.queue("work", [2])).result == 2


def test_a_worker_may_start_before_its_manager(
    manager: FakeManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits for it."""
    tried = Event()
    monkeypatch.setattr(
        "jsonrpc_qm.worker.link.Link.failed", lambda self, error: tried.set() or 0.01
    )
    manager.error = Unavailable("not yet")
    with working(manager, mail):
        assert tried.wait(PATIENCE)
        manager.error = None
        assert manager.finished(manager.queue("mail", ["x"])).result == "X"


def test_a_manager_that_forbids_claims_ends_the_worker(manager: FakeManager) -> None:
    """Trying again would not help."""
    manager.error = Forbidden()
    with working(manager, mail) as worker:
        worker.join()
    assert isinstance(worker.error, Forbidden)


def test_what_is_no_manager_ends_a_burst(manager: FakeManager) -> None:
    """A wrong URL does not get better; a manager that is away does, and is waited for."""
    manager.error = QueueError("the URL answered HTTP 404")
    with working(manager, mail, burst=True) as worker:
        worker.join()
    assert isinstance(worker.error, Unavailable)
    assert str(worker.error) == "Unavailable: the URL answered HTTP 404"


def test_a_worker_that_is_to_stay_tries_on_whatever_answers(
    manager: FakeManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy may be set up wrongly for a while."""
    tried = Event()
    monkeypatch.setattr(
        "jsonrpc_qm.worker.link.Link.failed", lambda self, error: tried.set() or 0.01
    )
    manager.error = QueueError("the URL answered HTTP 404")
    with working(manager, mail):
        assert tried.wait(PATIENCE)
        manager.error = None
        assert manager.finished(manager.queue("mail", ["x"])).result == "X"


def test_a_worker_without_work_to_do_is_refused(manager: FakeManager) -> None:
    """Mistakes of configuration show at the start."""
    with pytest.raises(ValueError, match="concurrency"):
        Runner({}, manager.source, concurrency=0)
    with pytest.raises(ValueError, match="none is registered"):
        Runner({}, manager.source)
