"""What holds of storage/memory.py only: it tells tests when its rules are broken."""

import pytest

from jsonrpc_qm.storage.base import Storage
from jsonrpc_qm.storage.memory import MemoryStorage
from tests.records import NOW, a_record
from tests.storage.verbs import add, get


def nest(storage: Storage) -> None:
    """Open a transaction in a transaction."""
    with storage.transaction():
        storage.add([[a_record("a")]], NOW)
        with storage.transaction():
            storage.add([[a_record("b")]], NOW)


def test_a_verb_that_writes_needs_a_transaction() -> None:
    """Nothing is written without one, so a forgotten `with` shows in the first test."""
    storage = MemoryStorage()
    with pytest.raises(RuntimeError, match="transaction"):
        storage.add([[a_record("a")]], NOW)
    with pytest.raises(RuntimeError, match="transaction"):
        storage.pause("mail", True)
    assert (get(storage, "a"), storage.stats(NOW)) == (None, {})


def test_transactions_do_not_nest() -> None:
    """The inner one is refused, and the outer one is taken back like after any exception."""
    storage = MemoryStorage()
    with pytest.raises(RuntimeError, match="nest"):
        nest(storage)
    assert storage.get(["a", "b"]) == [None, None]
    assert add(storage, a_record("c")) == [a_record("c")]


def test_two_memories_share_nothing() -> None:
    """Each object is a storage of its own."""
    first, second = MemoryStorage(), MemoryStorage()
    add(first, a_record("a"))
    assert (get(first, "a"), get(second, "a")) == (a_record("a"), None)


def test_a_closed_memory_keeps_its_tasks() -> None:
    """A test can look at what is there after everything has stopped."""
    storage = MemoryStorage()
    add(storage, a_record("a"))
    storage.close()
    assert get(storage, "a") == a_record("a")
