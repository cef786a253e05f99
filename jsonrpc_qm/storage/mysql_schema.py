"""The tables of storage/schema.py in MySQL's and MariaDB's words.

All texts are compared byte by byte, with spaces at the end counting. Texts that are looked for have
a length, as keys need one. There are no partial indexes: `held_key` is the unique key while the
task is unfinished, and `urgency` turns the order of priorities round, as MariaDB 10.6 has no
descending indexes. What is computed is stored: servers are known to crash over indexed columns that
are virtual.

A row that grows may have to move to another page. What claims write is NULL in a new task, and
takes no room there: so it has `padding` of about that length, which the claim takes away.
"""

import logging
from collections.abc import Callable
from typing import Any

import peewee

from jsonrpc_qm.storage.migrations import MIGRATIONS
from jsonrpc_qm.storage.schema import MODELS, VERSION_KEY, TallyRow, TaskRow

logger = logging.getLogger("jsonrpc_qm.storage")

LENGTHS = {
    "id": 64,
    "name": 200,
    "status": 16,
    "unique_key": 200,
    "worker": 200,
    "outcome": 16,
    "key": 64,
    "value": 200,
}
"""Characters of the columns that are not payload."""

PADDING = 80
"""Bytes, about as many as a claim writes with the name of its worker, and a completion with a short
result."""

_TASK_EXTRAS = f"""
    padding varbinary({PADDING}) DEFAULT '{"-" * PADDING}',
    urgency int AS (-priority) STORED,
    held_key varchar(200) AS (
        CASE WHEN status IN ('queued', 'scheduled', 'started') THEN unique_key END) STORED,
    ready_name varchar(200) AS (CASE WHEN status = 'queued' THEN name END) STORED,
    ended_status varchar(16) AS (
        CASE WHEN status IN ('completed', 'failed', 'cancelled') THEN status END) STORED,
    UNIQUE KEY task_id (id),
    UNIQUE KEY task_unique (name, held_key),
    KEY task_ready (ready_name, urgency, run_at),
    KEY task_due (due_at),
    KEY task_finished (ended_status, finished_at),
    KEY task_listing (name, status)"""

NEWS = """
    CREATE TABLE IF NOT EXISTS news (
        number bigint AUTO_INCREMENT,
        told_at bigint NOT NULL,
        sender varchar(36) NOT NULL,
        message varbinary(2000) NOT NULL,
        PRIMARY KEY (number) USING BTREE
    ) ENGINE = MEMORY, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin"""
"""In memory only: news may be lost, and a commit that nobody needs costs the disk's time."""

TALLY = (
    """
    CREATE TABLE IF NOT EXISTS tally_part (
        name varchar(200), status varchar(16), part int, tasks bigint NOT NULL,
        PRIMARY KEY (name, status, part)
    ) ENGINE = InnoDB, ROW_FORMAT = DYNAMIC, CHARACTER SET utf8mb4, COLLATE {collation}""",
    """
    CREATE OR REPLACE SQL SECURITY INVOKER VIEW tally AS
        SELECT name, status, cast(sum(tasks) AS signed) AS tasks FROM tally_part
        GROUP BY name, status""",
)
"""A count is a sum of parts: one row would let no two transactions of a name commit together."""

PARTS = 16

Run = Callable[..., Any]


def collation(version: str) -> str:
    """The collation of a server that compares exactly."""
    return "utf8mb4_nopad_bin" if "mariadb" in version.lower() else "utf8mb4_0900_bin"


def create_tables(run: Run, collation: str) -> None:
    """Create what is missing, unless a schema is there already. Each statement is a transaction of
    its own in MySQL; the version is written last."""
    sql = "SELECT count(*) FROM information_schema.tables WHERE table_schema = database() AND "
    if run(sql + "table_name = 'meta'").fetchone()[0] and run("SELECT * FROM meta").fetchone():
        return
    for statement in TALLY:
        run(statement.format(collation=collation))
    for model in MODELS:
        if model is TallyRow:
            continue
        run(
            f"CREATE TABLE IF NOT EXISTS {model._meta.table_name} ({_columns(model)})"
            f" ENGINE = InnoDB, ROW_FORMAT = DYNAMIC, CHARACTER SET utf8mb4, COLLATE {collation}"
        )
    try:
        run(NEWS)
    except peewee.DatabaseError as error:
        # Clusters may allow no tables in memory.
        logger.warning("managers will look for tasks once a second only: %s", error)
    run(
        "INSERT INTO meta (`key`, value) VALUES (?, ?) ON DUPLICATE KEY UPDATE value = value",
        (VERSION_KEY, str(MIGRATIONS[-1].version)),
    )


def _columns(model: type[peewee.Model]) -> str:
    columns = [_column(field) for field in model._meta.sorted_fields]
    keys = ", ".join(f"`{field.column_name}`" for field in model._meta.get_primary_keys())
    columns.append(f"PRIMARY KEY ({keys})")
    if model is TaskRow:
        columns.append(_TASK_EXTRAS)
    return ", ".join(columns)


def _column(field: peewee.Field) -> str:
    null = "" if field.null else " NOT NULL"
    default = " DEFAULT 0" if field.constraints else ""
    return f"`{field.column_name}` {_type(field)}{null}{default}"


def _type(field: peewee.Field) -> str:
    if isinstance(field, peewee.BigAutoField):
        return "bigint AUTO_INCREMENT"
    if isinstance(field, peewee.BigIntegerField):
        return "bigint"
    if isinstance(field, peewee.IntegerField):
        return "int"
    length = LENGTHS.get(field.column_name)
    return "longtext" if length is None else f"varchar({length})"
