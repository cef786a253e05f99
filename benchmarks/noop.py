"""The app whose tasks do nothing: what is left is the queue's own work."""

from typing import Any

from jsonrpc_qm import MemoryStorage, QueueManager

NAME = "noop"

# The workers are told where the manager is; this storage stays empty.
qm = QueueManager(MemoryStorage())


@qm.worker(NAME)
def noop(*_: Any, **__: Any) -> None:
    """Do nothing."""
