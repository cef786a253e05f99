"""What the figures were measured on."""

import os
import platform
import sqlite3
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

SYNCS = 300
"""How many appends are timed."""


def machine(folder: Path) -> dict[str, Any]:
    """Facts that explain figures; `folder` is where the storage writes."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "aiohttp": version("aiohttp"),
        "sqlite": sqlite3.sqlite_version,
        "syncs_per_second": round(syncs_per_second(folder)),
    }


def syncs_per_second(folder: Path) -> float:
    """How often a second the disk takes an append for good: what one-row commits can't exceed."""
    path = folder / "syncs"
    with path.open("wb", buffering=0) as file:
        start = time.perf_counter()
        for _ in range(SYNCS):
            file.write(b"x" * 4096)
            os.fdatasync(file.fileno())
        spent = time.perf_counter() - start
    path.unlink()
    return SYNCS / spent
