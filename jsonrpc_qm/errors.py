"""Every error this package raises, as one tree.

    QueueError
    ├── TaskNotFound      -32001
    ├── LeaseLost         -32002
    ├── Conflict          -32003
    ├── InvalidState      -32004
    ├── TooLarge          -32005
    ├── Unavailable       -32006
    ├── Forbidden         -32007
    ├── InvalidParams     -32602
    ├── MethodNotFound    -32601
    ├── InvalidRequest    -32600
    ├── ParseError        -32700
    ├── InternalError     -32603
    └── TaskFailed        raised by `result` only

The number is the JSON-RPC error code, the docstring's first line the message on the wire
(docs/protocol.md, "Errors"). `data` is what the error carries besides.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from jsonrpc_qm.task import Status, Task


class QueueError(Exception):
    """Queue error"""

    code: ClassVar[int] = -32603
    message: ClassVar[str]

    def __init_subclass__(cls) -> None:
        cls.message = (cls.__doc__ or cls.__name__).splitlines()[0]

    def __init__(self, detail: str = "", *, data: Mapping[str, Any] | None = None) -> None:
        """`detail` is said to people after the message; `data` travels with the error."""
        super().__init__(detail)
        self.detail = detail
        self.data: dict[str, Any] = dict(data or {})

    def __str__(self) -> str:
        said = self.detail or ", ".join(f"{key}: {value}" for key, value in self.data.items())
        if type(self) is QueueError and said:
            return said  # "Queue error" tells nobody anything
        return f"{self.message}: {said}" if said else self.message


QueueError.message = "Queue error"


class TaskNotFound(QueueError):
    """Task not found"""

    code = -32001

    @classmethod
    def of(cls, id: str) -> "TaskNotFound":
        return cls(data={"id": id})


class LeaseLost(QueueError):
    """Lease lost"""

    code = -32002

    @classmethod
    def of(cls, id: str, status: str) -> "LeaseLost":
        return cls(data={"id": id, "status": status})


class Conflict(QueueError):
    """Conflict"""

    code = -32003

    @classmethod
    def of(cls, id: str) -> "Conflict":
        return cls(data={"id": id})


class InvalidState(QueueError):
    """Invalid state"""

    code = -32004

    @classmethod
    def of(cls, id: str, status: str) -> "InvalidState":
        return cls(data={"id": id, "status": status})


class TooLarge(QueueError):
    """Too large"""

    code = -32005

    @classmethod
    def of(cls, what: str, *, limit: int, size: int) -> "TooLarge":
        return cls(f"{what} is {size}, the limit is {limit}", data={"limit": limit, "size": size})


class Unavailable(QueueError):
    """Unavailable"""

    code = -32006

    @classmethod
    def of(cls, reason: str, *, retry_after: float = 1.0) -> "Unavailable":
        """`retry_after` in seconds: when another try makes sense."""
        return cls(reason, data={"retry_after": retry_after})

    @classmethod
    def in_doubt(cls, reason: str) -> "Unavailable":
        """It may have been done: a client repeats nothing then that may not happen twice."""
        return cls(reason, data={"retry_after": 1.0, "answer_lost": True})

    @classmethod
    def beyond(cls, reason: str, *, retry_after: float) -> "Unavailable":
        """A limit is reached, which the caller is to know; else only the log has the reason."""
        return cls(reason, data={"retry_after": retry_after, "reason": reason})


class Forbidden(QueueError):
    """Forbidden"""

    code = -32007


class InvalidParams(QueueError):
    """Invalid params"""

    code = -32602

    @classmethod
    def of(cls, param: str, reason: str) -> "InvalidParams":
        return cls(f"{param}: {reason}", data={"param": param, "reason": reason})


class MethodNotFound(QueueError):
    """Method not found"""

    code = -32601


class InvalidRequest(QueueError):
    """Invalid Request"""

    code = -32600


class ParseError(QueueError):
    """Parse error"""

    code = -32700


class InternalError(QueueError):
    """Internal error"""

    code = -32603


class TaskFailed(QueueError):
    """Task failed"""

    def __init__(self, task: Task) -> None:
        """`task` has failed, or was cancelled."""
        error = task.error or {}
        super().__init__(f"{error.get('type')}: {error.get('message')}", data={"id": task.id})
        self.args = (task,)
        self.task = task
        """As it stood at its end; its `error` says more."""

    def __str__(self) -> str:
        if self.task.status is Status.CANCELLED:
            return f"task {self.task.id} was cancelled"
        return f"task {self.task.id} failed: {self.detail}"


BY_CODE: dict[int, type[QueueError]] = {
    kind.code: kind
    for kind in (
        TaskNotFound,
        LeaseLost,
        Conflict,
        InvalidState,
        TooLarge,
        Unavailable,
        Forbidden,
        InvalidParams,
        MethodNotFound,
        InvalidRequest,
        ParseError,
        InternalError,
    )
}
"""The class for a JSON-RPC error code, for clients."""
