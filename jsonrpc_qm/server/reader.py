"""Reads of the storage, beside the transactions, in a thread of their own."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class Reader:
    """Carries out one read after the other: a long list holds up no commit, and many of them only
    each other.

    To be made in the event loop.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._pending: SimpleQueue[tuple[asyncio.Future[Any], Callable[[], Any]] | None] = (
            SimpleQueue()
        )
        self.thread = threading.Thread(target=self._run, name="reader", daemon=True)
        self.thread.start()

    async def read(self, read: Callable[[], T]) -> T:
        """What it returns, or raises; one that nobody waits for any more is not begun."""
        future: asyncio.Future[T] = self._loop.create_future()
        self._pending.put((future, read))
        return await future

    def stop(self) -> None:
        """End the thread, after what is waiting."""
        self._pending.put(None)

    def _run(self) -> None:
        while (pending := self._pending.get()) is not None:
            future, read = pending
            if future.cancelled():
                continue
            try:
                settle = partial(future.set_result, read())
            except Exception as error:
                settle = partial(future.set_exception, error)
            with suppress(RuntimeError):  # the event loop has ended
                self._loop.call_soon_threadsafe(_settle, future, settle)


def _settle(future: "asyncio.Future[Any]", settle: Callable[[], None]) -> None:
    if not future.done():
        settle()
