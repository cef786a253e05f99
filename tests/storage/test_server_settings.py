"""Database servers that somebody has set up in an unusual way."""

import json
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import count
from queue import Queue
from urllib.parse import quote

import psycopg
import pymysql
import pytest

from jsonrpc_qm.errors import Unavailable
from jsonrpc_qm.storage.base import Listing, News
from jsonrpc_qm.storage.mysql import MysqlStorage
from jsonrpc_qm.storage.mysql_url import options_of
from jsonrpc_qm.storage.postgresql import PostgresqlStorage
from jsonrpc_qm.transitions import Complete, Fail
from tests.records import NOW, a_record
from tests.servers.mysql import FAST, MysqlServer, mysql_server
from tests.servers.postgresql import PostgresServer
from tests.storage.verbs import add, changed, claim, get

ODD = "' \" \\ % ? é 😀"

NUMBERS = count(1)


@pytest.fixture(scope="module")
def odd_mysql() -> Iterator[MysqlServer]:
    """A server on which nothing is as usual."""
    with mysql_server(
        *FAST,
        "--sql-mode=ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT,ONLY_FULL_GROUP_BY",
        "--transaction-isolation=SERIALIZABLE",
        "--character-set-server=latin1",
        "--collation-server=latin1_swedish_ci",
        "--default-time-zone=+05:30",
        "--max-allowed-packet=1M",
        "--max-heap-table-size=64K",
    ) as server:
        with pymysql.connect(**options_of(server.url)) as connection:
            # MySQL has no option for it.
            connection.cursor().execute("SET GLOBAL sql_safe_updates = ON")
        yield server


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """A server for databases that are unusual."""
    with closing(PostgresServer()) as server:
        yield server


def odd_database(server: PostgresServer, create: str = "", *settings: str) -> str:
    """The URL of a new database; `create` is what CREATE DATABASE is told."""
    # With what has to be quoted, in SQL and in URLs.
    name = f'my "tasks" {next(NUMBERS)}'
    quoted = name.replace('"', '""')
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{quoted}" {create}')
        for setting in settings:
            connection.execute(f'ALTER DATABASE "{quoted}" SET {setting}')
    return f"{server.url.rpartition('/')[0]}/{quote(name)}"


def check(storage: PostgresqlStorage | MysqlStorage) -> None:
    """Have tasks go through it, with texts and moments that settings might change."""
    records = [a_record(f"t{n}", name=ODD, parameters=f'"{ODD}{n}"') for n in range(60)]
    assert add(storage, *records) == records
    assert abs(storage.now() - time.time_ns() // 1000) < 60_000_000
    first, second, *_ = claim(storage, ODD, worker=ODD, max_tasks=10)
    done = changed(storage, Complete(id=first.id, token=first.token, result=f'"{ODD}"'))
    failed = changed(
        storage,
        Fail(id=second.id, token=second.token, error=json.dumps({"type": ODD, "message": "no"})),
    )
    assert storage.get(["t0", "t1", "t59"]) == [done, failed, records[59]]
    assert storage.stats(NOW)[ODD].completed == 1
    assert len(storage.page(Listing(name=ODD), 100, None).records) == 60


def test_mysql_with_unusual_settings(odd_mysql: MysqlServer) -> None:
    """A connection sets what it depends on."""
    with closing(MysqlStorage(odd_mysql.database())) as storage:
        check(storage)


def test_a_task_that_mysql_can_not_give_in_one_value_is_no_obstacle(odd_mysql: MysqlServer) -> None:
    """Its texts are too long for a function of the server, once they are quoted."""
    with closing(MysqlStorage(odd_mysql.database())) as storage:
        long = '"' + '\\"' * 200_000 + '"'
        records = [a_record("a", parameters=long), a_record("b")]
        assert add(storage, *records) == records
        first, second = claim(storage, "mail", max_tasks=2)
        assert (first.id, first.parameters, second.id) == ("a", long, "b")
        done = changed(storage, Complete(id="a", token=first.token, result=long))
        assert get(storage, "a") == done
        assert storage.page(Listing(), 1, None).records[0].id == "b"


def test_batches_of_long_characters_fit_into_mysqls_packets(odd_mysql: MysqlServer) -> None:
    """A character may be four bytes."""
    with closing(MysqlStorage(odd_mysql.database())) as storage:
        records = [a_record(f"t{n}", parameters=f'"{"😀" * 65_500}"') for n in range(8)]
        assert add(storage, *records) == records


def test_mysqls_table_of_news_may_be_full(odd_mysql: MysqlServer) -> None:
    """It is emptied then, and news arrive again."""
    url = odd_mysql.database()
    with closing(MysqlStorage(url)) as teller, closing(MysqlStorage(url)) as listener:
        with pymysql.connect(**options_of(url), autocommit=True) as connection:
            fill = "INSERT INTO news (told_at, sender, message) VALUES (1, 'nobody', 'nothing')"
            with suppress(pymysql.OperationalError):  # it is full
                for _ in range(1000):
                    connection.cursor().execute(fill)
        heard: Queue[News] = Queue()
        teller.subscribe(lambda news: None)
        listener.subscribe(heard.put)
        assert heard.get(timeout=10).more
        teller.announce(News(due={"mail": 2}))
        assert heard.get(timeout=10).due == {"mail": 2}


def test_postgresql_with_unusual_settings(postgres: PostgresServer) -> None:
    """Tables are in the first schema there is, and a connection sets what it depends on."""
    url = odd_database(
        postgres,
        "",
        'search_path = "$user", "my ""schema""", public',
        "default_transaction_isolation = serializable",
        "timezone = 'Asia/Kolkata'",
        "client_encoding = LATIN1",
        "standard_conforming_strings = off",
        "transform_null_equals = on",
        "statement_timeout = '1h'",
    )
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute('CREATE SCHEMA "my ""schema"""')
        with closing(PostgresqlStorage(url)) as storage:
            check(storage)
        found = connection.execute("SELECT schemaname FROM pg_tables WHERE tablename = 'task'")
        assert found.fetchall() == [('my "schema"',)]
    PostgresqlStorage(url).close()


def test_postgresql_without_an_encoding(postgres: PostgresServer) -> None:
    """As where its cluster was made without a locale: it keeps what it gets."""
    url = odd_database(postgres, "ENCODING 'SQL_ASCII' TEMPLATE template0 LOCALE 'C'")
    with closing(PostgresqlStorage(url)) as storage:
        check(storage)


def test_postgresql_of_another_encoding_is_refused(postgres: PostgresServer) -> None:
    """It can't hold every text; the line says what to do."""
    url = odd_database(postgres, "ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'")
    with pytest.raises(Unavailable, match=r"LATIN1.*ENCODING 'UTF8'"):
        PostgresqlStorage(url)


def test_a_manager_of_postgresql_needs_no_right_to_create(postgres: PostgresServer) -> None:
    """Where the tables are there: an operator makes them, by `migrate`."""
    url = odd_database(postgres)
    PostgresqlStorage(url).close()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        connection.execute("CREATE ROLE jo LOGIN")
        for rights in ("SELECT, INSERT, UPDATE, DELETE ON ALL TABLES", "USAGE ON ALL SEQUENCES"):
            connection.execute(f"GRANT {rights} IN SCHEMA public TO jo")
    with closing(PostgresqlStorage(url.replace("postgres@", "jo@"))) as storage:
        check(storage)


def test_a_manager_of_mysql_needs_no_right_to_create(odd_mysql: MysqlServer) -> None:
    """Where the tables are there."""
    url = odd_mysql.database()
    MysqlStorage(url).close()
    name = url.rpartition("/")[2]
    with pymysql.connect(**options_of(url), autocommit=True) as connection:
        cursor = connection.cursor()
        cursor.execute(f"CREATE USER '{name}'@'127.0.0.1'")
        rights = "SELECT, INSERT, UPDATE, DELETE"
        cursor.execute(f"GRANT {rights} ON {name}.* TO '{name}'@'127.0.0.1'")
    with closing(MysqlStorage(url.replace("root@", f"{name}@"))) as storage:
        check(storage)
