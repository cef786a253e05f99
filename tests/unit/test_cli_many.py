"""`retry`, `cancel` and `delete` of all tasks that meet some conditions, and what tells of one."""

import pytest

from jsonrpc_qm.answers import Explanation, Reason, TaskTransition
from jsonrpc_qm.cli import many
from tests.unit.cli_fakes import ID, WHEN, FakeManager, run, run_line

NONE = {"dry_run": False}


@pytest.mark.parametrize("verb", ["retry", "cancel", "delete"])
def test_conditions_instead_of_ids_change_all_that_meet_them(verb: str) -> None:
    """One call; the number is the answer. In a script it does not ask."""
    manager = FakeManager()
    assert run_line(f"{verb} --name hello --query cat", manager).stdout == "3 tasks\n"
    assert manager.call == (f"{verb}_many", (), {"name": "hello", "query": "cat", **NONE})
    assert run(verb, "--all", "--json").stdout == "3\n"


def test_a_time_is_a_condition() -> None:
    """In RFC 3339."""
    manager = FakeManager()
    run_line("delete --since 2030-01-31T08:00:00.12Z --status failed", manager)
    assert manager.call == ("delete_many", (), {"since": WHEN, "status": "failed", **NONE})


def test_all_must_be_said() -> None:
    """A line that was cut short changes nothing."""
    manager = FakeManager()
    result = run("retry", manager=manager)
    assert (result.exit_code, manager.calls) == (2, [])


def test_a_dry_run_counts() -> None:
    """And does not ask."""
    manager = FakeManager()
    assert run_line("cancel --all --dry-run", manager).stdout == "3 tasks\n"
    assert manager.call == ("cancel_many", (), {"dry_run": True})


@pytest.mark.parametrize(("said", "changed"), [("y", True), ("n", False)])
def test_people_are_asked_with_the_number(
    said: str, changed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is changed."""
    monkeypatch.setattr(many, "asks", lambda: True)
    manager = FakeManager()
    result = run("retry", "--name", "hello", manager=manager, input=said)
    assert "Retry 3 tasks?" in result.stderr
    dry, *rest = manager.calls
    assert dry == ("retry_many", (), {"name": "hello", "dry_run": True})
    assert bool(rest) is changed
    assert result.exit_code == (0 if changed else 1)
    assert run("retry", "--name", "hello", "--yes").stdout == "3 tasks\n"


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
