"""What managers tell each other of drained workers, and what a manager makes of what it hears."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

import msgspec
import pytest

from jsonrpc_qm.operations import Operation, Step
from jsonrpc_qm.server.entry import Entry
from jsonrpc_qm.server.outcome import MOST_DRAINED, Outcome
from jsonrpc_qm.server.workers import Sightings
from jsonrpc_qm.storage.base import News
from jsonrpc_qm.storage.telling import Message, Telling


class Heard:
    """Sightings whose store answers when the test says so."""

    def __init__(self) -> None:
        self.asked: list[Entry] = []
        self.drained: list[str] = []
        self.sightings = Sightings(self._store, self.drained.append)

    def _store(self, worker: str, names: Sequence[str]) -> Entry:
        operation = Operation[Any]((), lambda: None)
        self.asked.append(Entry(operation, asyncio.get_running_loop().create_future()))
        return self.asked[-1]

    async def answers(self, drains: bool) -> None:
        """What the storage says of the sighting stored last."""
        self.asked[-1].future.set_result([[drains]])
        await asyncio.sleep(0)


async def test_an_answer_from_before_a_drain_does_not_undo_it() -> None:
    """The news was faster; an answer from after it counts."""
    heard = Heard()
    heard.sightings.saw("w", ["mail"])
    heard.sightings.drained("w")
    await heard.answers(drains=False)
    assert heard.sightings.is_draining("w")
    heard.sightings.saw("w")
    await heard.answers(drains=False)
    assert not heard.sightings.is_draining("w")


async def test_whatever_says_that_a_worker_drains_is_passed_on() -> None:
    """Also of a worker that only other managers know, which is not remembered."""
    heard = Heard()
    heard.sightings.drained("elsewhere")
    heard.sightings.saw("w", ["mail"])
    await heard.answers(drains=True)
    assert heard.drained == ["elsewhere", "w"]
    assert heard.sightings.is_draining("w")
    assert not heard.sightings.is_draining("elsewhere")
    assert not heard.sightings.is_draining(None)


async def test_each_heartbeat_is_stored_and_claims_now_and_then() -> None:
    """Only storing tells for sure."""
    heard = Heard()
    for _ in range(3):
        heard.sightings.saw("w", ["mail"])
    assert len(heard.asked) == 1
    for _ in range(3):
        heard.sightings.saw("w")
    assert len(heard.asked) == 4


@pytest.mark.parametrize(
    ("workers", "news"),
    [
        (1, News(drained=["w0"])),
        (MOST_DRAINED + 1, News(more=True)),
        (0, None),
    ],
)
def test_others_are_told_who_was_drained(workers: int, news: News | None) -> None:
    """Of very many they are told to look; those that nobody knows are none."""
    outcome = Outcome(shared=True)
    names = [f"w{number}" for number in range(workers)]
    outcome.see(Step("drain", [*names, "unknown"]), [*[True] * workers, False])
    assert outcome.news() == news


class Written(Telling):
    """Tells it to a queue."""

    longest = 7900
    lost = OSError

    def __init__(self) -> None:
        super().__init__(self._nothing)
        self.sent: SimpleQueue[str] = SimpleQueue()

    @contextmanager
    def _nothing(self) -> Iterator[None]:
        yield

    def _send(self, connection: Any, message: str) -> None:
        self.sent.put(message)

    def _listen(self, connection: Any, heard: Any) -> None:
        self._closed.wait()


def test_drains_are_told_together() -> None:
    """With what else there is; a manager that does not know of them reads the rest."""
    telling = Written()
    telling._waiting.put(News(drained=["v"]))
    telling._waiting.put(News(due={"mail": 1}))
    merged = telling._merged(News(drained=["w"], finished=["a"]))
    assert (merged.drained, merged.due, merged.finished) == (["w", "v"], {"mail": 1}, ["a"])

    class Before(msgspec.Struct, frozen=True, kw_only=True):
        sender: str
        due: dict[str, int] = {}
        finished: list[str] = []
        more: bool = False

    old = msgspec.json.decode(msgspec.json.encode(merged), type=Before)
    assert (old.due, old.finished) == ({"mail": 1}, ["a"])
    assert msgspec.json.decode(msgspec.json.encode(old), type=Message).drained == []
    assert telling._merged(News(drained=["w" * 200] * 50)).more
