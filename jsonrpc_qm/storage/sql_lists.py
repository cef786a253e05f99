"""storage/base.py's `page` in SQL: lists by an index, and searches along them, some rows a time."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from jsonrpc_qm.moments import SECOND
from jsonrpc_qm.record import Record, public_status
from jsonrpc_qm.storage import reads, statements
from jsonrpc_qm.storage.base import MOST_SEARCHED, SEARCHED_AT_ONCE, Listing, Page
from jsonrpc_qm.storage.cursors import position

MARGIN = 60 * SECOND
"""By so much the order in which tasks were stored may differ from that of their created_at: their
transactions overtake each other."""


class SqlLists:
    """The part of SqlStorage that lists tasks."""

    run: Callable[..., Any]
    translated: Callable[[], AbstractContextManager[None]]

    contains = "instr({column}, ?) > 0"
    """That a column has a text in it."""

    def page(self, listing: Listing, limit: int, cursor: str | None) -> Page:
        before = position(cursor)
        with self.translated():
            if listing.is_search:
                seqs, end = self._found(listing, before, limit)
            else:
                seqs = reads.listed(self.run, listing, before, limit + 1)
                end = seqs[limit - 1] if len(seqs) > limit else None
            records = self._rows(seqs[:limit])
        if listing.status is not None:
            # Others may have moved them since.
            records = [each for each in records if public_status(each.status) == listing.status]
        return Page(records=records, next_cursor=None if end is None else str(end))

    def _rows(self, seqs: Sequence[int]) -> list[Record]:
        """The tasks of these rows, but for those that another thread has purged meanwhile."""
        if not seqs:
            return []
        return [Record(*row) for row in self.run(statements.by_seq(len(seqs)), seqs).fetchall()]

    def _found(self, listing: Listing, before: int, limit: int) -> tuple[list[int], int | None]:
        """The rows that match, and the number of the one to go on from, None at the end."""
        first = 0 if listing.since is None else self._stored_from(listing.since - MARGIN)
        if listing.until is not None:
            before = min(before, self._stored_from(listing.until + MARGIN))
        conditions, params = self._conditions(listing)
        found: list[int] = []
        for _ in range(0, MOST_SEARCHED, SEARCHED_AT_ONCE):
            listed = reads.listed(self.run, listing, before, SEARCHED_AT_ONCE)
            seqs = [seq for seq in listed if seq >= first]
            if seqs:
                sql = statements.matching(len(seqs), *conditions)
                found += [seq for (seq,) in self.run(sql, (*seqs, *params)).fetchall()]
            if len(found) > limit:
                return found[:limit], found[limit - 1]
            if len(seqs) < SEARCHED_AT_ONCE:
                return found, None
            before = seqs[-1]
        return found, before

    def _conditions(self, listing: Listing) -> tuple[list[str], list[Any]]:
        """Listing.matches in SQL, and its parameters."""
        conditions: list[str] = []
        params: list[Any] = []
        if listing.text is not None:
            columns = ("id", "coalesce(parameters, 'null')")
            either = " OR ".join(self.contains.format(column=column) for column in columns)
            conditions.append(f"({either})")
            params += [listing.text, listing.text]
        if listing.since is not None:
            conditions.append("created_at >= ?")
            params.append(listing.since)
        if listing.until is not None:
            conditions.append("created_at < ?")
            params.append(listing.until)
        return conditions, params

    def _stored_from(self, moment: int) -> int:
        """The number of the first row stored at a moment or later, by halving; one more than the
        last if there is none."""
        low, high = 0, self.run(statements.LAST_SEQ).fetchone()[0] + 1
        while low < high:
            middle = (low + high) // 2
            row = self.run(statements.STORED_FROM, (middle,)).fetchone()
            if row is None or row[1] >= moment:
                high = middle
            else:
                low = row[0] + 1
        return low
