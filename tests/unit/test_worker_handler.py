"""How parameters become arguments, and who gets the context."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from jsonrpc_qm.worker.base import FunctionWorker, Worker
from jsonrpc_qm.worker.context import Context
from jsonrpc_qm.worker.handler import Handler
from tests.unit.worker_fakes import a_task


def everything(*args: Any, **kwargs: Any) -> Any:
    return args, kwargs


CONTEXT = Context(a_task(token=7), lambda value: None, lambda: False)


@pytest.mark.parametrize(
    ("parameters", "arguments"),
    [
        ({"a": 1, "b": [2]}, ((), {"a": 1, "b": [2]})),
        ([1, {"b": 2}], ((1, {"b": 2}), {})),
        (None, ((), {})),
        ({}, ((), {})),
        ([], ((), {})),
        ("text", (("text",), {})),
        (0, ((0,), {})),
        (False, ((False,), {})),
    ],
)
def test_parameters_become_arguments(parameters: Any, arguments: Any) -> None:
    """An object's members are keyword arguments, a list's positional ones, null none, else one."""
    assert Handler(everything).call(parameters) == arguments


def test_a_parameter_named_context_gets_the_context() -> None:
    """By its name alone, if it has no annotation."""

    def handler(a, context):  # type: ignore[no-untyped-def]
        return a, context

    assert Handler(handler).wants_context
    assert Handler(handler).call({"a": 1}, CONTEXT) == (1, CONTEXT)
    assert Handler(handler).call([1], CONTEXT) == (1, CONTEXT)
    assert Handler(handler).call(1, CONTEXT) == (1, CONTEXT)


def test_a_parameter_annotated_with_context_gets_it_whatever_its_name() -> None:
    """Also where annotations are texts, as in this file, and where it is optional."""

    def handler(a: int, *, ctx: Context | None = None) -> Any:
        return a, ctx

    assert Handler(handler).call([1], CONTEXT) == (1, CONTEXT)
    assert Handler(handler).call({"a": 1}, CONTEXT) == (1, CONTEXT)


def test_a_list_fills_the_parameters_around_the_context() -> None:
    """The context keeps its place, wherever it is declared."""

    def first(context: Context, a: int, b: int = 0) -> Any:
        return context, a, b

    assert Handler(first).call([1, 2], CONTEXT) == (CONTEXT, 1, 2)
    assert Handler(first).call([1], CONTEXT) == (CONTEXT, 1, 0)


def test_a_parameter_named_context_of_another_type_is_the_tasks_own() -> None:
    """Who annotates `context` with something else means a member of the parameters."""

    def handler(context: str) -> str:
        return context

    assert not Handler(handler).wants_context
    assert Handler(handler).call({"context": "mine"}) == "mine"


def test_async_handlers_are_known_in_any_form() -> None:
    """Functions, methods, partials and objects with an async __call__ run on the event loop."""

    async def handler(a: int) -> None: ...

    class Method(Worker):
        async def run(self, a: int) -> None: ...

    class Callable:
        async def __call__(self, a: int) -> None: ...

    for function in (handler, Method().target, partial(handler, 1), Callable()):
        assert Handler(function).is_async
    assert not Handler(everything).is_async
    assert not Handler(print).is_async


def test_a_worker_has_a_result_handler_only_if_it_was_written() -> None:
    """Nothing follows a result that nobody handles."""

    class Silent(Worker):
        def run(self) -> None: ...

    class Adding(Worker):
        def run(self) -> None: ...

        def handle_result(self, task: Any) -> None: ...

    assert Silent().result_handler is None
    assert Adding().result_handler is not None
    assert FunctionWorker(everything).result_handler is None
    assert FunctionWorker(everything, handle_result=print).result_handler is print


def test_a_worker_that_can_not_be_called_is_refused() -> None:
    """A mistake shows where it is made, not with the first task."""
    with pytest.raises(TypeError, match="not 5"):
        FunctionWorker(5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="timeout"):
        FunctionWorker(everything, timeout=0)
