"""jsonrpc-qm: a durable task queue, JSON-RPC 2.0 over HTTP, with workers that pull."""

from jsonrpc_qm.client.aio import AsyncClient
from jsonrpc_qm.client.sync import Client
from jsonrpc_qm.errors import QueueError, TaskFailed
from jsonrpc_qm.manager import QueueManager
from jsonrpc_qm.retry import Backoff
from jsonrpc_qm.storage.memory import MemoryStorage
from jsonrpc_qm.storage.sqlite import SqliteStorage
from jsonrpc_qm.storage.urls import open_storage
from jsonrpc_qm.task import ClaimedTask, Status, Task
from jsonrpc_qm.version import VERSION
from jsonrpc_qm.worker.base import Worker
from jsonrpc_qm.worker.context import Context
from jsonrpc_qm.worker.outcome import Fail, Retry

__version__ = VERSION

__all__ = [
    "AsyncClient",
    "Backoff",
    "ClaimedTask",
    "Client",
    "Context",
    "Fail",
    "MemoryStorage",
    "QueueError",
    "QueueManager",
    "Retry",
    "SqliteStorage",
    "Status",
    "Task",
    "TaskFailed",
    "Worker",
    "__version__",
    "open_storage",
]
