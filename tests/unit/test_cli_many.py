"""`retry`, `cancel` and `delete` of all tasks that meet some conditions, and what tells of one."""

from datetime import UTC, datetime, timedelta

import pytest

from jsonrpc_qm.answers import Explanation, Reason, TaskTransition
from jsonrpc_qm.cli import asking
from tests.unit.cli_fakes import ID, WHEN, FakeManager, run, run_line

NONE = {"dry_run": False}

DONE = {"retry": "retried", "cancel": "cancelled or asked to stop", "delete": "deleted"}
"""What each command says that it has done."""


@pytest.fixture
def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "asks", lambda: True)


@pytest.mark.parametrize(("verb", "done"), DONE.items())
def test_conditions_instead_of_ids_change_all_that_meet_them(verb: str, done: str) -> None:
    """One call; it says how many, and what was done to them."""
    manager = FakeManager()
    assert run_line(f"{verb} --name hello --query cat --yes", manager).stdout == f"3 {done}\n"
    assert manager.call == (f"{verb}_many", (), {"name": "hello", "query": "cat", **NONE})
    assert run(verb, "--all", "--yes", "--json").stdout == "3\n"


@pytest.mark.parametrize("verb", DONE)
def test_without_a_terminal_to_ask_on_yes_must_be_said(verb: str) -> None:
    """A script that means it says so; otherwise it is a usage error, and nothing is changed."""
    manager = FakeManager()
    result = run(verb, "--name", "hello", manager=manager)
    assert (result.exit_code, result.stdout, manager.calls) == (2, "", [])
    assert result.stderr.startswith(
        "Error: There is no terminal to ask on; give --yes or --dry-run"
    )
    assert result.stderr.count("\n") == 1


def test_ids_are_not_asked_about() -> None:
    """Who names each task means it."""
    assert run("delete", ID).stdout == f"{ID} deleted\n"


def test_a_time_is_a_condition() -> None:
    """In RFC 3339."""
    manager = FakeManager()
    run_line("delete --since 2030-01-31T08:00:00.12Z --status failed --yes", manager)
    assert manager.call == ("delete_many", (), {"since": WHEN, "status": "failed", **NONE})


@pytest.mark.parametrize("line", ["list", "retry --yes", "cancel --yes", "delete --yes"])
def test_a_time_is_said_by_how_long_ago_it_is(line: str) -> None:
    """As people think of it."""
    manager = FakeManager()
    assert run_line(f"{line} --since 2h --until 1h", manager).exit_code == 0
    given = manager.call[2]
    assert given["until"] - given["since"] == pytest.approx(timedelta(hours=1), abs=timedelta(0, 9))


def test_all_must_be_said() -> None:
    """A line that was cut short changes nothing."""
    manager = FakeManager()
    result = run("retry", manager=manager)
    assert (result.exit_code, manager.calls) == (2, [])


@pytest.mark.parametrize(("verb", "done"), DONE.items())
def test_a_dry_run_says_what_would_be_done(verb: str, done: str) -> None:
    """And does not ask."""
    manager = FakeManager()
    assert run_line(f"{verb} --all --dry-run", manager).stdout == f"3 would be {done}\n"
    assert manager.call == (f"{verb}_many", (), {"dry_run": True})


@pytest.mark.parametrize(("said", "changed"), [("y", True), ("n", False)])
@pytest.mark.usefixtures("on_a_terminal")
def test_people_are_asked_with_the_number(said: str, changed: bool) -> None:
    """Before anything is changed."""
    manager = FakeManager()
    result = run("retry", "--name", "hello", manager=manager, input=said)
    assert "Retry 3 tasks?" in result.stderr
    dry, *rest = manager.calls
    assert dry == ("retry_many", (), {"name": "hello", "dry_run": True})
    assert bool(rest) is changed
    assert result.exit_code == (0 if changed else 1)
    assert run("retry", "--name", "hello", "--yes").stdout == "3 retried\n"


@pytest.mark.usefixtures("on_a_terminal")
def test_people_are_asked_about_one_task() -> None:
    """Which is no plural."""
    result = run("delete", "--all", manager=FakeManager(delete_many=1), input="y")
    assert "Delete 1 task?" in result.stderr
    assert result.stdout == "1 deleted\n"


def test_a_history_is_a_row_a_step() -> None:
    """Who had it, and why it went on; what a completion queued."""
    steps = [
        TaskTransition(at=WHEN, to="queued"),
        TaskTransition(at=WHEN, before="queued", to="started", worker="w1"),
        TaskTransition(at=WHEN, before="started", to="queued", worker="w1", reason="E: no"),
        TaskTransition(at=WHEN, before="started", to="completed", worker="w2", tasks=["b", "c"]),
    ]
    shown = run("history", ID, manager=FakeManager(history=steps)).stdout.splitlines()
    assert [line.split(maxsplit=2)[2] for line in shown[1:]] == [
        "queued",
        "started    w1",
        "queued     w1      E: no",
        "completed  w2      queued b, c",
    ]
    assert '"from":null' in run("history", ID, "--json").stdout.replace(" ", "")


def test_an_explanation_is_a_line_a_reason() -> None:
    """With the status before it."""
    reasons = [Reason(code="paused", message="a is paused"), Reason(code="x", message="no\nmore")]
    explained = Explanation(id=ID, status="queued", reasons=reasons)
    shown = run("explain", ID, manager=FakeManager(explain=explained)).stdout
    assert shown.splitlines()[0] == "queued: a is paused"
    assert len(shown.splitlines()) == 2
    assert '"code":"paused"' in run("explain", ID, "--json").stdout.replace(" ", "")


def explained(status: str, *reasons: Reason) -> list[str]:
    """The lines in which a task is explained."""
    explanation = Explanation(id=ID, status=status, reasons=list(reasons))
    return run("explain", ID, manager=FakeManager(explain=explanation)).stdout.splitlines()


def test_a_finished_task_is_explained_without_its_status() -> None:
    """Which the reason itself says."""
    reason = Reason(code="finished", message="it failed: KeyError: 'x'")
    assert explained("failed", reason) == ["it failed: KeyError: 'x'"]


def test_what_ends_by_itself_is_explained_with_when() -> None:
    """In the units of all ages."""
    until = datetime.now(UTC) + timedelta(hours=3, seconds=30)
    reason = Reason(code="running", message="w runs it", until=until)
    assert explained("started", reason) == ["started: w runs it (in 3h)"]
