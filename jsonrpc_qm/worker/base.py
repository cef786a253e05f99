"""What does the work: a Worker for each name."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Literal, get_args

from jsonrpc_qm.task import Task

PoolName = Literal["thread", "process"]


def check_pool(pool: object) -> None:
    """Raises ValueError if there is no such pool."""
    if pool not in get_args(PoolName):
        known = " or ".join(map(repr, get_args(PoolName)))
        raise ValueError(f"pool is {known}, not {pool!r}")


class Worker(ABC):
    """Does the tasks of one name. Subclass it and write `run`.

    `run` may be a plain method or an `async def`. Plain ones run in threads, or in processes of
    their own; async ones share an event loop.
    """

    pool: PoolName | None = None
    """Where `run` runs: "process" suits work that keeps the processor busy, or that may crash.
    None leaves it to the command line for a plain `run`, and means the event loop for an async one.
    """

    timeout: float | None = None
    """Seconds that one attempt may run, enforced by this worker; None for no limit.

    An async `run` is cancelled then, a process is killed, and the attempt has failed with the error
    type "Timeout". A thread can't be stopped, so there it is not enforced.
    """

    @abstractmethod
    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Do one task and return its result, any JSON value.

        An object as parameters arrives as keyword arguments, a list as positional ones, null as
        none, anything else as one argument. A parameter that is annotated with Context, or is named
        `context` and has no annotation, gets the Context of the attempt.

        An exception fails the attempt, which is tried again after the task's backoff. Retry and
        Fail say otherwise.
        """

    # Empty and not abstract: a worker need not have it.
    def handle_result(self, task: Task) -> Any:  # noqa: B027
        """Called with the completed task at least once after its result is stored.

        It runs as a task of its own, named `<name>.handle_result`, that is stored together with the
        result, so it also happens when this worker dies in between. It may be an `async def`. What
        it returns is not kept. It runs in threads or on the event loop even if `run` has processes.
        """

    @property
    def target(self) -> Callable[..., Any]:
        """What is called for a task."""
        return self.run

    @property
    def result_handler(self) -> Callable[..., Any] | None:
        """What is called once the result is stored; None if `handle_result` was not written."""
        if type(self).handle_result is Worker.handle_result:
            return None
        return self.handle_result


class FunctionWorker(Worker):
    """A Worker made of a function."""

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        pool: PoolName | None = None,
        timeout: float | None = None,
        handle_result: Callable[..., Any] | None = None,
    ) -> None:
        """All as described at Worker; `function` is its `run`."""
        if not callable(function):
            raise TypeError(f"a worker is a function or a Worker, not {function!r}")
        if timeout is not None and not timeout > 0:
            raise ValueError(f"timeout is more than 0 seconds, not {timeout!r}")
        self.function = function
        self.pool = pool
        self.timeout = timeout
        self._handle_result = handle_result

    def run(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    @property
    def target(self) -> Callable[..., Any]:
        return self.function

    @property
    def result_handler(self) -> Callable[..., Any] | None:
        return self._handle_result
