"""The words in which it is explained why a task isn't running."""

from jsonrpc_qm.rpc.explaining import explained
from jsonrpc_qm.storage.base import NameStats, WorkerRow
from tests.records import NOW, a_record

NAME = a_record().name


def a_worker(worker: str, running: int) -> WorkerRow:
    """One that asks for the task."""
    return WorkerRow(worker=worker, names=(NAME,), last_seen=NOW, running=running, drain=False)


def behind(due: int, *workers: WorkerRow) -> str:
    """Why a task waits of whose name so many are due."""
    stats = NameStats(queued=due)
    [reason] = explained(a_record(), NOW, stats, workers, waiting=True).reasons
    assert reason.code == "behind"
    return reason.message


def test_one_is_no_plural() -> None:
    """Neither of tasks nor of workers."""
    assert behind(1, a_worker("a", 1)) == "1 of this name is due, 1 worker holds 1 task"
    two = (a_worker("a", 0), a_worker("b", 2))
    assert behind(3, *two) == "3 of this name are due, 2 workers hold 2 tasks"


def test_a_claim_of_nobody_is_no_worker() -> None:
    """It waits, and nothing else is known of it."""
    assert behind(2) == "2 of this name are due"
