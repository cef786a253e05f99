"""Starts a manager, keeps it running until it is told to stop, and stops it cleanly."""

import asyncio
import logging
import os
import resource
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated, Any, NamedTuple

import msgspec
from aiohttp import web
from msgspec import Meta

from jsonrpc_qm import tracing_setup
from jsonrpc_qm.errors import InvalidParams
from jsonrpc_qm.operations import MAX_PAYLOAD
from jsonrpc_qm.server.access import Access, Hosts, check_address
from jsonrpc_qm.server.app import ENDPOINT, MAX_BODY, RpcEndpoint, calls_first, make_app
from jsonrpc_qm.server.chores import KEEP_COMPLETED, KEEP_FAILED
from jsonrpc_qm.server.connections import IDLE_SECONDS, Connections
from jsonrpc_qm.server.delivery import set_keepalive
from jsonrpc_qm.server.limits import Limits
from jsonrpc_qm.server.service import Service
from jsonrpc_qm.server.within import Within
from jsonrpc_qm.storage.base import Storage

logger = logging.getLogger("jsonrpc_qm.server")

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8642

BACKLOG = 4096
"""Connections that may wait to be accepted."""

MOST_FILES = 65_536
"""Open files, connections among them, that a manager asks the system for."""

STOP_SECONDS = 1.0
"""How long running requests may take to finish when the manager stops."""


Bytes = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(ge=0)]


class Settings(Limits, frozen=True, kw_only=True):
    """How a manager runs, and what it takes on."""

    host: str = DEFAULT_HOST
    """The address that it listens on."""
    port: Annotated[int, Meta(ge=0, le=65535)] = DEFAULT_PORT
    """0 takes a free one."""
    max_body: Bytes = MAX_BODY
    """Bytes of a request's body."""
    max_payload: Bytes = MAX_PAYLOAD
    """Bytes of JSON of parameters, a result, an error, progress or metadata."""
    keep_completed: Seconds | None = KEEP_COMPLETED
    """Seconds that completed tasks are kept; None for ever."""
    keep_failed: Seconds | None = KEEP_FAILED
    """Seconds that failed and cancelled tasks are kept; None for ever."""
    tokens: str | None = None
    """The file of tokens; without one callers need none."""
    allow_anyone: bool = False
    """Whether other machines may call it without a token."""
    public_host: tuple[str, ...] = ()
    """Names that browsers reach it by, besides localhost."""
    tls_cert: str | None = None
    """The file with its certificate, and the chain up to an authority."""
    tls_key: str | None = None
    """The file with the certificate's key, if that is not in the same."""
    tls_ca: str | None = None
    """The file with the authorities that clients' certificates are to be from."""

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> "Settings":
        """Settings from a program's own values; files may be paths.

        Raises:
            InvalidParams: a value is of a wrong type, or out of range.
        """
        plain = {
            name: os.fspath(value) if isinstance(value, os.PathLike) else value
            for name, value in options.items()
        }
        try:
            return msgspec.convert(plain, cls)
        except msgspec.ValidationError as error:
            reason, _, place = str(error).rpartition(" - at `$.")
            raise InvalidParams.of(place.rstrip("`"), reason) from None

    def access(self) -> Access:
        """What the files of tokens and certificates say.

        Raises:
            InvalidParams: one of them can't be used.
        """
        return Access(
            tokens=self.tokens, tls_cert=self.tls_cert, tls_key=self.tls_key, tls_ca=self.tls_ca
        )


class CannotListen(OSError):
    """The address can't be had; the text says which, and why."""

    @classmethod
    def of(cls, settings: Settings, error: OSError) -> "CannotListen":
        # Without the address that `socket.create_server` adds.
        reason = (error.strerror or str(error)).partition(" (while attempting")[0]
        return cls(f"can't listen on {settings.host}:{settings.port}: {reason}")


class Started(NamedTuple):
    """A manager that answers."""

    url: str
    endpoint: RpcEndpoint


@asynccontextmanager
async def running(
    storage: Storage, settings: Settings, *, access: Access | None = None
) -> AsyncIterator[str]:
    """A manager that answers at the URL this gives, until the block ends.

    Raises:
        CannotListen: it can't listen there.
        InvalidParams: it must not listen there, or can't use a file of the settings.
    """
    async with _started(storage, settings, access or settings.access()) as started:
        yield started.url


@asynccontextmanager
async def _started(storage: Storage, settings: Settings, access: Access) -> AsyncIterator[Started]:
    listening = _listen(settings, access)
    service = Service(
        storage,
        max_payload=settings.max_payload,
        keep_completed=settings.keep_completed,
        keep_failed=settings.keep_failed,
        limits=settings,
    )
    tracing_setup.start("jsonrpc-qm")
    app = make_app(
        service,
        access=access,
        hosts=Hosts(settings.public_host),
        limits=settings,
        max_body=settings.max_body,
    )
    connections = Connections(settings)
    runner = web.AppRunner(
        app,
        # Off by default: a client that hung up would leave its claim waiting, and taking.
        handler_cancellation=True,
        access_log=None,
        keepalive_timeout=IDLE_SECONDS,
        shutdown_timeout=STOP_SECONDS,
    )
    await runner.setup()
    assert runner.server is not None
    runner.server.request_handler = calls_first(app, runner.server.request_handler, connections)
    connections.watch(runner.server)
    try:
        await web.SockSite(runner, listening, backlog=BACKLOG, ssl_context=access.tls).start()
        service.start()
        url = _url(settings.host, listening, scheme="https" if access.tls else "http")
        yield Started(url, app[ENDPOINT])
    finally:
        service.stop_waiting()
        await runner.cleanup()
        connections.close()
        await service.close()


def _listen(settings: Settings, access: Access) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        found = socket.getaddrinfo(settings.host, settings.port, family, socket.SOCK_STREAM)
        address = str(found[0][4][0])
        check_address(address, has_tokens=access.has_tokens, allow_anyone=settings.allow_anyone)
        listening = socket.create_server((address, settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise CannotListen.of(settings, error) from error
    set_keepalive(listening)
    return listening


def _url(host: str, listening: socket.socket, *, scheme: str) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}:{listening.getsockname()[1]}"


@contextmanager
def in_background(storage: Storage, settings: Settings) -> Iterator[str]:
    """A manager in a thread of its own, at the URL this gives, until the block ends.

    Raises:
        CannotListen, InvalidParams: as `running`.
    """
    with _in_thread(storage, settings, settings.access()) as (started, _):
        yield started.url


@contextmanager
def beside(
    storage: Storage, settings: Settings, *, on_ready: Callable[[str], None]
) -> Iterator[Callable[[], Within]]:
    """The same, for threads of this process: gives what makes its verbs for them.

    `on_ready` gets its URL once it listens. In the main thread SIGHUP reads the files of tokens and
    certificates again meanwhile.

    Raises:
        CannotListen, InvalidParams: as `running`.
    """
    _allow_files()
    access = settings.access()
    with (
        _in_thread(storage, settings, access) as (started, loop),
        _on_hangup(lambda: loop.call_soon_threadsafe(access.reload), access),
    ):
        on_ready(started.url)
        yield lambda: Within(started.url, started.endpoint, loop)


@contextmanager
def _in_thread(
    storage: Storage, settings: Settings, access: Access
) -> Iterator[tuple[Started, asyncio.AbstractEventLoop]]:
    begun: Future[tuple[Started, asyncio.AbstractEventLoop]] = Future()
    stop = asyncio.Event()

    async def run() -> None:
        async with _started(storage, settings, access) as started:
            begun.set_result((started, asyncio.get_running_loop()))
            await stop.wait()

    def run_in_thread() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:
            if begun.done():
                logger.exception("the manager broke")
            else:
                begun.set_exception(error)

    thread = threading.Thread(target=run_in_thread, name="manager", daemon=True)
    thread.start()
    started, loop = begun.result()
    try:
        yield started, loop
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


@contextmanager
def _on_hangup(act: Callable[[], object], access: Access) -> Iterator[None]:
    """Have SIGHUP do this in the block, where it can, and where there is anything to read again."""
    if not access.has_files or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGHUP, lambda number, frame: act())
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def serve(
    storage: Storage, settings: Settings | None = None, *, on_ready: Callable[[str], None]
) -> None:
    """Run a manager until SIGTERM or SIGINT; `on_ready` gets its URL once it listens.

    The storage is closed at the end.

    Raises:
        CannotListen, InvalidParams: as `running`.
    """
    _allow_files()
    asyncio.run(_serve(storage, settings or Settings(), on_ready))


def _allow_files() -> None:
    """Raise the limit that a shell or systemd sets for programs that are not made for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _serve(storage: Storage, settings: Settings, on_ready: Callable[[str], None]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        access = settings.access()
        if access.has_files:
            loop.add_signal_handler(signal.SIGHUP, access.reload)
        async with running(storage, settings, access=access) as url:
            on_ready(url)
            await stop.wait()
            logger.info("stopping")
    finally:
        storage.close()
        tracing_setup.flush()
