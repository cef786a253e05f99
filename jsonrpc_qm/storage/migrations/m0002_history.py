"""Version 2: tasks keep what happened to them."""

from peewee import Database, MySQLDatabase

from jsonrpc_qm.storage.migrations.migration import Migration


def apply(database: Database) -> None:
    """A column that is empty for tasks that were tried once at most, and for all older ones."""
    if not isinstance(database, MySQLDatabase):
        database.execute_sql('ALTER TABLE task ADD COLUMN "history" TEXT')
    elif all(column.name != "history" for column in database.get_columns("task")):
        database.execute_sql("ALTER TABLE task ADD COLUMN history LONGTEXT")


MIGRATION = Migration(2, "Tasks keep what happened to them.", apply)
