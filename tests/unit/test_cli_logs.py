"""Logs: lines for people, JSON lines for programs, both on stderr."""

import json
import logging
import re
from collections.abc import Iterator

import pytest

from jsonrpc_qm.cli.logs import set_up_logs


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_text_logs_are_lines_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    """Time in UTC, level, logger, message; on stderr."""
    set_up_logs("text", "info")
    logging.getLogger("jsonrpc_qm.server").warning("took %d ms", 7)
    captured = capsys.readouterr()
    assert captured.out == ""
    line = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}Z WARNING jsonrpc_qm\.server: took 7 ms\n"
    assert re.fullmatch(line, captured.err)


def test_a_message_stays_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A task's name can't forge a line, nor steer the terminal."""
    set_up_logs("text", "info")
    logging.getLogger("app").info("%s", "a\nb\x1b[2J")
    assert capsys.readouterr().err.endswith("app: a\\u000ab\\u001b[2J\n")


def test_a_traceback_follows_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    """As Python prints it."""
    set_up_logs("text", "info")
    log_a_failure()
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].endswith("ERROR   app: it broke")
    assert lines[1] == "Traceback (most recent call last):"
    assert lines[-1] == "ZeroDivisionError: division by zero"


def test_json_logs_are_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """ts in RFC 3339, level, logger, message, and exc when there is one."""
    set_up_logs("json", "debug")
    logging.getLogger("app").debug("a\nb")
    log_a_failure()
    plain, failure = map(json.loads, capsys.readouterr().err.splitlines())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", plain.pop("ts"))
    assert plain == {"level": "debug", "logger": "app", "message": "a\nb"}
    assert failure["level"] == "error"
    assert failure["exc"].endswith("ZeroDivisionError: division by zero")


def log_a_failure() -> None:
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        logging.getLogger("app").exception("it broke")


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_the_level_says_the_least_that_is_logged(
    level: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is below it does not appear."""
    set_up_logs("text", level)
    for number in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
        logging.getLogger("app").log(number, "said")
    least = getattr(logging, level.upper())
    assert capsys.readouterr().err.count("said") == sum(n >= least for n in (10, 20, 30, 40))


def test_libraries_are_heard_from_warnings_on(capsys: pytest.CaptureFixture[str]) -> None:
    """Their small talk is left out at every level."""
    set_up_logs("text", "debug")
    logging.getLogger("asyncio").info("small talk")
    logging.getLogger("asyncio").warning("serious")
    assert "small talk" not in (said := capsys.readouterr().err)
    assert "serious" in said


def test_what_psycopg_raises_it_need_not_warn_of(capsys: pytest.CaptureFixture[str]) -> None:
    """A lost connection is one line of ours, not a second one in the driver's words."""
    set_up_logs("text", "info")
    logging.getLogger("psycopg").warning("error ignored terminating the pipeline")
    logging.getLogger("psycopg").error("serious")
    assert "ignored" not in (said := capsys.readouterr().err)
    assert "serious" in said
