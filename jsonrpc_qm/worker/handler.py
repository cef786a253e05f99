"""How a task's parameters become a call of somebody's function."""

import inspect
from collections.abc import Callable
from typing import Any, get_args

from jsonrpc_qm.worker.context import Context


class Handler:
    """A function, ready to be called with a task's parameters."""

    __slots__ = ("_context_name", "_context_place", "_function", "is_async", "required")

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self.is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
            # Of an object that is called like a function.
            type(function).__call__
        )
        """Whether a call gives a coroutine."""
        self._context_name: str | None = None
        self._context_place: int | None = None
        parameters = _parameters(function)
        self.required = [
            parameter.name
            for parameter in parameters
            if parameter.default is parameter.empty and not _wants_context(parameter)
        ]
        """The parameters that a task has to give."""
        for place, parameter in enumerate(parameters):
            if _wants_context(parameter):
                self._context_name = parameter.name
                if parameter.kind is not parameter.KEYWORD_ONLY:
                    self._context_place = place
                break

    @property
    def wants_context(self) -> bool:
        """Whether the function asks for the Context."""
        return self._context_name is not None

    def call(self, parameters: Any, context: Context | None = None) -> Any:
        """Call the function; the context is needed if it asks for it.

        An object's members are keyword arguments, a list's positional ones, null is none, anything
        else is one argument.
        """
        if isinstance(parameters, dict):
            if self._context_name is None:
                return self._function(**parameters)
            return self._function(**{**parameters, self._context_name: context})
        if isinstance(parameters, list):
            arguments = parameters
        else:
            arguments = [] if parameters is None else [parameters]
        if self._context_name is None:
            return self._function(*arguments)
        place = self._context_place
        if place is None or place > len(arguments):
            return self._function(*arguments, **{self._context_name: context})
        return self._function(*arguments[:place], context, *arguments[place:])


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return []  # some builtins have none
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p for p in signature.parameters.values() if p.kind not in variadic]


def _wants_context(parameter: inspect.Parameter) -> bool:
    annotation = parameter.annotation
    if annotation is parameter.empty:
        return parameter.name == "context"
    if isinstance(annotation, str):
        # With `from __future__ import annotations` it is a text, and the name that it holds may be
        # imported for type checkers only.
        names = [part.strip().rpartition(".")[2] for part in annotation.split("|")]
        return "Context" in names
    return annotation is Context or Context in get_args(annotation)
