"""Version 1: where all begin."""

from peewee import Database

from jsonrpc_qm.storage.migrations.migration import Migration


def apply(database: Database) -> None:
    """There is no version before this one to come from."""


MIGRATION = Migration(1, "Tables for tasks, counts, paused names and workers.", apply)
