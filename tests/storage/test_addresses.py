"""URLs of servers: what is taken, and what of one is shown."""

import logging
from urllib.parse import quote

import pytest

from jsonrpc_qm.errors import InvalidParams
from jsonrpc_qm.storage.mysql_url import options_of
from jsonrpc_qm.storage.postgresql_connections import Place
from jsonrpc_qm.storage.redis import RedisStorage
from jsonrpc_qm.storage.urls import open_storage

SCHEMES = ("postgresql", "mysql", "redis", "redis+cluster")

PASSWORDS = (
    "pass@word",
    "pass#word",
    "pass/word",
    "12/word",
    "pass?word",
    "pass?word=1",
    "pass@x/word",
    "pass[word",
    "pass]word",
    "pass\u2100word",
)
"""Passwords with something special in them that is not percent-encoded."""


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("password", PASSWORDS)
def test_a_password_that_is_not_encoded_is_refused_and_not_repeated(
    scheme: str, password: str, caplog: pytest.LogCaptureFixture
) -> None:
    """No part of it, whatever a reader of URLs takes it for; the line says what to do."""
    with caplog.at_level(logging.DEBUG), pytest.raises(InvalidParams) as refused:
        open_storage(f"{scheme}://jo:{password}@127.0.0.1:9/0")
    said = f"{refused.value} {refused.value.data} {caplog.text}"
    assert f"{scheme}://" in said
    assert "%40" in said
    for part in ("pass", "word", "12"):
        assert part not in said.replace("password", "")


@pytest.mark.parametrize("password", PASSWORDS)
def test_any_password_can_be_encoded(password: str) -> None:
    """Then each driver gets it as it is."""
    encoded = f"jo:{quote(password, safe='')}@db.example.com/tasks"
    assert options_of(f"mysql://{encoded}")["password"] == password.encode()
    place = Place(f"postgresql://{encoded}")
    assert place.options["password"] == password
    assert place.shown == "postgresql://db.example.com/tasks"


@pytest.mark.parametrize(
    ("url", "shown", "options"),
    [
        (
            "postgresql:///tasks?host=/run/postgresql",
            "postgresql:///tasks",
            {"host": "/run/postgresql", "dbname": "tasks"},
        ),
        (
            "postgresql://jo@/tasks?host=/run/postgresql",
            "postgresql:///tasks",
            {"host": "/run/postgresql", "user": "jo"},
        ),
        (
            "postgresql://jo:secret@%2Frun%2Fpostgresql/tasks",
            "postgresql://%2Frun%2Fpostgresql/tasks",
            {"host": "/run/postgresql", "password": "secret"},
        ),
        (
            "postgresql://jo:secret@[::1]:5433/tasks",
            "postgresql://[::1]:5433/tasks",
            {"host": "::1", "port": "5433"},
        ),
        (
            "postgresql://jo:secret@a:1,b:2/tasks",
            "postgresql://a:1,b:2/tasks",
            {"host": "a,b", "port": "1,2"},
        ),
        (
            "postgresql://host/my%22%20tasks",
            "postgresql://host/my%22%20tasks",
            {"dbname": 'my" tasks'},
        ),
    ],
)
def test_postgresqls_urls_are_libpqs(url: str, shown: str, options: dict[str, str]) -> None:
    """Sockets, IPv6, several hosts, and databases of any name."""
    place = Place(url)
    assert place.shown == shown
    assert place.options.items() >= options.items()


@pytest.mark.parametrize(
    ("rest", "why"),
    [
        ("host/tasks", "a database is a number"),
        ("host/0/1", "a database is a number"),
        ("host/0?nonsense=1", "no URL of a Redis"),
        ("host/0?socket_timeout=soon", "no URL of a Redis"),
        ("host:99999/0", "no URL of a Redis"),
        ("host/0?prefix={a}", "a prefix is a text without braces"),
        ("host/0?prefix=", "a prefix is a text without braces"),
    ],
)
def test_what_no_redis_has_is_refused(rest: str, why: str) -> None:
    """Before anything is asked of a server, by the class alone too."""
    with pytest.raises(InvalidParams, match=why) as refused:
        RedisStorage(f"redis://jo:secret@{rest}")
    assert "secret" not in f"{refused.value} {refused.value.data}"
