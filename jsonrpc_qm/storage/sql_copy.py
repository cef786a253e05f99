"""storage/base.py's `dump` and `load` in SQL: whole records out of one database, into another."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from msgspec.structs import astuple

from jsonrpc_qm.errors import Conflict, QueueError
from jsonrpc_qm.record import Record
from jsonrpc_qm.storage import statements
from jsonrpc_qm.storage.base import Page


class SqlCopy(ABC):
    """The part of SqlStorage that copies are made with."""

    run: Callable[..., Any]
    run_soon: Callable[..., None]
    locking: str
    translated: Callable[[], AbstractContextManager[None]]
    _read: Callable[..., list[Record]]
    _count_added: Callable[[Iterable[Record]], None]

    def dump(self, cursor: str | None, limit: int) -> Page:
        after = 0 if cursor is None else int(cursor)
        with self.translated():
            rows = self.run(statements.DUMP, (after, limit)).fetchall()
        records = [Record(*row[1:]) for row in rows]
        return Page(records=records, next_cursor=str(rows[-1][0]) if len(rows) == limit else None)

    def load(self, records: Sequence[Record]) -> list[bool | QueueError]:
        if self._load_all(records):
            return [True] * len(records)
        return [self._load_one(record) for record in records]

    def _load_all(self, records: Sequence[Record]) -> bool:
        """Store all, or none if one meets an id or a unique key."""
        self.run_soon("SAVEPOINT loading")
        if self._insert_whole([astuple(record) for record in records]) == len(records):
            self.run_soon("RELEASE SAVEPOINT loading")
            self._count_added(records)
            return True
        self.run_soon("ROLLBACK TO loading")
        self.run_soon("RELEASE SAVEPOINT loading")
        return False

    @abstractmethod
    def _insert_whole(self, rows: Sequence[tuple[Any, ...]]) -> int:
        """Insert rows with all columns, but for those that meet an id or a unique key; how many."""

    def _load_one(self, record: Record) -> bool | QueueError:
        known = next(iter(self._read([record.id], self.locking)), None)
        if known == record:
            return False
        if known is None and self._load_all([record]):
            return True
        return Conflict.of(record.id)
