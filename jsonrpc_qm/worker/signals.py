"""Signals: as bytes in a pipe, and held back while a process starts."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from types import FrameType

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
ABANDON_SIGNAL = signal.SIGQUIT

NUMBERS = frozenset({*STOP_SIGNALS, ABANDON_SIGNAL})


class SignalPipe:
    """Brings the signals above to a main thread that waits, and what other threads tell it."""

    def __init__(self) -> None:
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._write_end, False)

    def fileno(self) -> int:
        """What can be waited for."""
        return self._read_end

    def tell(self) -> None:
        """Have `next` give 0."""
        os.write(self._write_end, b"\0")

    def next(self) -> int:
        """Wait for a signal, and give its number; 0 when told."""
        while True:
            number = os.read(self._read_end, 1)[0]
            # Python writes down every signal that it handles.
            if number in NUMBERS or number == 0:
                return number

    def close(self) -> None:
        os.close(self._read_end)
        os.close(self._write_end)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Fill the pipe; in the main thread only."""
        # A Python handler could not do it: it runs in the main thread, which only hears of a signal
        # while it waits if the kernel happens to interrupt that thread and no other.
        before = {number: signal.signal(number, _leave_to_the_pipe) for number in NUMBERS}
        woken = signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(woken)
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def held_back(*numbers: signal.Signals) -> Iterator[None]:
    """Let signals arrive later; processes that are started meanwhile wait for `let_through`."""
    # What multiprocessing may have to start first would let them through.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def let_through(*numbers: signal.Signals) -> None:
    """Let signals arrive that were held back when this process was started."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)


def _leave_to_the_pipe(number: int, frame: FrameType | None) -> None:
    """Do nothing more about a signal."""
