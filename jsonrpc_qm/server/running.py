"""Starts a manager, keeps it running until it is told to stop, and stops it cleanly."""

import asyncio
import logging
import resource
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager

import msgspec
from aiohttp import web

from jsonrpc_qm import tracing_setup
from jsonrpc_qm.operations import MAX_PAYLOAD
from jsonrpc_qm.server.app import MAX_BODY, calls_first, make_app
from jsonrpc_qm.server.chores import KEEP_COMPLETED, KEEP_FAILED
from jsonrpc_qm.server.delivery import set_keepalive
from jsonrpc_qm.server.service import Service
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


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How a manager runs."""

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    """0 takes a free one."""
    max_body: int = MAX_BODY
    """Bytes of a request's body."""
    max_payload: int = MAX_PAYLOAD
    """Bytes of JSON of parameters, a result, an error, progress or metadata."""
    keep_completed: float | None = KEEP_COMPLETED
    """Seconds that completed tasks are kept; None for ever."""
    keep_failed: float | None = KEEP_FAILED
    """Seconds that failed and cancelled tasks are kept; None for ever."""


@asynccontextmanager
async def running(storage: Storage, settings: Settings) -> AsyncIterator[str]:
    """A manager that answers at the URL this gives, until the block ends.

    Raises:
        OSError: it can't listen there.
    """
    listening = _listen(settings.host, settings.port)
    service = Service(
        storage,
        max_payload=settings.max_payload,
        keep_completed=settings.keep_completed,
        keep_failed=settings.keep_failed,
    )
    tracing_setup.start("jsonrpc-qm")
    app = make_app(service, max_body=settings.max_body)
    runner = web.AppRunner(
        app,
        # Off by default: a client that hung up would leave its claim waiting, and taking.
        handler_cancellation=True,
        access_log=None,
        shutdown_timeout=STOP_SECONDS,
    )
    await runner.setup()
    assert runner.server is not None
    runner.server.request_handler = calls_first(app, runner.server.request_handler)
    try:
        await web.SockSite(runner, listening, backlog=BACKLOG).start()
        service.start()
        yield _url(settings.host, listening)
    finally:
        service.stop_waiting()
        await runner.cleanup()
        await service.close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, port), family=family, backlog=BACKLOG)
    set_keepalive(listening)
    return listening


def _url(host: str, listening: socket.socket) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listening.getsockname()[1]}"


@contextmanager
def in_background(storage: Storage, settings: Settings) -> Iterator[str]:
    """A manager in a thread of its own, at the URL this gives, until the block ends.

    Raises:
        OSError: it can't listen there.
    """
    started: Future[tuple[str, Callable[[], object]]] = Future()

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        async with running(storage, settings) as url:
            started.set_result((url, lambda: loop.call_soon_threadsafe(stop.set)))
            await stop.wait()

    def run_in_thread() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:
            if started.done():
                logger.exception("the manager broke")
            else:
                started.set_exception(error)

    thread = threading.Thread(target=run_in_thread, name="manager", daemon=True)
    thread.start()
    url, stop = started.result()
    try:
        yield url
    finally:
        stop()
        thread.join()


def serve(
    storage: Storage, settings: Settings | None = None, *, on_ready: Callable[[str], None]
) -> None:
    """Run a manager until SIGTERM or SIGINT; `on_ready` gets its URL once it listens.

    The storage is closed at the end.

    Raises:
        OSError: it can't listen there.
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
        async with running(storage, settings) as url:
            on_ready(url)
            await stop.wait()
            logger.info("stopping")
    finally:
        storage.close()
        tracing_setup.flush()
