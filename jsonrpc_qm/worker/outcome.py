"""How an attempt ended, in the words of `report`; and the exceptions by which a handler decides."""

import threading
import traceback
from math import isfinite
from types import TracebackType
from typing import Any, NamedTuple

from jsonrpc_qm.errors import InvalidParams
from jsonrpc_qm.jsontext import from_python
from jsonrpc_qm.task import Task

MAX_RESULT = 15 * 1024 * 1024
"""Bytes of JSON: a larger result would not fit into a request of 16 MiB, the manager's default."""
MAX_MESSAGE = 4000
MAX_TRACEBACK = 16_000
"""Characters of an error's message and traceback; of longer ones the middle is left out."""
MAX_TYPE = 200

_formatting = threading.Lock()


class Retry(Exception):
    """Raised by a handler: this attempt failed, try again after `delay` seconds."""

    def __init__(self, message: str = "", *, delay: float | None = None) -> None:
        """`delay` in seconds, 0 to 10 years; None for the task's backoff.

        It counts as a failed attempt: after max_attempts of them the task stays failed.
        """
        super().__init__(message)
        if delay is not None and not (isfinite(delay) and delay >= 0):
            raise ValueError(f"delay is 0 or more seconds, not {delay!r}")
        self.delay = delay


class Fail(Exception):
    """Raised by a handler: the task failed for good, another attempt would not help."""

    def __init__(self, message: str = "", *, type: str | None = None, data: Any = None) -> None:
        """`type` and `data` (any JSON value) are those of the task's error.

        The type is the name of the exception's class by default.
        """
        super().__init__(message)
        self.type = type
        self.data = data


class Outcome(NamedTuple):
    """One outcome of `report`."""

    wire: dict[str, Any]
    """As protocol.md describes it under `report`."""
    size: int = 0
    """About how many bytes of JSON it is, beyond a few hundred."""
    last_word: bool = False
    """Whether it stands for one that the manager refused."""


def completed(task: Task, result: Any) -> Outcome:
    """Done; or failed, if the result can't be sent."""
    wire = {"id": task.id, "token": task.token, "status": "completed"}
    if result is None:
        return Outcome(wire)
    try:
        text = from_python(result, "result")
    except InvalidParams as error:
        reason = f"the result is no JSON value: {error.data['reason']}"
        return failed(task, "ResultNotSerializable", reason, retry=False)
    size = len(text or "")
    if size > MAX_RESULT:
        reason = f"the result has {size} characters of JSON, at most {MAX_RESULT} can be sent"
        return failed(task, "TooLarge", reason, retry=False)
    wire["result"] = result
    return Outcome(wire, size)


def raised(task: Task, error: BaseException) -> Outcome:
    """Failed by an exception of the handler."""
    told = {"type": _type_of(error), "message": _message_of(error)}
    trace = _traceback_of(error)
    if trace:
        told["traceback"] = trace
    wire: dict[str, Any] = {"id": task.id, "token": task.token, "status": "failed", "error": told}
    if isinstance(error, Retry) and error.delay is not None:
        wire["delay"] = error.delay
    if not isinstance(error, Fail):
        return Outcome(wire, len(trace))
    wire["retry"] = False
    return Outcome(wire, len(trace) + _add_data(told, error.data))


def failed(task: Task, type: str, message: str, *, retry: bool = True) -> Outcome:
    """Failed for a reason that is not the handler's exception."""
    error = {"type": type, "message": _shortened(message, MAX_MESSAGE)}
    wire: dict[str, Any] = {"id": task.id, "token": task.token, "status": "failed", "error": error}
    if not retry:
        wire["retry"] = False
    return Outcome(wire)


def refused(task: Task, error: Exception) -> Outcome:
    """Failed for good, since the manager would not have its outcome."""
    wire, size, _ = failed(task, type(error).__name__, f"its outcome: {error}", retry=False)
    return Outcome(wire, size, last_word=True)


def released(task: Task) -> Outcome:
    """Given back untouched."""
    return Outcome({"id": task.id, "token": task.token, "status": "queued"})


def _add_data(told: dict[str, Any], data: Any) -> int:
    if data is None:
        return 0
    try:
        text = from_python(data, "data")
    except InvalidParams as error:
        told["message"] += f" (its data is no JSON value: {error.data['reason']})"
        return 0
    told["data"] = data
    return len(text or "")


def _type_of(error: BaseException) -> str:
    name = error.type if isinstance(error, Fail) and error.type else type(error).__name__
    return _encodable(name)[:MAX_TYPE]


def _message_of(error: BaseException) -> str:
    try:
        message = str(error)
    except Exception as broken:
        message = f"(its message can't be had: {type(broken).__name__})"
    if not message and isinstance(error, Retry | Fail) and error.__cause__ is not None:
        message = f"{type(error.__cause__).__name__}: {_message_of(error.__cause__)}"
    return _shortened(message, MAX_MESSAGE)


def _traceback_of(error: BaseException) -> str:
    """The traceback from the handler's first line on; empty when none of its lines ran."""
    frames = _handlers_frames(error.__traceback__)
    if frames is None:
        return ""
    try:
        # Python 3.11 parses source lines here, and may break when two threads do so at once.
        with _formatting:
            text = "".join(traceback.format_exception(type(error), error, frames))
    except Exception as broken:
        # A message that raises, or source code that can't be read.
        return f"(its traceback can't be had: {type(broken).__name__})"
    return _shortened(text, MAX_TRACEBACK)


def _handlers_frames(frames: TracebackType | None) -> TracebackType | None:
    while frames is not None:
        if not frames.tb_frame.f_globals.get("__name__", "").startswith("jsonrpc_qm.worker."):
            return frames
        frames = frames.tb_next
    return None


def _shortened(text: str, limit: int) -> str:
    text = _encodable(text)
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n... {len(text) - 2 * half} characters left out ...\n{text[-half:]}"


def _encodable(text: str) -> str:
    """The text with what UTF-8 can't hold (lone surrogates) spelled out."""
    return text.encode("utf-8", "backslashreplace").decode()
