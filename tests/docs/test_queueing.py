"""docs/queueing.md has every parameter of `queue` and every error, as the code has them."""

import re

import msgspec

from jsonrpc_qm.errors import BY_CODE, TaskFailed
from jsonrpc_qm.params import QueueParams
from jsonrpc_qm.retry import Backoff, backoff_seconds
from jsonrpc_qm.task import Task
from tests.docs.markdown import ROOT, read, table_rows

QUEUEING = read(ROOT / "docs" / "queueing.md")


def test_every_parameter_of_a_task_is_described() -> None:
    """With its default, where the code has that as a number."""
    rows = {
        row[0].strip("`"): row[1] for row in table_rows(QUEUEING.under("What a task can be given"))
    }
    assert set(rows) == set(QueueParams.__struct_fields__) - {"name", "parameters"}
    for field in msgspec.structs.fields(Task):
        if field.name in ("priority", "max_attempts", "max_lost"):
            assert rows[field.name] == str(field.default)


def test_the_waits_are_those_of_the_code() -> None:
    """The default backoff as it is called from Python, and what it adds up to."""
    text = QUEUEING.under("Failures")
    policy = Backoff()
    said = f"`Backoff(base={policy.base:g}, factor={policy.factor:g}, max={policy.max:g}, "
    assert f"{said}jitter={policy.jitter})`" in text
    waits = [backoff_seconds(policy, failures, 0.5) for failures in range(1, 5)]
    assert f"after {sum(waits):g} seconds" in text


def test_every_error_is_in_the_table() -> None:
    """With its code."""
    said: dict[str, str] = {}
    for names, codes, *_ in table_rows(QUEUEING.under("Errors")):
        said |= zip(re.findall(r"`(\w+)`", names), codes.split(", "), strict=True)
    by_code = {kind.__name__: str(code) for code, kind in BY_CODE.items()}
    assert said == {**by_code, TaskFailed.__name__: "none"}
