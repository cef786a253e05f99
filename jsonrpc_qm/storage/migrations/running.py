"""Migrations apart from the start of a manager."""

from collections.abc import Sequence
from contextlib import closing

from jsonrpc_qm.errors import InvalidParams, Unavailable
from jsonrpc_qm.storage.base import Storage
from jsonrpc_qm.storage.migrations import MIGRATIONS, Migration
from jsonrpc_qm.storage.sql import SqlStorage
from jsonrpc_qm.storage.upgrade import Upgrade
from jsonrpc_qm.storage.urls import open_storage


def migrate(url: str, *, dry_run: bool = False) -> tuple[int, Sequence[Migration]]:
    """Make all changes that the database at `url` lacks; with `dry_run` only name them.

    The version that the schema has then, and the changes.

    Raises:
        InvalidParams: it is no storage with a schema.
        Unavailable: it can't be used, or its schema is of a newer version than this program knows.
    """
    upgrade = Upgrade.NONE if dry_run else Upgrade.ALL
    with closing(open_storage(url, upgrade=upgrade)) as storage:
        if not isinstance(storage, SqlStorage):
            raise InvalidParams.of("storage", f"{storage.url} has no schema")
        return MIGRATIONS[-1].version, storage.upgraded


def open_as_it_is(url: str) -> Storage:
    """Open a storage without a change to its schema.

    Raises:
        InvalidParams: no such kind of storage, or the URL lacks something.
        Unavailable: it can't be used, there is nothing in it, or its schema is of another version.
    """
    storage = open_storage(url, upgrade=Upgrade.NONE)
    if isinstance(storage, SqlStorage) and storage.upgraded:
        storage.close()
        if storage.upgraded[0].version == 1:
            raise Unavailable.of(f"there are no tables in {storage.url}")
        raise Unavailable.of(f"the schema of {storage.url} is old: run `jsonrpc-qm migrate` on it")
    return storage
