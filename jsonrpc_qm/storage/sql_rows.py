"""storage/sql.py for databases that take any number of rows as a query inside of a statement."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from msgspec.structs import astuple

from jsonrpc_qm.record import FIELDS, Record
from jsonrpc_qm.storage import statements
from jsonrpc_qm.storage.sql import SqlStorage


class SqlRowsStorage(SqlStorage):
    """A storage on a database with INSERT ... ON CONFLICT, UPDATE ... FROM and RETURNING."""

    @abstractmethod
    def run_rows(
        self,
        statement: Callable[[str], str],
        columns: Sequence[str],
        rows: Sequence[Sequence[Any]],
        params: Sequence[Any] = (),
    ) -> Iterator[Any]:
        """Execute a statement for all rows, as few times as the database allows; its cursors.

        `statement` gets what stands for the rows in SQL: a query with the columns `column1`,
        `column2`, ... in their order.
        """

    def _insert(self, records: Sequence[Record]) -> int:
        width = statements.INSERT_WIDTH
        rows = [astuple(record)[:width] for record in records]
        return _changed(self.run_rows(statements.insert, statements.INSERTED, rows))

    def _insert_whole(self, rows: Sequence[tuple[Any, ...]]) -> int:
        return _changed(self.run_rows(statements.load, FIELDS, rows))

    def _completed(
        self, rows: Sequence[tuple[str, int, str | None]], now: int
    ) -> Iterator[tuple[str, str, int]]:
        for cursor in self.run_rows(statements.completed, statements.COMPLETED, rows, (now, now)):
            yield from cursor.fetchall()

    def _write(self, rows: Sequence[tuple[Any, ...]]) -> int:
        return _changed(self.run_rows(statements.save, statements.SAVED, rows))


def _changed(cursors: Iterator[Any]) -> int:
    """How many rows the statements have changed."""
    return sum(cursor.rowcount for cursor in cursors)
