"""stats, workers, drain, pause, resume, purge and discover on the command line."""

import json

import pytest

from jsonrpc_qm.cli import asking
from jsonrpc_qm.errors import InvalidParams, Unavailable
from tests.unit.cli_fakes import STATS, Each, FakeManager, run, run_line


def test_stats_prints_a_row_for_each_name_and_a_line_about_the_manager() -> None:
    """The protocol's counts, the age of the oldest, and whether the name is paused."""
    header, row, _, manager = run("stats").stdout.splitlines()
    assert header == "NAME  QUEUED SCHEDULED STARTED COMPLETED FAILED CANCELLED OLDEST"
    assert row.split() == ["hello", "2", "1", "0", "10", "1", "0", "1m", "paused"]
    assert manager == "1 worker; manager 0.1.0, up 1h1m, sqlite:///tasks.db"


def test_stats_of_several_names_has_a_total() -> None:
    """The sum of each column is the last row."""
    counts = STATS["names"]["hello"]
    names = {"a": {**counts, "paused": False}, "b": {**counts, "paused": False}}
    result = run("stats", manager=FakeManager(stats={**STATS, "names": names}))
    total = result.stdout.splitlines()[3]
    assert total.split() == ["total", "4", "2", "0", "20", "2", "0"]


def test_stats_json_is_what_the_manager_answered() -> None:
    """Nothing added, nothing left out."""
    assert json.loads(run("stats", "--json").stdout) == STATS


def test_stats_watch_prints_again_until_ctrl_c() -> None:
    """In a pipe one table after the other, JSON as one document a line; Ctrl-C is no error."""
    manager = FakeManager(stats=Each([STATS, STATS, KeyboardInterrupt()]))
    result = run("stats", "--watch", "--every", "0", "--json", manager=manager)
    assert result.exit_code == 0
    assert [json.loads(line) for line in result.stdout.splitlines()] == [STATS, STATS]


def test_stats_watch_of_a_manager_that_is_not_there_ends_at_once() -> None:
    """The first call must succeed."""
    result = run("stats", "--watch", manager=FakeManager(stats=Unavailable("no manager")))
    assert (result.exit_code, result.stderr) == (5, "Error: Unavailable: no manager\n")


def test_workers_prints_a_row_for_each_worker() -> None:
    """Who, how many tasks it holds, whether it is draining, and its names."""
    header, row = run("workers").stdout.splitlines()
    assert header.split() == ["WORKER", "RUNNING", "SEEN", "STATE", "NAMES"]
    assert row.split()[:2] == ["host-1", "2"]
    assert row.split()[3:] == ["working", "hello"]


def test_workers_json_is_a_list() -> None:
    """As the manager answered it."""
    assert json.loads(run("workers", "--json").stdout) == [
        {
            "worker": "host-1",
            "names": ["hello"],
            "last_seen": "2030-01-31T08:00:00.120000Z",
            "running": 2,
            "drain": False,
        }
    ]


@pytest.mark.parametrize(
    ("verb", "said"),
    [("pause", "{} paused"), ("resume", "{} resumed"), ("drain", "{} is asked to stop")],
)
def test_pause_resume_and_drain_take_several(verb: str, said: str) -> None:
    """One call and one line each."""
    manager = FakeManager()
    result = run(verb, "a", "b", manager=manager)
    assert result.stdout.splitlines() == [said.format("a"), said.format("b")]
    assert manager.calls == [(verb, ("a",), {}), (verb, ("b",), {})]


def test_drain_of_an_unknown_worker_is_refused() -> None:
    """In the manager's words."""
    unknown = InvalidParams.of("worker", "no worker of this name has been heard of")
    result = run("drain", "w", manager=FakeManager(drain=unknown))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"Error: {unknown}\n"


def test_purge_prints_how_many_were_deleted() -> None:
    """With the filters of the protocol."""
    manager = FakeManager()
    line = "purge --name hello --status failed --older-than 7d --yes"
    assert run_line(line, manager).stdout == "12 deleted\n"
    filters = {"name": "hello", "status": "failed", "older_than": 604800.0}
    assert manager.call == ("purge", (), filters)
    assert run("purge", "--yes", "--json").stdout == "12\n"


def test_purge_without_a_terminal_must_be_told_yes() -> None:
    """It is a usage error, and nothing is deleted."""
    manager = FakeManager()
    result = run("purge", "--older-than", "7d", manager=manager)
    assert (result.exit_code, result.stdout, manager.calls) == (2, "", [])
    assert result.stderr.startswith("Error: There is no terminal to ask on; give --yes.")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("status", ["queued", "started", "nonsense"])
def test_purge_takes_finished_tasks_only(status: str) -> None:
    """Others can't be chosen."""
    manager = FakeManager()
    assert run("purge", "--status", status, manager=manager).exit_code == 2
    assert manager.calls == []


@pytest.fixture
def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "asks", lambda: True)


@pytest.mark.usefixtures("on_a_terminal")
@pytest.mark.parametrize(
    ("line", "number", "question"),
    [
        ("purge", 3, "Delete 3 finished tasks?"),
        ("purge --status failed", 1, "Delete 1 failed task?"),
        ("purge --name x --status completed", 0, "Delete 0 completed tasks named 'x'?"),
    ],
)
def test_purge_asks_with_the_number(line: str, number: int, question: str) -> None:
    """Where the manager knows it without looking at the tasks."""
    manager = FakeManager(delete_many=number)
    result = run_line(line, manager)
    assert question in result.stderr
    assert [call[0] for call in manager.calls] == ["delete_many"]
    assert manager.call[2]["dry_run"] is True


@pytest.mark.usefixtures("on_a_terminal")
def test_purge_asks_on_a_terminal() -> None:
    """No means that nothing is deleted, and exit code 1; --yes does not ask."""
    manager = FakeManager()
    result = run("purge", "--older-than", "1h30m", manager=manager, input="n\n")
    assert (result.exit_code, manager.calls) == (1, [])
    assert "Delete all finished tasks that ended more than 1h30m ago? [y/N]" in result.output
    assert result.stderr.endswith("Error: nothing was changed\n")
    agreed = run("purge", "--name", "x", manager=manager, input="y\n")
    assert agreed.stdout.endswith("12 deleted\n")
    assert run("purge", "--yes", manager=manager, input="").stdout == "12 deleted\n"


def test_discover_prints_the_openrpc_document() -> None:
    """As the manager answered it."""
    assert json.loads(run("discover").stdout) == {"openrpc": "1.3.2"}
