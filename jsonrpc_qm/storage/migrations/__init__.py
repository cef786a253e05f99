"""How a database of an older version becomes one of this version.

`storage/schema.py` has the tables as they are; a new database is made from there, at the newest
version. A change of them also is a file here, numbered, which brings an older database to the same
tables with all that is in it. It stays as it is once it was released.
"""

from jsonrpc_qm.storage.migrations import (
    m0001_first_tables,
    m0002_history,
    m0003_lists,
    m0004_room,
)
from jsonrpc_qm.storage.migrations.migration import Migration

MIGRATIONS: tuple[Migration, ...] = (
    m0001_first_tables.MIGRATION,
    m0002_history.MIGRATION,
    m0003_lists.MIGRATION,
    m0004_room.MIGRATION,
)
"""In the order of their versions, from 1 on without gaps."""

__all__ = ["MIGRATIONS", "Migration"]
