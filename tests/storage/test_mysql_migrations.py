"""How tables of older versions on MySQL and MariaDB become those of this one."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pymysql
import pytest
from msgspec.structs import astuple

from jsonrpc_qm.errors import Unavailable
from jsonrpc_qm.storage.migrations import MIGRATIONS
from jsonrpc_qm.storage.migrations.running import migrate
from jsonrpc_qm.storage.mysql import MysqlStorage
from jsonrpc_qm.storage.mysql_schema import collation
from jsonrpc_qm.storage.mysql_statements import insert
from jsonrpc_qm.storage.mysql_url import options_of
from jsonrpc_qm.storage.statements import INSERT_WIDTH
from jsonrpc_qm.transitions import Complete
from tests.records import a_record
from tests.servers.mysql import FAST, MysqlServer, mysql_server
from tests.storage.verbs import add, changed, claim, get

FIRST_TABLES = (Path(__file__).parent / "schema-1-mysql.sql").read_text()


@pytest.fixture(scope="module")
def server() -> Iterator[MysqlServer]:
    """A server for these tests, which make databases on it."""
    with mysql_server(*FAST) as running:
        yield running


@pytest.fixture
def old(server: MysqlServer) -> str:
    """The URL of a database as the first version made it."""
    url = server.database()
    with pymysql.connect(**options_of(url), autocommit=True) as connection:
        sql = FIRST_TABLES.format(collation=collation(connection.get_server_info()))
        cursor = connection.cursor()
        for statement in sql.split(";\n"):
            if statement:
                cursor.execute(statement)
    return url


def tables_of(url: str) -> dict[str, list[str]]:
    """What makes each table, line by line; that of an index at any place."""
    with pymysql.connect(**options_of(url)) as connection:
        cursor = connection.cursor()
        cursor.execute("SHOW TABLES")
        tables = [table for (table,) in cursor.fetchall()]
        made = {}
        for table in tables:
            cursor.execute(f"SHOW CREATE TABLE {table}")
            lines = cursor.fetchone()[1].splitlines()
            columns = [line for line in lines if " KEY " not in line]
            keys = [line.rstrip(",") for line in lines if " KEY " in line]
            made[table] = [*columns, *sorted(keys)]
        return made


def test_an_older_database_becomes_what_a_new_one_is(server: MysqlServer, old: str) -> None:
    """The steps of storage/migrations/ lead to the tables of storage/mysql_schema.py."""
    migrate(old)
    new = server.database()
    MysqlStorage(new).close()
    made = tables_of(old)
    assert made == tables_of(new)
    assert {"task", "tally", "news"} <= made.keys()


def test_what_takes_long_waits_for_the_operator(old: str) -> None:
    """All tasks are written anew, so no manager does it when it starts; they stay as they are."""
    with pytest.raises(Unavailable, match=r"schema version 4 .*jsonrpc-qm migrate"):
        MysqlStorage(old)
    records = [a_record(id, unique_key=f"key {id}") for id in ("a", "b")]
    with pymysql.connect(**options_of(old), autocommit=True) as connection:
        rows = [astuple(record)[:INSERT_WIDTH] for record in records]
        connection.cursor().execute(insert(rows))
    _, made = migrate(old)
    assert [step.version for step in made] == [step.version for step in MIGRATIONS[1:]]
    with closing(MysqlStorage(old)) as storage:
        [task, other] = claim(storage, "mail", max_tasks=2)
        assert [task.id, other.id] == ["a", "b"]
        done = changed(storage, Complete(id=task.id, token=task.token))
        # The key of the one is free again, that of the other is not.
        free = a_record("c", unique_key="key a")
        assert add(storage, free) == [free]
        assert add(storage, a_record("d", unique_key="key b")) == [other]
        assert get(storage, "a") == done


def test_a_migration_that_was_cut_short_is_run_again(old: str) -> None:
    """Each statement is a transaction of its own there; the version is written last."""
    migrate(old)
    with pymysql.connect(**options_of(old), autocommit=True) as connection:
        connection.cursor().execute("UPDATE meta SET value = '1' WHERE `key` = 'schema_version'")
    before = tables_of(old)
    migrate(old)
    assert tables_of(old) == before
