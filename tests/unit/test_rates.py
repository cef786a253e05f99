"""How many tasks came and went, step by step."""

from jsonrpc_qm.answers import NameRates
from jsonrpc_qm.server.rates import STEP, STEPS, RateBook
from jsonrpc_qm.storage.moves import GONE, NEW, Moves


class Book(RateBook):
    """One whose time is given."""

    def __init__(self) -> None:
        self.at = 1000.0
        super().__init__(lambda name: name, lambda: self.at)

    def count(self, name: str, before: str, after: str, tasks: int = 1) -> None:
        moves = Moves()
        moves.tasks[name, before, after] += tasks
        self.moved(moves)


def test_a_step_is_told_when_it_has_ended() -> None:
    """What is under way would look like a fall."""
    book = Book()
    book.count("mail", NEW, "queued", 5)
    assert book.rates().names == {}
    book.at += STEP
    assert book.rates().names == {"mail": NameRates(queued=[5], finished=[0])}
    book.count("mail", "started", "completed", 2)
    book.count("mail", "queued", "cancelled")
    book.at += 2 * STEP
    assert book.rates().names == {"mail": NameRates(queued=[5, 0, 0], finished=[0, 3, 0])}


def test_what_goes_on_or_is_deleted_is_neither_queued_nor_finished() -> None:
    """Claims, failures that are tried again, deletions."""
    book = Book()
    for before, after in (("queued", "started"), ("started", "queued"), ("completed", GONE)):
        book.count("mail", before, after)
    book.at += STEP
    assert book.rates().names == {}


def test_an_hour_is_remembered() -> None:
    """However long nothing happened."""
    book = Book()
    book.count("mail", NEW, "queued")
    book.at += STEPS * STEP
    assert book.rates().names["mail"].queued == [1] + [0] * (STEPS - 1)
    book.at += STEP
    assert book.rates().names == {}
    book.at += 1e9
    book.count("mail", NEW, "queued")
    book.at += STEP
    assert sum(book.rates().names["mail"].queued) == 1


def test_one_name_can_be_asked_for() -> None:
    """The others are left out."""
    book = Book()
    book.count("mail", NEW, "queued")
    book.count("post", NEW, "scheduled")
    book.at += STEP
    assert set(book.rates().names) == {"mail", "post"}
    assert set(book.rates("post").names) == {"post"}
    assert book.rates("none").names == {}


def test_all_names_have_steps_of_the_same_time() -> None:
    """Until when the last one ended."""
    book = Book()
    book.at += STEP
    book.count("mail", NEW, "queued")
    book.at += STEP + 3
    rates = book.rates()
    assert rates.names["mail"].queued == [0, 1]
    assert rates.interval == STEP
