"""Where a method speaks of the names of tasks, for tokens that reach to some names only.

Each looks at the params before the method is called, and at the answer after it. Only calls whose
token has patterns come here.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from jsonrpc_qm import params as p
from jsonrpc_qm.access.grants import Grant
from jsonrpc_qm.errors import Forbidden
from jsonrpc_qm.rpc import wire
from jsonrpc_qm.rpc.manager import Manager


class OutOfScope(Exception):
    """The token does not reach to this name; None: the call must say a name."""

    def __init__(self, name: str | None) -> None:
        super().__init__(name)
        self.name = name


def forbidden(method: str, name: str | None = None) -> Forbidden:
    """The refusal of a method, or of a name in it."""
    data = {"method": method}
    return Forbidden(data=data if name is None else {**data, "name": name})


class Scope:
    """Of a method that has nothing to do with names."""

    async def through(
        self, grant: Grant, manager: Manager, given: Any, call: Callable[[], Awaitable[Any]]
    ) -> Any:
        """What `call` answers to the params, as far as the token reaches.

        Raises:
            OutOfScope: the params speak of a name that it does not reach to.
        """
        await self.admit(grant, manager, given)
        return self.shown(grant, await call())

    async def admit(self, grant: Grant, manager: Manager, given: Any) -> None:
        """Raise OutOfScope if the params speak of a name that the token does not reach to."""

    def shown(self, grant: Grant, answer: Any) -> Any:
        """What of the answer the token may see."""
        return answer


def _require(grant: Grant, names: Iterable[str | None]) -> None:
    for name in names:
        if name is None or not grant.covers(name):
            raise OutOfScope(name)


class Named(Scope):
    """The params have a `name`, which must be given."""

    async def admit(self, grant: Grant, manager: Manager, given: Any) -> None:
        _require(grant, [given.name])


class Claimed(Scope):
    """The params have `names`: all must be in reach."""

    async def admit(self, grant: Grant, manager: Manager, given: Any) -> None:
        _require(grant, given.names)


class NewTasks(Scope):
    """The params have a list of new tasks."""

    def __init__(self, field: str) -> None:
        self._field = field

    async def admit(self, grant: Grant, manager: Manager, given: Any) -> None:
        tasks: list[p.QueueParams] | None = getattr(given, self._field)
        _require(grant, (task.name for task in tasks or ()))


class Stored(Scope):
    """The params have the `id` of a task: the name that it was stored with counts.

    A task keeps its name, so what is read here still holds when the method is carried out.
    """

    async def admit(self, grant: Grant, manager: Manager, given: Any) -> None:
        _require(grant, [(await manager.stored(given.id)).name])


class Listed(Scope):
    """A list of tasks, which shows those in reach."""

    async def admit(self, grant: Grant, manager: Manager, given: Any) -> None:
        if given.name is not None:
            _require(grant, [given.name])
        given.name = given.name or grant.only_name

    def shown(self, grant: Grant, answer: Any) -> Any:
        return {**answer, "tasks": [task for task in answer["tasks"] if grant.covers(task.name)]}


class Reported(Scope):
    """`report`: an outcome whose follow-up tasks are out of reach is refused alone."""

    async def through(
        self, grant: Grant, manager: Manager, given: Any, call: Callable[[], Awaitable[Any]]
    ) -> Any:
        _require(grant, given.names or ())
        outcomes: list[p.Outcome] = given.outcomes
        refused = [_out_of_reach(grant, outcome) for outcome in outcomes]
        if not any(refused):
            return await call()
        given.outcomes = [each for each, name in zip(outcomes, refused, strict=True) if not name]
        answer = await call()
        taken = iter(answer["outcomes"])
        ended = [
            wire.outcome(each.id, forbidden("report", name)) if name else next(taken)
            for each, name in zip(outcomes, refused, strict=True)
        ]
        return {**answer, "outcomes": ended}


def _out_of_reach(grant: Grant, outcome: p.Outcome) -> str | None:
    """The first name of its follow-up tasks that the token does not reach to."""
    tasks = outcome.queue if isinstance(outcome, p.CompletedOutcome) else None
    return next((task.name for task in tasks or () if not grant.covers(task.name)), None)


class Counted(Scope):
    """`stats`: the names in reach."""

    def shown(self, grant: Grant, answer: Any) -> Any:
        names = {name: row for name, row in answer["names"].items() if grant.covers(name)}
        return {**answer, "names": names}


class Rated(Counted):
    """`rates`: of one name, or of all in reach."""

    async def admit(self, grant: Grant, manager: Manager, given: Any) -> None:
        if given.name is not None:
            _require(grant, [given.name])


class Many(Scope):
    """The params have `ids` of stored tasks, or a search that must be of one `name`."""

    async def admit(self, grant: Grant, manager: Manager, given: Any) -> None:
        if given.ids is None:
            given.name = given.name or grant.only_name
            _require(grant, [given.name])
            return
        found = await manager.read(manager.storage.get, given.ids)
        _require(grant, (record.name for record in found if record is not None))


class Workers(Scope):
    """`workers`: those that work for a name in reach, with those names only."""

    def shown(self, grant: Grant, answer: Any) -> Any:
        rows = ({**row, "names": list(filter(grant.covers, row["names"]))} for row in answer)
        return [row for row in rows if row["names"]]


class Drained(Scope):
    """`drain`: a worker all of whose names are in reach."""

    async def admit(self, grant: Grant, manager: Manager, given: Any) -> None:
        rows = [row for row in await manager.workers() if row.worker == given.worker]
        _require(grant, (name for row in rows for name in row.names))
