"""One step from a version of the schema to the next."""

from collections.abc import Callable
from dataclasses import dataclass

from peewee import Database


@dataclass(frozen=True)
class Migration:
    """What brings a database from the version before to `version`."""

    version: int
    sentence: str
    """What changes, for the operator who runs it."""
    apply: Callable[[Database], None]
    """Makes the change, in the transaction that is open and under the lock of the schema.

    Where the database commits such statements by themselves it may be cut short, and is run again:
    it must take what it finds half done.
    """
    at_start: bool = True
    """Whether a manager that starts may do it: it takes a moment at any size, and managers of the
    version before go on working on what it leaves. Others wait for `jsonrpc-qm migrate`."""
    databases: tuple[type[Database], ...] = (Database,)
    """The kinds that it changes. The others get its number when a manager starts."""

    def changes(self, database: Database) -> bool:
        """Whether it is about this kind of database."""
        return isinstance(database, self.databases)
