"""queue, get, list, cancel, retry and delete on the command line."""

import json
from datetime import UTC, datetime

import pytest

from jsonrpc_qm.answers import Explanation, Reason, TaskPage
from jsonrpc_qm.errors import (
    Conflict,
    InvalidParams,
    InvalidState,
    MethodNotFound,
    TaskNotFound,
    Unavailable,
)
from jsonrpc_qm.retry import Backoff
from jsonrpc_qm.task import Status
from tests.unit.cli_fakes import ID, Each, FakeManager, a_task, run, run_line

DONE = a_task(status=Status.COMPLETED, result={"sum": 3})
FAILED = a_task(status=Status.FAILED, error={"type": "ValueError", "message": "no\x1b[2Jsuch"})


def test_queue_prints_the_id_only() -> None:
    """So that a script can keep it: ID=$(jsonrpc-qm queue ...)."""
    manager = FakeManager()
    result = run("queue", "hello", '{"a": 1}', manager=manager)
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{ID}\n", "")
    assert manager.call == ("queue", ("hello", {"a": 1}), {})


def test_queue_passes_every_option_on() -> None:
    """Each option becomes the protocol's parameter of that name."""
    manager = FakeManager()
    line = (
        "queue hello --priority -5 --delay 1m --max-attempts 7 --max-lost 0 --lease 90 --timeout 2h"
        " --expires-in 1d --unique-key k --id my:id --metadata a=1 --metadata b=2=3"
        """ --backoff '{"base": 1, "jitter": 0}' --run-at 2030-01-31T08:00:00Z"""
    )
    result = run_line(line, manager)
    assert result.exit_code == 0, result.stderr
    assert manager.call == (
        "queue",
        ("hello", None),
        {
            "priority": -5,
            "delay": 60.0,
            "run_at": datetime(2030, 1, 31, 8, tzinfo=UTC),
            "max_attempts": 7,
            "max_lost": 0,
            "lease": 90.0,
            "timeout": 7200.0,
            "expires_in": 86400.0,
            "backoff": Backoff(base=1, jitter=0),
            "unique_key": "k",
            "id": "my:id",
            "metadata": {"a": "1", "b": "2=3"},
        },
    )


@pytest.mark.parametrize(
    ("backoff", "said"),
    [
        ('{"bass": 1}', "unknown field `bass`"),
        ('{"factor": 0.5}', "$.factor"),
        ("[]", "Expected `object`"),
        ("{", "it is no JSON"),
    ],
)
def test_a_bad_backoff_is_a_usage_error(backoff: str, said: str) -> None:
    """A retry policy is checked before anything is sent."""
    manager = FakeManager()
    result = run("queue", "hello", "--backoff", backoff, manager=manager)
    assert (result.exit_code, manager.calls) == (2, [])
    assert said in result.stderr
    assert "--backoff" in result.stderr


def test_bad_parameters_are_one_line_and_exit_code_2() -> None:
    """Bad JSON never reaches the manager."""
    manager = FakeManager()
    result = run("queue", "hello", '{"a": }', manager=manager)
    assert (result.exit_code, result.stdout, manager.calls) == (2, "", [])
    assert result.stderr.startswith("Error: Invalid value for '[PARAMETERS]': it is no JSON: ")
    assert result.stderr.endswith("value at column 7. See 'jsonrpc-qm queue --help'.\n")


def test_queue_wait_prints_the_result_alone() -> None:
    """The result is JSON on one line, whatever the polls in between answered."""
    manager = FakeManager(get_task=Each([a_task(status=Status.STARTED), DONE]))
    result = run("queue", "hello", "--wait", manager=manager)
    assert (result.exit_code, result.stdout) == (0, '{"sum": 3}\n')
    assert [call[2] for call in manager.calls[1:]] == [{"wait": 5.0}, {"wait": 55.0}]


NO_WORKER = Explanation(
    id=ID,
    status="queued",
    reasons=[
        Reason(code="no_worker", message="no worker has asked for hello in the last 60 s"),
        Reason(code="other", message="another"),
    ],
)


def test_a_wait_for_nobody_says_so() -> None:
    """After some seconds, once and on stderr: why the task isn't running."""
    queued = a_task()
    manager = FakeManager(get_task=Each([queued, queued, queued, DONE]), explain=NO_WORKER)
    result = run("queue", "hello", "--wait", manager=manager)
    assert (result.exit_code, result.stdout) == (0, '{"sum": 3}\n')
    assert result.stderr == "Still queued: no worker has asked for hello in the last 60 s\n"


def test_a_wait_for_a_task_that_runs_says_nothing() -> None:
    """There is nothing to be done about it."""
    manager = FakeManager(get_task=Each([a_task(status=Status.STARTED), DONE]))
    assert run("get", ID, "--wait", manager=manager).stderr == ""


def test_a_wait_with_json_says_nothing_in_between() -> None:
    """What a program reads from stderr is one document."""
    manager = FakeManager(get_task=Each([a_task(), DONE]), explain=NO_WORKER)
    assert run("get", ID, "--wait", "--json", manager=manager).stderr == ""


@pytest.mark.parametrize("json", ["", " --json"])
def test_a_wait_that_was_too_short_says_why(json: str) -> None:
    """With the first reason, in one line."""
    manager = FakeManager(get_task=a_task(), explain=NO_WORKER)
    result = run_line(f"queue hello --wait-for 0{json}", manager)
    assert result.exit_code == 7
    said = (
        "is not finished yet, it is queued: no worker has asked for hello in the last 60 s; go on"
    )
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_wait_does_without_a_reason() -> None:
    """An older manager, for one, does not explain."""
    manager = FakeManager(get_task=a_task(), explain=MethodNotFound())
    result = run("get", ID, "--wait-for", "0", manager=manager)
    assert result.exit_code == 7
    assert "it is queued; go on with" in result.stderr


@pytest.mark.parametrize(
    ("task", "said"),
    [
        (FAILED, f"Error: task {ID} failed: ValueError: no\\u001b[2Jsuch\n"),
        (a_task(status=Status.CANCELLED), f"Error: task {ID} was cancelled\n"),
    ],
)
def test_queue_wait_ends_as_the_task_did(task: object, said: str) -> None:
    """Exit code 1 when the task failed or was cancelled, and why on stderr."""
    result = run("queue", "hello", "--wait", manager=FakeManager(get_task=task))
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", said)


def test_queue_wait_for_has_its_own_exit_code_when_time_is_up() -> None:
    """A task that is not finished in time has not failed: 7, and how to wait on."""
    manager = FakeManager(get_task=a_task(status=Status.STARTED))
    result = run("queue", "hello", "--wait-for", "0", manager=manager)
    assert (result.exit_code, result.stdout) == (7, "")
    assert f"jsonrpc-qm get {ID} --wait" in result.stderr


def test_wait_for_asks_for_no_more_than_it_was_given() -> None:
    """The last poll does not wait beyond the time that was given."""
    manager = FakeManager(get_task=DONE)
    assert run("get", ID, "--wait-for", "3", manager=manager).exit_code == 0
    assert 2.0 < manager.call[2]["wait"] <= 3.0


def test_queue_wait_with_json_prints_the_finished_task() -> None:
    """One document on stdout: the task; one on stderr when it failed."""
    result = run("queue", "hello", "--wait", "--json", manager=FakeManager(get_task=FAILED))
    assert result.exit_code == 1
    assert json.loads(result.stdout)["error"]["message"] == "no\x1b[2Jsuch"
    said = json.loads(result.stderr)
    assert (said["exit_code"], said["error"]) == (1, None)
    assert said["message"].startswith(f"task {ID} failed")


def test_json_is_what_the_manager_answered() -> None:
    """The task object of the protocol: times with microseconds and Z, no token, nulls kept."""
    result = run("queue", "hello", "--json")
    assert json.loads(result.stdout) == {
        "id": ID,
        "name": "hello",
        "parameters": None,
        "result": None,
        "status": "queued",
        "error": None,
        "priority": 0,
        "attempts": 0,
        "max_attempts": 5,
        "lost": 0,
        "max_lost": 3,
        "run_at": "2030-01-31T08:00:00.120000Z",
        "progress": None,
        "worker": None,
        "lease_expires_at": None,
        "cancel_requested": False,
        "unique_key": None,
        "metadata": {},
        "created_at": "2030-01-31T08:00:00.120000Z",
        "updated_at": "2030-01-31T08:00:00.120000Z",
        "started_at": None,
        "finished_at": None,
    }
    assert result.stdout.count("\n") == 1


def test_get_shows_a_task_without_waiting() -> None:
    """A failed task is shown all the same: the question was answered."""
    manager = FakeManager(get_task=FAILED)
    result = run("get", ID, manager=manager)
    assert (result.exit_code, manager.call) == (0, ("get_task", (ID,), {}))
    assert "ValueError: no\\u001b[2Jsuch" in result.stdout


def test_get_wait_fails_with_the_task() -> None:
    """With --wait the exit code is the task's end."""
    result = run("get", ID, "--wait", manager=FakeManager(get_task=FAILED))
    assert result.exit_code == 1
    assert ID in result.stdout


def test_list_prints_a_row_for_each_task() -> None:
    """A pipe gets the header and rows as wide as they are, no colours, nothing cut."""
    long = a_task(name="n" * 200, status=Status.FAILED)
    manager = FakeManager(list_tasks=TaskPage(tasks=[a_task(), long]))
    result = run("list", manager=manager)
    header, first, second = result.stdout.splitlines()
    assert header.split() == ["ID", "NAME", "STATUS", "ATTEMPTS", "AGE"]
    assert first.split()[:2] == [ID, "hello"]
    assert second.split()[1:4] == ["n" * 200, "failed", "0/5"]
    assert "\x1b" not in result.stdout
    assert manager.call == ("list_tasks", (), {"limit": 50})


def test_list_passes_its_filters_on() -> None:
    """--name, --status, --limit and --cursor are the protocol's."""
    manager = FakeManager()
    line = "list --name hello --status failed --limit 3 --cursor abc"
    assert run_line(line, manager).exit_code == 0
    assert manager.call[2] == {"name": "hello", "status": "failed", "limit": 3, "cursor": "abc"}


def two_pages() -> FakeManager:
    return FakeManager(
        list_tasks=Each(
            [
                TaskPage(tasks=[a_task(id="one")], next_cursor="next"),
                TaskPage(tasks=[a_task(id="two")], next_cursor=None),
            ]
        )
    )


def test_list_all_follows_the_cursors() -> None:
    """--all prints every page, with one header, and takes large pages."""
    manager = two_pages()
    result = run("list", "--all", manager=manager)
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["ID", "one", "two"]
    assert [call[2] for call in manager.calls] == [
        {"limit": 1000},
        {"limit": 1000, "cursor": "next"},
    ]


def test_list_quiet_prints_ids_only() -> None:
    """For `jsonrpc-qm retry $(jsonrpc-qm list -q)`."""
    assert run("list", "--all", "-q", manager=two_pages()).stdout == "one\ntwo\n"


def test_list_json_is_one_document() -> None:
    """A page as the manager answered it; --all makes one page of all."""
    page = json.loads(run("list", "--json", manager=two_pages()).stdout)
    assert ([task["id"] for task in page["tasks"]], page["next_cursor"]) == (["one"], "next")
    pages = json.loads(run("list", "--json", "--all", manager=two_pages()).stdout)
    assert ([task["id"] for task in pages["tasks"]], pages["next_cursor"]) == (["one", "two"], None)


@pytest.mark.parametrize("verb", ["cancel", "retry"])
def test_cancel_and_retry_print_where_each_task_stands(verb: str) -> None:
    """One line an id, in order."""
    answers = Each([a_task(id="one"), a_task(id="two", status=Status.CANCELLED)])
    manager = FakeManager(**{verb: answers})
    result = run(verb, "one", "two", manager=manager)
    assert (result.exit_code, result.stdout) == (0, "one queued\ntwo cancelled\n")
    assert [call[1] for call in manager.calls] == [("one",), ("two",)]


def test_cancel_of_a_started_task_says_that_its_worker_is_asked() -> None:
    """The task goes on until its worker has ended it."""
    task = a_task(status=Status.STARTED, cancel_requested=True)
    result = run("cancel", ID, manager=FakeManager(cancel=task))
    assert result.stdout == f"{ID} started, its worker is asked to stop\n"


def test_one_refusal_holds_nothing_else_back() -> None:
    """The others are done; the exit code is that of the first refusal."""
    refusals = Each([TaskNotFound.of("one"), True, InvalidState.of("three", "queued")])
    result = run("delete", "one", "two", "three", manager=FakeManager(delete_task=refusals))
    assert (result.exit_code, result.stdout) == (3, "two deleted\n")
    assert result.stderr == (
        "Error: Task not found: id: one\nError: Invalid state: id: three, status: queued\n"
    )


def test_when_the_manager_is_gone_the_rest_is_not_tried() -> None:
    """One clear line rather than one for each id."""
    manager = FakeManager(retry=Unavailable("no manager answers"))
    result = run("retry", "one", "two", "three", manager=manager)
    assert (result.exit_code, len(manager.calls)) == (5, 1)
    assert result.stderr == "Error: Unavailable: no manager answers\n"


def test_several_ids_with_json_give_one_list() -> None:
    """Answers in order; a refused one is its error; one id alone gives its answer alone."""
    answers = Each([True, TaskNotFound.of("two")])
    result = run("delete", "one", "two", "--json", manager=FakeManager(delete_task=answers))
    error = {"code": -32001, "message": "Task not found", "data": {"id": "two"}}
    assert json.loads(result.stdout) == [True, {"error": error}]
    said = {"message": "Task not found: id: two", "error": error, "exit_code": 3}
    assert json.loads(result.stderr) == said
    assert run("delete", "one", "--json").stdout == "true\n"


def test_a_conflict_is_refused() -> None:
    """An id that is taken: exit code 4."""
    manager = FakeManager(queue=Conflict.of("mine"))
    result = run("queue", "hello", "--id", "mine", manager=manager)
    assert (result.exit_code, result.stderr) == (4, "Error: Conflict: id: mine\n")


def test_what_the_manager_calls_invalid_is_a_usage_error() -> None:
    """Ranges are the manager's to check: exit code 2, in its words."""
    manager = FakeManager(queue=InvalidParams.of("priority", "must be <= 1000000"))
    result = run("queue", "hello", "--priority", "9999999", manager=manager)
    assert result.exit_code == 2
    assert result.stderr == "Error: Invalid params: priority: must be <= 1000000\n"
