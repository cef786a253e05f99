"""From the bytes of a request to the bytes of its answer: JSON-RPC 2.0, transport-free.

The envelope is parsed once; params and id stay bytes until their method checks them. jsonrpcserver
finds the method and calls it. Batches are taken apart here, since it answers a batch that has one
invalid member with a single error.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import msgspec
from jsonrpcserver import Error, Result, Success
from jsonrpcserver.async_dispatcher import call as call_method
from jsonrpcserver.dispatcher import get_method, to_response
from jsonrpcserver.request import Request
from jsonrpcserver.response import to_serializable_one
from jsonrpcserver.sentinels import NOID
from msgspec import UNSET, Raw, UnsetType
from oslash.either import Right

from jsonrpc_qm.errors import (
    InternalError,
    InvalidRequest,
    MethodNotFound,
    ParseError,
    QueueError,
    TooLarge,
)
from jsonrpc_qm.rpc import wire
from jsonrpc_qm.rpc.checking import Checker
from jsonrpc_qm.rpc.manager import Manager
from jsonrpc_qm.rpc.methods import METHODS, Call, Method, Notification
from jsonrpc_qm.rpc.openrpc import document

logger = logging.getLogger("jsonrpc_qm.rpc")

MAX_BATCH = 10_000
"""How many members a batch may have."""

_WHITE = b" \t\r\n"
_SPACES_OR_ID = {*b'"-0123456789', ord("n")}


class Envelope(msgspec.Struct, gc=False):
    """A request object, section 4 of the JSON-RPC 2.0 specification."""

    jsonrpc: Literal["2.0"]
    method: str
    params: Raw | UnsetType = UNSET
    id: Raw | UnsetType = UNSET


_envelope = msgspec.json.Decoder(Envelope).decode
_batch = msgspec.json.Decoder(list[Raw]).decode
_anything = msgspec.json.Decoder(Raw).decode
_encode = msgspec.json.Encoder().encode


Run = Callable[[Call, bytes], Awaitable[Any]]
"""A method with its manager: what it answers to a call's params, in JSON. Raises QueueError."""


class Dispatcher:
    """Answers JSON-RPC requests with a manager's methods."""

    def __init__(
        self,
        manager: Manager,
        *,
        wrapped: Callable[[str, Run], Run] = lambda method, run: run,
        refused: Callable[[str], None] = lambda message: None,
    ) -> None:
        """`wrapped` gets each method once and gives what is called in its place; `refused` gets the
        message of every error that no method has raised."""
        runs = {name: _bound(method, manager) for name, method in METHODS.items()}
        runs["rpc.discover"] = _discover
        self._methods = {name: _answering(wrapped(name, run)) for name, run in runs.items()}
        self._refused = refused

    async def answer(self, body: bytes, call: Call) -> bytes | None:
        """The answer to a request's body; None when there is nothing to say.

        A batch's members run side by side and never wait; what they claim is added to `call`.
        """
        try:
            body.decode()
            if body.lstrip(_WHITE)[:1] != b"[":
                answer = await self._one(body, call)
            else:
                answer = await self._all(_batch(body), call)
        except UnicodeDecodeError:
            answer = self._refusal(ParseError(), "not UTF-8")
        except RecursionError:
            answer = self._refusal(ParseError(), "nested too deep")
        except msgspec.DecodeError as error:
            answer = self._refusal(ParseError(), str(error))
        return None if answer is None else _encode(answer)

    async def _all(self, members: list[Raw], call: Call) -> Any:
        if not members:
            return self._refusal(InvalidRequest(), "an empty batch")
        if len(members) > MAX_BATCH:
            return self._refusal(TooLarge.of("the batch", limit=MAX_BATCH, size=len(members)))
        call.may_wait = False
        answers = await asyncio.gather(*(self._one(bytes(member), call) for member in members))
        return [answer for answer in answers if answer is not None] or None

    async def _one(self, body: bytes, call: Call) -> dict[str, Any] | None:
        try:
            envelope = _envelope(body)
        except msgspec.ValidationError as error:
            # Reading stopped there: is the rest JSON at all?
            _anything(body)
            return self._refusal(InvalidRequest(), str(error))
        params = b"" if envelope.params is UNSET else bytes(envelope.params)
        id = NOID if envelope.id is UNSET else envelope.id
        if params[:1] not in (b"", b"[", b"{"):
            return self._refusal(InvalidRequest(), "params is no array and no object")
        if id is not NOID and bytes(id)[0] not in _SPACES_OR_ID:
            return self._refusal(InvalidRequest(), "id is no string, no number and not null")
        if id is NOID:
            # Nobody gets what it would claim, so it is to claim nothing.
            call = Notification()
        request = Request(envelope.method, [params], id)
        result = get_method(self._methods, envelope.method)
        if isinstance(result, Right):
            # Without jsonrpcserver's look whether the arguments fit, its largest cost: they are
            # always the two that _answering takes.
            result = await call_method(request, call, result._value)
        else:
            self._refused(MethodNotFound.message)
        if id is NOID:
            return None
        if isinstance(result, Right):
            return {"jsonrpc": "2.0", "result": result._value.result, "id": id}
        refusal: dict[str, Any] = to_serializable_one(to_response(request, result))
        return refusal

    def _refusal(self, error: QueueError, reason: str = "") -> dict[str, Any]:
        self._refused(error.message)
        shown = wire.error_object(error)
        if reason:
            shown["data"] = {"reason": reason}
        return {"jsonrpc": "2.0", "error": shown, "id": None}


Bound = Callable[..., Awaitable[Result]]


def _bound(method: Method, manager: Manager) -> Run:
    """A method of the table, called with the call and the params' bytes."""
    read = Checker.of(method.params).read
    handler = method.handler

    def run(call: Call, params: bytes) -> Awaitable[Any]:
        return handler(manager, call, read(params))

    return run


def _answering(run: Run) -> Bound:
    """A method as jsonrpcserver calls it: no exception's text gets out."""

    async def answer(call: Call, params: bytes) -> Result:
        try:
            return Success(await run(call, params))
        except QueueError as refusal:
            return (
                Error(**{"data": None, **wire.error_object(refusal)})
                if refusal.data
                else Error(refusal.code, refusal.message)
            )
        except Exception:
            logger.exception("a method broke")
            return Error(InternalError.code, InternalError.message)

    return answer


async def _discover(call: Call, params: bytes) -> Any:
    from jsonrpc_qm.params import NoParams

    Checker.of(NoParams).read(params)
    return document(call.url())
