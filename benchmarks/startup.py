"""How long one waits for the manager's first answer, and for the help."""

import compileall
import subprocess
import sys
import time
from statistics import median

from benchmarks.manager import managed
from benchmarks.many import Urls
from benchmarks.plan import Plan
from benchmarks.processes import ROOT
from benchmarks.row import Row
from benchmarks.show import progress


def first_answer(urls: Urls, plan: Plan) -> Row:
    """From starting `jsonrpc-qm serve` on a new storage to its answer to `stats`."""
    _compile()
    seconds = []
    for number in range(plan.starts):
        url = urls(f"start-{number}")
        start = time.perf_counter()
        with managed(url) as manager:
            manager.stats()
            seconds.append(time.perf_counter() - start)
    return _row("serve", "from `jsonrpc-qm serve` to the first answer", seconds, 0.7)


def help_shown(plan: Plan) -> Row:
    """`jsonrpc-qm --help`, the whole process."""
    _compile()
    seconds = []
    for _ in range(plan.starts):
        start = time.perf_counter()
        command = [sys.executable, "-m", "jsonrpc_qm", "--help"]
        subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
        seconds.append(time.perf_counter() - start)
    return _row("help", "`jsonrpc-qm --help`", seconds, 0.3)


def _compile() -> None:
    """Compile the sources, as installing a package does; where Python may not write what it has
    compiled, an editable installation would be compiled anew at each start."""
    compileall.compile_dir(str(ROOT / "jsonrpc_qm"), quiet=1)


def _row(key: str, what: str, seconds: list[float], target: float) -> Row:
    progress(f"{key}: median {median(seconds):.3f} s, at best {min(seconds):.3f} s")
    return Row(
        key=key,
        what=f"{what}, median",
        unit="s",
        figure=median(seconds),
        target=target,
        spread=(min(seconds), max(seconds)),
        note=f"at best {min(seconds):.2f} s",
    )
