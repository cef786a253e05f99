"""The context of an attempt, and the one that users' tests make."""

from typing import Any

import pytest

from jsonrpc_qm import Context, Status
from jsonrpc_qm.errors import InvalidParams
from jsonrpc_qm.worker.context import Cancelled


def test_a_test_can_call_a_handler_with_one() -> None:
    """It is that of a first attempt, and has what was given besides."""
    said: list[Any] = []
    context = Context.for_test(report=said.append, parameters=[1], metadata={"a": "b"})
    task = context.task
    assert (context.token, task.attempts, task.status) == (1, 1, Status.STARTED)
    assert (task.parameters, task.metadata, task.error) == ([1], {"a": "b"}, None)
    context.progress({"step": 1})
    assert said == [{"step": 1}]
    with pytest.raises(InvalidParams):
        context.progress({1})
    context.raise_if_cancelled()
    assert not context.cancelled


def test_it_may_be_one_that_should_end() -> None:
    """So that a test sees how a handler stops; progress need not go anywhere."""
    context = Context.for_test(cancelled=True, attempts=3, token=7)
    context.progress(1)
    assert (context.cancelled, context.token, context.task.attempts) == (True, 7, 3)
    with pytest.raises(Cancelled):
        context.raise_if_cancelled()


def test_a_field_that_a_task_does_not_have_is_refused() -> None:
    """A typo in a test shows."""
    with pytest.raises(TypeError, match="attempt"):
        Context.for_test(attempt=3)
