"""`explain`: why a task isn't running."""

from collections.abc import Sequence

from jsonrpc_qm.answers import Explanation, Reason
from jsonrpc_qm.history import why
from jsonrpc_qm.moments import datetime_of, rfc3339
from jsonrpc_qm.record import SCHEDULED, UNFINISHED, Record, public_status
from jsonrpc_qm.storage.base import WORKER_GONE, NameStats, WorkerRow


def explained(
    record: Record, now: int, stats: NameStats, workers: Sequence[WorkerRow], *, waiting: bool
) -> Explanation:
    """Why a task is where it is.

    `stats` of its name; `workers`: those that live; `waiting`: whether a claim for its name waits
    right now, which may be of somebody without a worker's name.
    """
    if record.status == "started":
        reasons = _running(record)
    elif record.status in UNFINISHED:
        reasons = _held_up(record, now, stats, workers, waiting=waiting)
    else:
        reasons = [_finished(record)]
    return Explanation(id=record.id, status=public_status(record.status), reasons=reasons)


def _running(record: Record) -> list[Reason]:
    worker = "a worker that gave no name" if record.worker is None else record.worker
    assert record.lease_expires_at is not None
    until = datetime_of(record.lease_expires_at)
    message = f"{worker} runs it; its lease ends unless the worker extends it"
    running = Reason(code="running", message=message, until=until)
    if not record.cancel_requested:
        return [running]
    asked = Reason(code="cancel_requested", message=f"{worker} is asked to stop")
    return [asked, running]


def _finished(record: Record) -> Reason:
    message = f"it is {record.status}"
    if record.status == "failed" and record.error is not None:
        message = f"it failed: {why(record.error)}"
    return Reason(code="finished", message=message)


def _held_up(
    record: Record, now: int, stats: NameStats, workers: Sequence[WorkerRow], *, waiting: bool
) -> list[Reason]:
    reasons = []
    if stats.paused:
        reasons.append(Reason(code="paused", message=f"{record.name} is paused"))
    if record.status == SCHEDULED and record.run_at > now:
        reasons.append(_scheduled(record))
    asking = [worker for worker in workers if record.name in worker.names]
    if not asking and not waiting:
        message = f"no worker has asked for {record.name} in the last {WORKER_GONE // 1_000_000} s"
        reasons.append(Reason(code="no_worker", message=message))
    elif asking and not waiting and all(worker.drain for worker in asking):
        message = f"all workers that ask for {record.name} are asked to stop"
        reasons.append(Reason(code="draining", message=message))
    if not reasons:
        reasons.append(_behind(stats.queued, asking))
    return reasons


def _behind(due: int, asking: Sequence[WorkerRow]) -> Reason:
    message = f"{due} of this name {'is' if due == 1 else 'are'} due"
    if asking:
        held = sum(worker.running for worker in asking)
        who = "1 worker holds" if len(asking) == 1 else f"{len(asking)} workers hold"
        message += f", {who} {held} task{'' if held == 1 else 's'}"
    return Reason(code="behind", message=message)


def _scheduled(record: Record) -> Reason:
    message = f"it is not to run before {rfc3339(record.run_at)}"
    if record.failures and record.error is not None:
        message += f"; failure {record.failures} of {record.max_attempts} was {why(record.error)}"
    return Reason(code="scheduled", message=message, until=datetime_of(record.run_at))
