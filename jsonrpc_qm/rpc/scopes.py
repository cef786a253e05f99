"""Where a method speaks of the names of tasks, for tokens that reach to some names only.

Each looks at the params before the method is called, and at the answer after it. Only calls whose
token has patterns come here. What a caller does not reach to is to it as if it were not there; what
is refused is a name that it says itself.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from jsonrpc_qm import params as p
from jsonrpc_qm.access.grants import Grant
from jsonrpc_qm.access.seals import sealed, unsealed
from jsonrpc_qm.answers import OTHER_NAMES
from jsonrpc_qm.errors import (
    Conflict,
    Forbidden,
    InvalidParams,
    LeaseLost,
    TaskNotFound,
    Unavailable,
)
from jsonrpc_qm.operations import check_length, unknown_worker
from jsonrpc_qm.record import Record
from jsonrpc_qm.rpc import wire
from jsonrpc_qm.rpc.manager import Manager
from jsonrpc_qm.rpc.reaching import shown_of


class OutOfScope(Exception):
    """The token does not reach to this name; None: the call must say a name, or it is none that the
    caller may know.
    """

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


async def _within(grant: Grant, manager: Manager, ids: Sequence[str]) -> set[str]:
    """Those of some ids that are of tasks in reach."""
    found: list[Record | None] = await manager.read(manager.storage.get, ids)
    return {each.id for each in found if each is not None and grant.covers(each.name)}


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

    async def through(
        self, grant: Grant, manager: Manager, given: Any, call: Callable[[], Awaitable[Any]]
    ) -> Any:
        if not await _within(grant, manager, [given.id]):
            raise TaskNotFound.of(given.id)
        answer = await call()
        # While a call waits, a task may be deleted, and its id be used for another.
        if isinstance(answer, wire.WireTask) and not grant.covers(answer.name):
            raise TaskNotFound.of(given.id)
        return answer


class Past(Stored):
    """`history`, which says the ids of tasks that followed: of those in reach only."""

    async def through(
        self, grant: Grant, manager: Manager, given: Any, call: Callable[[], Awaitable[Any]]
    ) -> Any:
        steps = await super().through(grant, manager, given, call)
        ids = [id for step in steps for id in step["tasks"]]
        within = await _within(grant, manager, ids) if ids else set()
        return [{**step, "tasks": [id for id in step["tasks"] if id in within]} for step in steps]


class Held(Scope):
    """The end of a claim, by the token of its lease: the name is looked at in the answer.

    A refusal would tell that there is a task, and in which state; there it costs one more read.
    """

    async def admit(self, grant: Grant, manager: Manager, given: Any) -> None:
        if (name := _out_of_reach(grant, given)) is not None:
            raise OutOfScope(name)

    async def through(
        self, grant: Grant, manager: Manager, given: Any, call: Callable[[], Awaitable[Any]]
    ) -> Any:
        try:
            answer = await super().through(grant, manager, given, call)
        except (LeaseLost, Conflict):
            if not await _within(grant, manager, [given.id]):
                raise TaskNotFound.of(given.id) from None
            raise
        if not grant.covers(answer.name):
            raise TaskNotFound.of(given.id)
        return answer


class Listed(Scope):
    """`list_tasks`: the method lists those in reach; their cursors are sealed."""

    async def admit(self, grant: Grant, manager: Manager, given: Any) -> None:
        if given.name is not None:
            _require(grant, [given.name])
        if given.cursor is not None:
            given.cursor = unsealed(grant.key, given.cursor)
            if given.cursor is None:
                raise InvalidParams.of("cursor", "not a cursor that list_tasks gave to this token")

    def shown(self, grant: Grant, answer: Any) -> Any:
        cursor = answer["next_cursor"]
        return {**answer, "next_cursor": cursor and sealed(grant.key, cursor)}


class Reported(Scope):
    """`report`: an outcome whose follow-up tasks are out of reach is refused alone."""

    async def through(
        self, grant: Grant, manager: Manager, given: Any, call: Callable[[], Awaitable[Any]]
    ) -> Any:
        _require(grant, given.names or ())
        outcomes: list[p.Outcome] = given.outcomes
        refused = [_out_of_reach(grant, outcome) for outcome in outcomes]
        given.outcomes = [each for each, name in zip(outcomes, refused, strict=True) if not name]
        answer = await call()
        taken = iter(await _told(grant, manager, answer["outcomes"]))
        ended = [
            wire.outcome(each.id, forbidden("report", name)) if name else next(taken)
            for each, name in zip(outcomes, refused, strict=True)
        ]
        return {**answer, "outcomes": ended}


async def _told(grant: Grant, manager: Manager, ended: list[dict[str, Any]]) -> list[Any]:
    """What became of outcomes, as Held tells it."""
    about_state = (LeaseLost.code, Conflict.code)
    ids = [each["id"] for each in ended if not each["ok"] and each["error"]["code"] in about_state]
    if not ids:
        return ended
    try:
        foreign = {*ids} - await _within(grant, manager, ids)
    except Unavailable:
        # What has ended, and what was claimed, is told all the same.
        foreign = {*ids}
    return [
        wire.outcome(each["id"], TaskNotFound.of(each["id"]))
        if not each["ok"] and each["id"] in foreign
        else each
        for each in ended
    ]


def _out_of_reach(grant: Grant, outcome: p.Params) -> str | None:
    """The first name of its follow-up tasks that the token does not reach to."""
    if not isinstance(outcome, (p.CompletedOutcome, p.CompleteParams)):
        return None
    return next((task.name for task in outcome.queue or () if not grant.covers(task.name)), None)


class Counted(Scope):
    """`stats`: the names in reach."""

    def shown(self, grant: Grant, answer: Any) -> Any:
        names = {name: row for name, row in answer["names"].items() if grant.covers(name)}
        return {**answer, "names": names}


class Rated(Counted):
    """`rates`: of one name, or of all in reach; never what is counted together."""

    async def admit(self, grant: Grant, manager: Manager, given: Any) -> None:
        if given.name is not None:
            _require(grant, [given.name])

    def shown(self, grant: Grant, answer: Any) -> Any:
        shown = super().shown(grant, answer)
        shown["names"].pop(OTHER_NAMES, None)
        return shown


class Many(Scope):
    """The params have `ids` of stored tasks, or a search that must be of one `name`."""

    async def admit(self, grant: Grant, manager: Manager, given: Any) -> None:
        if given.ids is None:
            given.name = given.name or grant.only_name
            _require(grant, [given.name])
            return
        check_length("ids", given.ids)
        within = await _within(grant, manager, given.ids)
        given.ids = [id for id in given.ids if id in within]


class Drained(Scope):
    """`drain`: a worker all of whose names are in reach."""

    async def admit(self, grant: Grant, manager: Manager, given: Any) -> None:
        rows = [row for row in await manager.workers() if row.worker == given.worker]
        if not shown_of(rows, grant.covers):
            raise unknown_worker()
        if not all(map(grant.covers, rows[0].names)):
            raise OutOfScope(None)
