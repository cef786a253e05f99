"""Version 3: lists of PostgreSQL's are in the order of an index."""

from peewee import Database, PostgresqlDatabase

from jsonrpc_qm.storage.migrations.migration import Migration


def apply(database: Database) -> None:
    """Its indexes do not have the row's number by themselves, as those of the others do: without,
    all tasks of a name and status are sorted for one page."""
    database.execute_sql("DROP INDEX task_listing")
    database.execute_sql("CREATE INDEX task_listing ON task (name, status, seq)")


MIGRATION = Migration(
    3,
    "On PostgreSQL, lists are read in the order of an index.",
    apply,
    at_start=False,
    databases=(PostgresqlDatabase,),
)
