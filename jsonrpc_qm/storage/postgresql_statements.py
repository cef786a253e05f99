"""The statements that are PostgreSQL's own, and how it is given the others of statements.py."""

from functools import cache

from jsonrpc_qm.record import Record

SETTINGS = """
    SELECT set_config('statement_timeout', '30s', true), set_config('lock_timeout', '10s', true),
        set_config('idle_in_transaction_session_timeout', '60s', true),
        set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
        set_config('enable_mergejoin', 'off', true), set_config('enable_sort', 'off', true),
        set_config('plan_cache_mode', 'force_generic_plan', true),
        set_config('jit', 'off', true)"""
"""They go with the transaction: behind PgBouncer a session is anybody's.

Plans are kept, and may have been made when there were few tasks: all that is written is to be found
by an index. Generic plans are for few parameters, and those for many may compare all with all.
"""

NO_LIMITS = """
    SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', '0', true)"""
"""Others may look after the schema first, and a new one of many tasks takes its time."""

TALLY = (
    """
    CREATE TABLE IF NOT EXISTS tally_part (
        name text, status text, part integer, tasks bigint NOT NULL,
        PRIMARY KEY (name, status, part))""",
    """
    CREATE OR REPLACE VIEW tally AS
        SELECT name, status, sum(tasks)::bigint AS tasks FROM tally_part GROUP BY name, status""",
)
"""A count is a sum of parts: one row would let no two transactions of a name commit together."""

PARTS = 16

AMONG = "= ANY (?::text[])"
"""That an id is among some. A subquery could be joined the other way round, and each task of the
table compared with all of the ids."""

COUNT = f"""
    INSERT INTO tally_part (name, status, tasks, part)
    SELECT given.*, pg_backend_pid() % {PARTS}
    FROM unnest(?::text[], ?::text[], ?::bigint[]) AS given
    ON CONFLICT (name, status, part) DO UPDATE SET tasks = tally_part.tasks + excluded.tasks"""
"""Add to the number of tasks that names have in statuses."""


@cache
def with_marks(sql: str) -> str:
    """The statement with psycopg's marks for parameters, which it sends in binary: as text an array
    costs several times as much."""
    return sql.replace("%", "%%").replace("?", "%b") if "?" in sql else sql


@cache
def unnested(columns: tuple[str, ...]) -> str:
    """What stands for rows in SQL; its parameters are arrays, each of one column's values."""
    arrays = ", ".join(f"?::{_type_of(column)}[]" for column in columns)
    names = ", ".join(f"column{number}" for number in range(1, len(columns) + 1))
    return f"SELECT * FROM unnest({arrays}) AS given({names})"


def _type_of(column: str) -> str:
    return "text" if Record.__annotations__[column] in (str, str | None) else "bigint"
