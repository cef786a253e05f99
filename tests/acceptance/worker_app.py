"""An app whose workers do what workers must survive."""

import asyncio
import ctypes
import os
import signal
import time
from pathlib import Path
from typing import Any

from jsonrpc_qm import Context, QueueManager, Task, Worker

qm = QueueManager("memory:")


@qm.worker("pid")
def pid() -> int:
    """Who has done it."""
    return os.getpid()


@qm.worker("hold")
def hold(folder: str) -> str:
    """Say that it has started, and wait for `go` in the folder."""
    Path(folder, "started").write_text(str(os.getpid()))
    while not Path(folder, "go").exists():
        time.sleep(0.01)
    return "held"


@qm.worker("hold_on_the_loop")
async def hold_on_the_loop(folder: str) -> str:
    """The same in a thread that nobody can stop, for a handler that can be."""
    return await asyncio.to_thread(hold, folder)


@qm.worker("block")
async def block(seconds: float) -> None:
    """Block the whole event loop."""
    time.sleep(seconds)  # the very mistake


@qm.worker("count")
def count(seconds: float) -> int:
    """Keep the interpreter busy."""
    counted, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        counted += 1
    return counted


@qm.worker("square", pool="process")
def square(n: int) -> int:
    """What a process is for, made short."""
    return n * n


@qm.worker("die", pool="process")
def die(how: str) -> None:
    """End the process in many ways."""
    match how:
        case "segfault":
            ctypes.string_at(0)
        case "exit 0":
            os._exit(0)
        case "exit 3":
            os._exit(3)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "leave a child":
            if os.fork() == 0:
                time.sleep(5)
            os._exit(1)
        case "raise":
            raise SystemExit(4)


@qm.worker("spin", pool="process", timeout=30)
def spin(context: Context, folder: str) -> None:
    """Keep a processor busy for ever, deaf to everything."""
    context.progress({"pid": os.getpid()})
    Path(folder, "started").write_text(str(os.getpid()))
    while True:
        pass


@qm.worker("spin_a_little", pool="process", timeout=0.5)
def spin_a_little() -> None:
    """The same, but for its timeout."""
    while True:
        pass


@qm.worker("add")
class Adding(Worker):
    """Writes each result into a file, and dies before it does so if it finds `die` there."""

    def run(self, folder: str, n: int) -> dict[str, Any]:
        return {"folder": folder, "n": n + 1}

    def handle_result(self, task: Task) -> None:
        folder = Path(task.result["folder"])
        if (folder / "die").exists():
            (folder / "die").unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        with (folder / "results").open("a") as results:
            results.write(f"{task.result['n']}\n")
