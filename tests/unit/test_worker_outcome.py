"""From what a handler returns or raises to what `report` takes."""

import json
from typing import Any

import msgspec
import pytest

from jsonrpc_qm.params import Outcome as OutcomeParams
from jsonrpc_qm.worker.outcome import (
    MAX_MESSAGE,
    MAX_RESULT,
    MAX_TRACEBACK,
    Fail,
    Retry,
    completed,
    failed,
    raised,
    refused,
    released,
)
from tests.unit.worker_fakes import a_task

TASK = a_task("t1", token=7)


def outcome_of(error: BaseException) -> dict[str, Any]:
    """The outcome of a handler that raises this."""

    def handler() -> None:
        raise error

    try:
        handler()
    except BaseException as caught:
        return raised(TASK, caught).wire
    raise AssertionError


@pytest.mark.parametrize("result", [0, "", [], {"a": [1, None]}, "Grüße 🚀", 2**70, 1.5, True])
def test_a_json_result_completes(result: Any) -> None:
    """Any JSON value is a result."""
    assert completed(TASK, result).wire == {
        "id": "t1",
        "token": 7,
        "status": "completed",
        "result": result,
    }


def test_no_result_is_left_out() -> None:
    """None is null, which is what an absent result means."""
    assert completed(TASK, None).wire == {"id": "t1", "token": 7, "status": "completed"}


@pytest.mark.parametrize("result", [{1, 2}, float("nan"), "\ud800", object(), [b"bytes"]])
def test_a_result_that_is_no_json_fails_for_good(result: Any) -> None:
    """The work is done, and doing it again would end alike."""
    wire = completed(TASK, result).wire
    assert wire["status"] == "failed"
    assert wire["error"]["type"] == "ResultNotSerializable"
    assert wire["retry"] is False


def test_a_result_that_contains_itself_fails_for_good() -> None:
    """A cycle has no JSON form."""
    cycle: list[Any] = []
    cycle.append(cycle)
    assert completed(TASK, cycle).wire["error"]["type"] == "ResultNotSerializable"


def test_a_result_that_no_request_can_carry_fails_for_good() -> None:
    """The manager closes the connection on a body that is too large: it is not even tried."""
    wire = completed(TASK, "x" * MAX_RESULT).wire
    assert wire["error"]["type"] == "TooLarge"
    assert wire["retry"] is False


def test_an_exception_fails_the_attempt_with_type_message_and_traceback() -> None:
    """The traceback begins in the handler's own code."""
    wire = outcome_of(ValueError("no such file"))
    assert wire["status"] == "failed"
    assert "retry" not in wire
    assert wire["error"]["type"] == "ValueError"
    assert wire["error"]["message"] == "no such file"
    assert "in handler" in wire["error"]["traceback"]
    assert "jsonrpc_qm/worker" not in wire["error"]["traceback"]


def test_retry_says_when() -> None:
    """Its delay stands in for the backoff; without one the task's backoff holds."""
    assert outcome_of(Retry("busy", delay=5))["delay"] == 5
    assert "delay" not in outcome_of(Retry("busy"))
    assert "retry" not in outcome_of(Retry("busy", delay=0))


@pytest.mark.parametrize("delay", [-1, float("nan"), float("inf")])
def test_a_delay_that_is_none_is_refused_where_it_is_written(delay: float) -> None:
    """The handler learns of it, not the manager."""
    with pytest.raises(ValueError, match="delay"):
        Retry(delay=delay)


def test_fail_is_final_and_names_its_error() -> None:
    """With a type and data for who reads the error."""
    wire = outcome_of(Fail("card declined", type="Declined", data={"code": 51}))
    assert wire["retry"] is False
    assert wire["error"]["type"] == "Declined"
    assert wire["error"]["message"] == "card declined"
    assert wire["error"]["data"] == {"code": 51}


def test_a_subclass_of_fail_is_named_after_itself() -> None:
    """So an application can have its own tree of final errors."""

    class Declined(Fail):
        pass

    assert outcome_of(Declined("no"))["error"]["type"] == "Declined"


def test_data_that_is_no_json_is_mentioned() -> None:
    """The error arrives all the same."""
    error = outcome_of(Fail("no", data={1, 2}))["error"]
    assert "data" not in error
    assert "no JSON value" in error["message"]


def test_retry_without_words_tells_its_cause() -> None:
    """`raise Retry(delay=5) from error` says what happened."""
    retry = Retry(delay=5)
    retry.__cause__ = OSError("line down")
    assert outcome_of(retry)["error"]["message"] == "OSError: line down"


def test_long_errors_lose_their_middle() -> None:
    """Message and traceback are bounded; both ends are kept."""

    def deep(depth: int) -> None:
        if depth:
            # Differing lines, since Python folds repeated ones.
            exec(f"deep(depth - 1)  # {depth * 'x'}", {"deep": deep, "depth": depth})
        else:
            raise ValueError("begin" + "x" * 100_000 + "end")

    try:
        deep(150)
    except ValueError as error:
        told = raised(TASK, error).wire["error"]
    assert len(told["message"]) < MAX_MESSAGE + 100
    assert told["message"].startswith("begin")
    assert told["message"].endswith("end")
    assert len(told["traceback"]) < MAX_TRACEBACK + 100


@pytest.mark.parametrize("message", ["\ud800", "nul\x00", "Grüße"])
def test_an_error_can_always_be_sent(message: str) -> None:
    """What UTF-8 can't hold is spelled out."""
    json.dumps(outcome_of(ValueError(message)), ensure_ascii=False).encode()


def test_an_exception_that_can_not_be_printed_still_fails_its_task() -> None:
    """A broken __str__ is somebody's bug, and must not be ours."""

    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    error = outcome_of(Broken())["error"]
    assert error["type"] == "Broken"
    assert "RuntimeError" in error["message"]


@pytest.mark.parametrize(
    "outcome",
    [
        completed(TASK, {"a": 1}),
        completed(TASK, {1, 2}),
        failed(TASK, "Timeout", "too slow"),
        refused(TASK, ValueError("x")),
        released(TASK),
    ],
)
def test_outcomes_are_what_report_takes(outcome: Any) -> None:
    """All that is built here passes the checks of the protocol."""
    msgspec.convert(outcome.wire, OutcomeParams)


def test_exceptions_are_what_report_takes() -> None:
    """However an exception is named, and whatever it says."""
    odd = type("X" * 300, (Exception,), {})
    for error in (Retry("x", delay=1), Fail("", type="", data=[1]), odd("x"), SystemExit(3)):
        msgspec.convert(outcome_of(error), OutcomeParams)
