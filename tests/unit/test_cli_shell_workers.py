"""claim, complete, fail, release and heartbeat: workers written in shell."""

import json

import pytest

from jsonrpc_qm.answers import HeartbeatAnswer, LeaseState
from jsonrpc_qm.errors import LeaseLost
from jsonrpc_qm.task import Status
from tests.unit.cli_fakes import ID, WHEN, FakeManager, a_task, run, run_line


def test_claim_prints_a_line_with_tabs_for_each_task() -> None:
    """id, token, name and parameters: what `read` in a shell takes apart."""
    manager = FakeManager()
    result = run("claim", "hello", "other", manager=manager)
    assert (result.exit_code, result.stdout) == (0, f'{ID}\t17\thello\t{{"a": 1}}\n')
    assert manager.call == ("claim", (["hello", "other"],), {"max_tasks": 1, "wait": 20.0})


def test_no_tab_or_newline_of_a_task_breaks_its_line() -> None:
    """What a producer put into a name or a text stays one field of one line."""
    task = a_task(name="a\tb\nc", parameters="x\ty\nz", token=3)
    result = run("claim", "hello", manager=FakeManager(claim=[task]))
    assert result.stdout.splitlines() == [f'{ID}\t3\ta\\u0009b\\u000ac\t"x\\ty\\nz"']


def test_claim_passes_its_options_on() -> None:
    """--wait, --max-tasks, --lease and --worker are the protocol's."""
    manager = FakeManager()
    run_line("claim hello --wait 1.5 --max-tasks 9 --lease 5m --worker me", manager)
    assert manager.call[2] == {"wait": 1.5, "max_tasks": 9, "lease": 300.0, "worker": "me"}


def test_claim_that_finds_nothing_has_its_own_exit_code() -> None:
    """6 and no line; with JSON the empty list."""
    nothing = FakeManager(claim=[])
    result = run("claim", "hello", manager=nothing)
    assert (result.exit_code, result.output) == (6, "")
    result = run("claim", "hello", "--json", manager=nothing)
    assert (result.exit_code, result.output) == (6, "[]\n")


def test_claimed_tasks_carry_their_token_in_json() -> None:
    """Only there: other answers have none."""
    (task,) = json.loads(run("claim", "hello", "--json").stdout)
    assert (task["token"], task["status"]) == (17, "started")


def test_complete_sends_result_and_follow_ups() -> None:
    """RESULT and --queue are JSON."""
    manager = FakeManager()
    result = run("complete", ID, "17", '{"n": 1}', "--queue", '[{"name": "x"}]', manager=manager)
    assert (result.exit_code, result.stdout) == (0, f"{ID} completed\n")
    assert manager.call == ("complete", (ID, 17), {"result": {"n": 1}, "queue": [{"name": "x"}]})


def test_follow_ups_must_be_a_list() -> None:
    """A lone object is refused here, with the option's name."""
    result = run("complete", ID, "17", "--queue", '{"name": "x"}')
    assert result.exit_code == 2
    assert "'--queue'" in result.stderr
    assert "it must be a list" in result.stderr


def test_fail_sends_the_error() -> None:
    """What was not given is left out; attempts go on unless --no-retry."""
    manager = FakeManager()
    run("fail", ID, "17", "--message", "exit code 3", manager=manager)
    args = ["--type", "Broken", "--message", "m", "--traceback", "t", "--data", "[1]"]
    run("fail", ID, "17", *args, "--no-retry", "--delay", "30", manager=manager)
    error = {"type": "Broken", "message": "m", "traceback": "t", "data": [1]}
    assert manager.calls == [
        ("fail", (ID, 17, {"type": "Error", "message": "exit code 3"}), {"retry": True}),
        ("fail", (ID, 17, error), {"retry": False, "delay": 30.0}),
    ]


def test_release_gives_the_task_back() -> None:
    """--delay is the protocol's."""
    manager = FakeManager()
    result = run("release", ID, "17", "--delay", "5", manager=manager)
    assert (result.stdout, manager.call) == (
        f"{ID} queued\n",
        ("release", (ID, 17), {"delay": 5.0}),
    )


@pytest.mark.parametrize("verb", ["complete", "release"])
def test_a_lost_lease_is_refused(verb: str) -> None:
    """Somebody else has the task: exit code 4."""
    manager = FakeManager(**{verb: LeaseLost.of(ID, "started")})
    result = run(verb, ID, "17", manager=manager)
    assert result.exit_code == 4
    assert result.stderr == f"Error: Lease lost: id: {ID}, status: started\n"


@pytest.mark.parametrize("token", ["0", "-1", "x", "1.5"])
def test_a_token_is_a_whole_number_from_1_on(token: str) -> None:
    """Anything else is a usage error."""
    assert run("release", ID, "--", token).exit_code == 2


def test_heartbeat_extends_a_lease() -> None:
    """Progress and lease travel with it."""
    manager = FakeManager()
    line = f"heartbeat {ID} 17 --progress 0.5 --lease 2m --worker me"
    result = run_line(line, manager)
    assert (result.exit_code, result.stdout) == (0, f"{ID} held until 2030-01-31T08:00:00Z\n")
    lease = {"id": ID, "token": 17, "progress": 0.5, "lease": 120.0}
    assert manager.call == ("heartbeat", ([lease],), {"worker": "me"})


def test_heartbeat_of_a_lost_lease_is_refused() -> None:
    """ok=false is no error of the protocol, but of the command: exit code 4."""
    answer = HeartbeatAnswer(leases=[LeaseState(id=ID, ok=False)])
    result = run("heartbeat", ID, "17", manager=FakeManager(heartbeat=answer))
    assert (result.exit_code, result.stdout) == (4, "")
    assert result.stderr == f"Error: Lease lost: {ID}\n"


def test_heartbeat_of_a_task_that_should_stop_has_its_own_exit_code() -> None:
    """8: the lease is extended, and a shell worker sees that it should end the task."""
    state = LeaseState(id=ID, ok=True, lease_expires_at=WHEN, cancel_requested=True)
    answer = HeartbeatAnswer(leases=[state], drain=True)
    result = run("heartbeat", ID, "17", "--json", manager=FakeManager(heartbeat=answer))
    assert result.exit_code == 8
    assert json.loads(result.stdout) == {
        "leases": [
            {
                "id": ID,
                "ok": True,
                "lease_expires_at": "2030-01-31T08:00:00.120000Z",
                "cancel_requested": True,
            }
        ],
        "drain": True,
    }


def test_a_claimed_task_is_shown_as_it_stands_with_json() -> None:
    """complete, fail and release answer the task."""
    assert json.loads(run("complete", ID, "17", "--json").stdout)["status"] == Status.COMPLETED
