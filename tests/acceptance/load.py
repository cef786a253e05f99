"""Producers and workers that a manager's crashes don't stop, and a record of what was answered.

They do as clients should: a call whose answer is lost is sent again until it is answered.
"""

import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from threading import Condition, Event, Thread
from typing import Any
from zlib import crc32

from jsonrpc_qm import open_storage
from jsonrpc_qm.record import Record
from tests.acceptance.rpc import NoAnswer, Refused, Rpc
from tests.storage.verbs import stored_in

LEASE_LOST = -32002
UNAVAILABLE = -32006

LEASE = 1.0
"""Seconds after which a task comes back whose claim's answer was lost."""

MOST_CALLS = 3000
"""How many calls a producer makes at most."""


def fate(id: str) -> str:
    """What workers do with a task, always the same: fail, retry, follow or complete."""
    return ("fail", "retry", "follow", "complete")[crc32(id.encode()) % 4]


def stored(url: str) -> list[Record]:
    """All tasks of a storage."""
    with closing(open_storage(url)) as storage:
        return stored_in(storage, 1000)


def unfinished(rpc: Rpc) -> int:
    """How many tasks have not ended."""
    rows = rpc("stats")["names"].values()
    return sum(row["queued"] + row["scheduled"] + row["started"] for row in rows)


class Ledger:
    """What the manager has answered."""

    def __init__(self) -> None:
        self.queued: set[str] = set()
        self.claims: Counter[tuple[str, int]] = Counter()
        """How many workers got a claim, by id and token."""
        self.completed: defaultdict[str, set[int]] = defaultdict(set)
        """The tokens whose outcome was taken."""
        self.failed: defaultdict[str, set[int]] = defaultdict(set)
        self.doubtful: defaultdict[str, set[int]] = defaultdict(set)
        """Failures whose first answer was lost, and that were refused when sent again: another
        claim may have followed the failure meanwhile."""
        self._answers = 0
        self._changed = Condition()

    def answered(self) -> None:
        """A call was answered."""
        with self._changed:
            self._answers += 1
            self._changed.notify_all()

    def wait_for(self, answers: int) -> None:
        """Wait until so many more calls were answered."""
        with self._changed:
            wanted = self._answers + answers
            assert self._changed.wait_for(lambda: self._answers >= wanted, timeout=30)

    def check(self, records: Sequence[Record], stats: dict[str, dict[str, Any]]) -> None:
        """Tasks as they are stored when all have ended, and `stats`, agree with what was answered.

        There may be tasks of other names too.
        """
        tasks = {record.id: record for record in records if record.name == "mail"}
        # Stored once each (the ids are unique), and nothing that nobody queued.
        assert set(tasks) == self.queued
        # No claim was answered twice: a token belongs to one worker.
        assert set(self.claims.values()) == {1}
        for task in tasks.values():
            self._check_task(task)
        # What was to be stored with a result is there once, and nothing of the others.
        followers = Counter(json.loads(r.parameters) for r in records if r.name == "next")
        assert followers == Counter(id for id in tasks if fate(id) == "follow")
        assert Counter((record.name, record.status) for record in records) == {
            (name, status): tasks
            for name, row in stats.items()
            for status, tasks in row.items()
            if status in ("completed", "failed") and tasks
        }

    def _check_task(self, task: Record) -> None:
        assert task.status == ("failed" if fate(task.id) == "fail" else "completed")
        done = task.status == "completed"
        if done:
            assert json.loads(task.result or "") == {"token": task.token}
            assert self.completed[task.id] == {task.token}
        failed = len(self.failed[task.id])
        said = f"{task}; {self.failed[task.id]} failed, {self.doubtful[task.id]} maybe"
        assert failed <= task.failures <= failed + len(self.doubtful[task.id]), said
        assert task.failures + done <= task.attempts <= task.failures + task.lost + 1


class Load:
    """Two producers and three workers on managers of one storage; each call goes to any of them."""

    def __init__(self, *urls: str) -> None:
        self.ledger = Ledger()
        self._managers = [Rpc(url, timeout=10) for url in urls]
        self._produced_enough = Event()
        self._worked_enough = Event()
        self._given_up = Event()
        self.producers = [Thread(target=self._produce, args=(f"p{n}",)) for n in range(2)]
        self.workers = [
            Thread(target=self._work_one_by_one, args=("w0",)),
            Thread(target=self._work_one_by_one, args=("w1",)),
            Thread(target=self._work_by_reports, args=("w2",)),
        ]

    def stop_producing(self) -> None:
        """End the producers, after the answers that they wait for."""
        self._produced_enough.set()
        for producer in self.producers:
            producer.join()

    def stop(self) -> None:
        """End everything."""
        self.stop_producing()
        self._worked_enough.set()
        for worker in self.workers:
            worker.join()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Produce and work in this block."""
        with ExitStack() as ended:
            for manager in self._managers:
                ended.enter_context(manager)
            for thread in (*self.producers, *self.workers):
                thread.start()
            try:
                yield
            except BaseException:
                # What is to be answered never will be, maybe.
                self._given_up.set()
                raise
            finally:
                self.stop()

    # -- calls ---------------------------------------------------------------------------------

    def _rpc(self, method: str, **params: Any) -> Any:
        return random.choice(self._managers)(method, **params)

    def _insist(self, method: str, **params: Any) -> tuple[Any, bool]:
        """Send a call until it is answered; whether an answer may have been lost."""
        lost = False
        while not self._given_up.is_set():
            try:
                answer = self._rpc(method, **params)
            except NoAnswer:
                lost = True
                time.sleep(0.02)
            except Refused as refusal:
                if refusal.code != UNAVAILABLE:
                    self.ledger.answered()
                    return refusal, lost
                lost = lost or refusal.data.get("answer_lost", False)
                time.sleep(0.02)
            else:
                self.ledger.answered()
                return answer, lost
        raise SystemExit  # which ends a thread without a word

    def _produce(self, producer: str) -> None:
        for number in range(MOST_CALLS):
            if self._produced_enough.is_set():
                return
            tasks = [
                {
                    "name": "mail",
                    "id": f"{producer}-{number}-{n}",
                    "parameters": n,
                    "max_lost": 1000,
                    "backoff": {"base": 0.01, "factor": 1},
                }
                for n in range(1 if number % 3 else 5)
            ]
            if len(tasks) == 1:
                self._insist("queue", **tasks[0])
            else:
                self._insist("queue_many", tasks=tasks)
            self.ledger.queued.update(str(task["id"]) for task in tasks)

    # -- work ----------------------------------------------------------------------------------

    def _claimed(self, tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for task in tasks:
            self.ledger.claims[task["id"], task["token"]] += 1
        return tasks

    def _claim(self, worker: str) -> list[dict[str, Any]]:
        try:
            tasks = self._rpc(
                "claim", names=NAMES, worker=worker, max_tasks=5, wait=0.2, lease=LEASE
            )
        except (NoAnswer, Refused):
            time.sleep(0.02)
            return []
        self.ledger.answered()
        return self._claimed(tasks)

    def _work_one_by_one(self, worker: str) -> None:
        while not self._worked_enough.is_set():
            for task in self._claim(worker):
                outcome = outcome_of(task)
                method = METHODS[outcome.pop("status")]
                answer, lost = self._insist(method, **outcome)
                self._ended(method, task, refused=isinstance(answer, Refused), lost=lost)

    def _work_by_reports(self, worker: str) -> None:
        tasks = self._claim(worker)
        while tasks or not self._worked_enough.is_set():
            outcomes = [outcome_of(task) for task in tasks]
            wanted = {} if self._worked_enough.is_set() else {"names": NAMES, "max_tasks": 20}
            answer, lost = self._insist(
                "report", outcomes=outcomes, worker=worker, lease=LEASE, **wanted
            )
            for task, outcome, ended in zip(tasks, outcomes, answer["outcomes"], strict=True):
                self._ended(METHODS[outcome["status"]], task, refused=not ended["ok"], lost=lost)
            tasks = self._claimed(answer["tasks"]) or self._claim(worker)

    def _ended(self, method: str, task: dict[str, Any], *, refused: bool, lost: bool) -> None:
        taken = {"complete": self.ledger.completed, "fail": self.ledger.failed}
        if not refused and method in taken:
            taken[method][task["id"]].add(task["token"])
        elif method == "fail" and lost:
            self.ledger.doubtful[task["id"]].add(task["token"])


NAMES = ["mail", "next"]
METHODS = {"completed": "complete", "failed": "fail", "queued": "release"}


def outcome_of(task: dict[str, Any]) -> dict[str, Any]:
    """What a worker has to say about a task, as a member of `report`."""
    id, token = task["id"], task["token"]
    outcome = {"id": id, "token": token, "status": "completed", "result": {"token": token}}
    if task["name"] == "next":
        return outcome
    # A second attempt always succeeds, but for what is to stay failed.
    if fate(id) == "fail":
        error = {"type": "Broken", "message": "as it should be"}
        return {"id": id, "token": token, "status": "failed", "error": error, "retry": False}
    if fate(id) == "retry" and task["attempts"] == 1:
        error = {"type": "Busy", "message": "try again"}
        return {"id": id, "token": token, "status": "failed", "error": error}
    if fate(id) == "follow":
        outcome["queue"] = [{"name": "next", "parameters": id, "max_lost": 1000}]
    return outcome
