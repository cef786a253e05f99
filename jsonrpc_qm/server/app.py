"""HTTP: bytes in, bytes out, and everything that HTTP itself can get wrong."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from aiohttp import hdrs, web

from jsonrpc_qm.access.grants import Grant
from jsonrpc_qm.rpc.dispatch import Dispatcher
from jsonrpc_qm.rpc.methods import Call
from jsonrpc_qm.server.access import Access, Hosts
from jsonrpc_qm.server.bodies import Bodies
from jsonrpc_qm.server.connections import Connections
from jsonrpc_qm.server.dashboard import add_dashboard
from jsonrpc_qm.server.delivery import Deliveries
from jsonrpc_qm.server.door import Door, TurnedAway, add_security_headers, fault
from jsonrpc_qm.server.health import HEALTH_PATH, READY_PATH, Health
from jsonrpc_qm.server.limits import Limits, Share
from jsonrpc_qm.server.metrics_endpoint import METRICS_PATH, MetricsEndpoint
from jsonrpc_qm.server.observing import observed
from jsonrpc_qm.server.service import Service
from jsonrpc_qm.server.sign_in import SignIn

PATH = "/rpc"
JSON = "application/json"

MAX_BODY = 16 * 1024 * 1024
"""Bytes that a request's body may have, by default."""


HEADERS = {hdrs.CONTENT_TYPE: JSON}


class HttpCall(Call):
    """A call over HTTP."""

    def __init__(self, request: web.Request, grant: Grant | None, waits: Share) -> None:
        super().__init__()
        self._request = request
        self._waits = waits
        self.grant = grant

    def waiting(self) -> AbstractContextManager[None]:
        return self._waits.one(self.address(), "calls wait")

    def address(self) -> str:
        return self._request.remote or "nowhere"

    def alive(self) -> bool:
        # aiohttp takes the transport away when the connection is lost.
        transport = self._request.transport
        return transport is not None and not transport.is_closing()

    def headers(self) -> Mapping[str, str]:
        return self._request.headers

    def url(self) -> str:
        # A header may hold bytes that are no text.
        shown = f"{self._request.scheme}://{self._request.host}{self._request.path}"
        return shown.encode("ascii", "replace").decode()


class RpcEndpoint:
    """Answers `POST /rpc`, and calls that come another way."""

    def __init__(self, service: Service, door: Door, limits: Limits) -> None:
        self._service = service
        self._door = door
        self._waits = Share(limits.max_waiting_claims, limits.max_waiting_per_client)
        self._bodies = Bodies()
        self._dispatcher = Dispatcher(
            service,
            wrapped=partial(observed, service.metrics),
            refused=service.metrics.refused,
        )
        self.deliveries = Deliveries(service.give_back)

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        # Most say just that; what says it in other words has to be parsed.
        if request.headers.get(hdrs.CONTENT_TYPE) != JSON and request.content_type != JSON:
            return fault(415, "send Content-Type: application/json")
        try:
            grant = self._door.admit(request)
        except TurnedAway as refusal:
            return refusal.response
        transport = request.transport
        self.deliveries.heard(transport)
        body = await self._bodies.read(request)
        if isinstance(body, web.Response):
            return body
        call = HttpCall(request, grant, self._waits)
        answer = await self.answer(body, call)
        if answer is None:
            return web.Response(status=204)
        response = web.Response(body=answer, headers=HEADERS)
        if call.claimed:
            await self._deliver(request, response, call)
        return response

    async def answer(self, body: bytes, call: Call) -> bytes | None:
        """The answer to a request's body, if there is one; when cancelled, nothing stays taken."""
        try:
            return await self._dispatcher.answer(body, call)
        except asyncio.CancelledError:
            self._service.give_back(call.claimed)
            raise

    async def _deliver(self, request: web.Request, response: web.Response, call: Call) -> None:
        """Write the answer here and now, and see that it arrives."""
        transport = request.transport
        try:
            if transport is not None:
                self.deliveries.sending(transport, call.claimed, ends=not request.keep_alive)
            await response.prepare(request)
            await response.write_eof()
        except (ConnectionError, asyncio.CancelledError):
            self.deliveries.heard(transport)
            self._service.give_back(call.claimed)
            raise
        if transport is not None and not request.keep_alive and transport.can_write_eof():
            # Closing does not tell the client so as long as the connection is looked at.
            transport.write_eof()


ENDPOINT = web.AppKey("ENDPOINT", RpcEndpoint)

Handler = Callable[[Any], Awaitable[web.StreamResponse]]


async def _at_once(response: web.Response) -> web.Response:
    return response


def calls_first(app: web.Application, routed: Handler, connections: Connections) -> Handler:
    """A handler that answers plain calls itself and leaves all else to the app's router.

    The router would find the same, but takes a twentieth of a call's time.
    """
    endpoint = app[ENDPOINT]

    def handle(request: web.Request) -> Awaitable[web.StreamResponse]:
        if refusal := connections.refusal(request):
            return _at_once(refusal)
        is_call = request.path == PATH and request.method == hdrs.METH_POST
        if is_call and hdrs.EXPECT not in request.headers:
            return endpoint(request)
        return routed(request)

    return handle


def make_app(
    service: Service,
    *,
    access: Access | None = None,
    hosts: Hosts | None = None,
    limits: Limits | None = None,
    max_body: int = MAX_BODY,
) -> web.Application:
    """The web application of a manager."""
    access = access or Access()
    door = Door(access, hosts or Hosts())
    app = web.Application(client_max_size=max_body, middlewares=[door.guard])
    endpoint = RpcEndpoint(service, door, limits or Limits())
    app.router.add_post(PATH, endpoint.__call__)
    app[ENDPOINT] = endpoint
    if access.has_tokens:
        SignIn(door).add_to(app)
    add_dashboard(app, service)
    health = Health(service)
    app.router.add_get(HEALTH_PATH, health.health)
    app.router.add_get(READY_PATH, health.ready)
    app.router.add_get(METRICS_PATH, MetricsEndpoint(service, health).__call__)

    async def stop_looking(_: Any) -> None:
        endpoint.deliveries.close()

    app.on_cleanup.append(stop_looking)
    app.on_response_prepare.append(add_security_headers)
    return app
