"""What a program may say of the workers that it runs, for those who check types."""

from collections.abc import Sequence
from typing import TypedDict

from jsonrpc_qm.worker.base import PoolName


class WorkerOptions(TypedDict, total=False):
    """What `jsonrpc_qm.worker.main.run_workers` takes, which describes it."""

    names: Sequence[str] | None
    concurrency: int | None
    pool: PoolName
    grace: float
    max_tasks: int | None
    burst: bool
    worker_name: str | None
