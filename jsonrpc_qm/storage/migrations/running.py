"""Migrations apart from the start of a manager."""

from collections.abc import Sequence
from contextlib import closing

from jsonrpc_qm.errors import InvalidParams
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
