"""docs/protocol.md is complete: every method, parameter, field, state, transition and error."""

import re
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
import pytest

from jsonrpc_qm import params
from jsonrpc_qm.errors import BY_CODE
from jsonrpc_qm.params import Params
from jsonrpc_qm.retry import TEN_YEARS, Backoff
from jsonrpc_qm.rpc.methods import METHODS
from jsonrpc_qm.storage.base import NameStats
from jsonrpc_qm.task import TRANSITIONS, Status, Task
from tests.docs.markdown import ROOT, read, table_rows, words

PROTOCOL = read(ROOT / "docs" / "protocol.md")
QUEUE_DEFAULTS = {"priority": "0", "max_attempts": "5", "max_lost": "3", "lease": "60"}
CLAIM_DEFAULTS = {"wait": "20", "max_tasks": "1"}


def signature(name: str, kind: type[Params]) -> str:
    """The method and its parameters in positional order, a question mark on each optional one."""
    fields = msgspec.structs.fields(kind)
    given = [field.name if field.required else f"{field.name}?" for field in fields]
    return f"{name}({', '.join(given)}) ->"


@pytest.mark.parametrize("name", [*METHODS, "rpc.discover"])
def test_methods_have_a_heading_and_their_signature(name: str) -> None:
    """The parameters are there in order, as positional calls need them."""
    kind = METHODS[name].params if name in METHODS else params.NoParams
    assert words(f"`{signature(name, kind)}") in words(PROTOCOL.under(name))


def test_there_are_no_other_methods() -> None:
    """The headings under the three roles are the methods, in the order of the table."""
    roles = ("For producers", "For workers", "For operators")
    found = [name for role in roles for name in re.findall(r"\n#### (.+)", PROTOCOL.under(role))]
    assert found == [*METHODS, "rpc.discover"]


@pytest.mark.parametrize("name", METHODS)
def test_parameters_are_described(name: str) -> None:
    """Each is named once more beside the signature, in its method or where it refers to."""
    text = PROTOCOL.under(name).split("->", 1)[1]
    for other in re.findall(r"(?:those|parameters) of `(\w+)`", words(text)):
        text += PROTOCOL.under(other)
    for param in METHODS[name].params.__struct_fields__:
        if param not in ("id", "token", "worker", "name"):
            assert f"`{param}`" in text, param


def test_members_of_lists_are_named() -> None:
    """Those of outcomes, leases and errors, each where its method is."""
    for kind, method in (
        (params.LeaseParams, "heartbeat"),
        (params.CompletedOutcome, "report"),
        (params.FailedOutcome, "report"),
        (params.ReleasedOutcome, "report"),
        (params.ErrorInfo, "fail"),
        (Backoff, "queue"),
    ):
        for member in kind.__struct_fields__:
            assert f'"{member}"' in PROTOCOL.under(method), (kind.__name__, member)


@pytest.mark.parametrize(
    ("method", "kind", "defaults"),
    [
        ("queue", params.QueueParams, QUEUE_DEFAULTS),
        ("claim", params.ClaimParams, CLAIM_DEFAULTS),
    ],
)
def test_tables_have_ranges_and_defaults(
    method: str, kind: type[Params], defaults: dict[str, str]
) -> None:
    """One row a parameter, in order, with the numbers of its range."""
    rows = table_rows(PROTOCOL.under(method))
    assert [row[0].strip("`") for row in rows] == list(kind.__struct_fields__)
    for field, (_, range_, default, _meaning) in zip(
        msgspec.structs.fields(kind), rows, strict=True
    ):
        for bound in _bounds(field.type):
            assert _shown(bound) in range_, (field.name, bound)
        if field.name in defaults:
            assert default == defaults[field.name]


def test_the_fields_of_a_task_are_described() -> None:
    """One row a field, in the order of the object, with its type."""
    rows = table_rows(PROTOCOL.under("The task object"))
    assert [row[0].strip("`") for row in rows] == list(Task.__struct_fields__)
    for status in Status:
        assert f"`{status}`" in rows[Task.__struct_fields__.index("status")][2]


def test_the_transitions_are_those_of_the_code() -> None:
    """State, event, and where it may lead."""
    said = {
        (Status(state), event): {Status(after) for after in then.split(", ")}
        for state, event, then, _ in table_rows(PROTOCOL.under("States"))
    }
    assert said == TRANSITIONS


def test_every_state_is_in_the_drawing() -> None:
    """And every event that leads from one to another."""
    (drawing,) = re.findall(r"```text\n(.*?)```", PROTOCOL.under("States"), re.DOTALL)
    for status in Status:
        assert status in drawing
    for event in ("claim", "complete", "fail", "release", "cancel", "retry", "time out"):
        assert event in drawing


def test_every_error_is_in_the_table() -> None:
    """With its code and the message that is sent, and no other code."""
    rows = table_rows(PROTOCOL.under("Errors"))
    assert {int(row[0]): row[1] for row in rows} == {
        code: kind.message for code, kind in BY_CODE.items()
    }


def test_the_counts_of_stats_are_described() -> None:
    """Each member of a name's counts."""
    named = set(re.findall(r"`(\w+)`", " ".join(r[0] for r in table_rows(PROTOCOL.under("stats")))))
    assert named == set(NameStats.__struct_fields__)


def _bounds(kind: Any) -> list[float]:
    """The smallest and the largest value of an annotated type, or its shortest and longest."""
    found: list[float] = []
    if isinstance(kind, UnionType) or get_origin(kind) is Union:
        for member in get_args(kind):
            found += _bounds(member)
    elif get_origin(kind) is Annotated:
        for meta in (meta for meta in get_args(kind) if isinstance(meta, msgspec.Meta)):
            bounds = (meta.ge, meta.gt, meta.le, meta.min_length, meta.max_length)
            found += [bound for bound in bounds if bound is not None]
    return found


def _shown(bound: float) -> str:
    """A bound as the table writes it: thousands with commas, long durations in their unit."""
    if bound == TEN_YEARS:
        return "10 years"
    if bound == 30 * 86400:
        return "30 days"
    return f"{bound:,}" if abs(bound) >= 10_000 else f"{bound:g}"
