"""Version 4: tasks on MySQL and MariaDB have room to grow, and no virtual columns."""

from peewee import Database, MySQLDatabase

from jsonrpc_qm.storage.migrations.migration import Migration


def apply(database: Database) -> None:
    """One statement, which is done or is not. It writes all tasks anew."""
    if any(column.name == "padding" for column in database.get_columns("task")):
        return
    database.execute_sql(
        f"""
        ALTER TABLE task
            DROP KEY task_unique, DROP KEY task_ready, DROP KEY task_finished,
            DROP COLUMN urgency, DROP COLUMN held_key, DROP COLUMN ready_name,
            DROP COLUMN ended_status,
            ADD COLUMN padding varbinary(80) DEFAULT '{"-" * 80}',
            ADD COLUMN urgency int AS (-priority) STORED,
            ADD COLUMN held_key varchar(200) AS (
                CASE WHEN status IN ('queued', 'scheduled', 'started')
                THEN unique_key END) STORED,
            ADD COLUMN ready_name varchar(200) AS (
                CASE WHEN status = 'queued' THEN name END) STORED,
            ADD COLUMN ended_status varchar(16) AS (
                CASE WHEN status IN ('completed', 'failed', 'cancelled') THEN status END) STORED,
            ADD UNIQUE KEY task_unique (name, held_key),
            ADD KEY task_ready (ready_name, urgency, run_at),
            ADD KEY task_finished (ended_status, finished_at)"""
    )


MIGRATION = Migration(
    4,
    "On MySQL and MariaDB, tasks have room to grow, and no virtual columns.",
    apply,
    at_start=False,
    databases=(MySQLDatabase,),
)
