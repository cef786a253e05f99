"""The `token` command."""

import json
from pathlib import Path

import pytest

from jsonrpc_qm.access.files import read_tokens
from jsonrpc_qm.access.grants import Grant, Role
from jsonrpc_qm.access.tokens import Tokens
from tests.unit.cli_fakes import run


@pytest.fixture
def file(tmp_path: Path) -> str:
    return str(tmp_path / "tokens.toml")


def test_a_new_token_is_printed_once(file: str) -> None:
    """With --file that is all there is on stdout, so that a script can take it."""
    made = run("token", "new", "--role", "worker", "--names", "reports.*", "--file", file)
    assert (made.exit_code, made.stdout.count("\n")) == (0, 1)
    grant = Tokens(read_tokens(file)).grant_of(made.stdout.strip())
    assert grant is not None
    assert (grant.role, grant.names) == (Role.WORKER, ("reports.*",))
    assert made.stdout.strip() not in Path(file).read_text()


def test_without_a_file_what_belongs_into_one_is_printed_too(file: str) -> None:
    """It can be pasted."""
    made = run("token", "new", "--role", "admin", "--note", "mine")
    token, _, table = made.stdout.partition("\n\n")
    Path(file).write_text(table)
    (entry,) = read_tokens(file)
    assert entry.note == "mine"
    assert Tokens([entry]).grant_of(token) == Grant(entry.id, Role.ADMIN)


def test_tokens_are_listed_without_hashes(file: str) -> None:
    """As a table, or as JSON."""
    run("token", "new", "--role", "worker", "--names", "a", "--names", "b*", "--file", file)
    run("token", "new", "--role", "operator", "--note", "ops", "--file", file)
    listed = run("token", "list", "--file", file)
    assert listed.stdout.splitlines()[0].split() == ["ID", "ROLE", "NAMES", "CREATED", "NOTE"]
    assert "a, b*" in listed.stdout
    assert "sha256" not in listed.stdout
    rows = json.loads(run("token", "list", "--file", file, "--json").stdout)
    assert [(row["role"], row["names"], row["note"]) for row in rows] == [
        ("worker", ["a", "b*"], ""),
        ("operator", ["*"], "ops"),
    ]
    assert set(rows[0]) == {"id", "role", "names", "created", "note"}


def test_a_token_is_revoked(file: str) -> None:
    """The others stay."""
    for _ in range(3):
        run("token", "new", "--role", "admin", "--file", file)
    first, second, third = (entry.id for entry in read_tokens(file))
    done = run("token", "revoke", first, third, "--file", file)
    assert done.stdout.startswith(f"{first} revoked, a token for role admin\n")
    assert [entry.id for entry in read_tokens(file)] == [second]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["new"], "Missing option '--role'"),
        (["new", "--role", "root"], "'root' is not one of"),
        (["new", "--role", "worker", "--names", ""], "a name has 1 to 200 characters: ''"),
        (["new", "--role", "worker", "--file", "/no/such/t.toml"], "No such file or directory"),
        (["list", "--file", "/no/such/t.toml"], "/no/such/t.toml: No such file or directory"),
        (["revoke", "a", "--file", "/no/such/t.toml"], "/no/such/t.toml: No such file"),
        (["list"], "Missing option '--file'"),
    ],
)
def test_what_cannot_be_done_is_one_line(line: list[str], said: str) -> None:
    """On stderr, and no token is printed."""
    result = run("token", *line)
    assert result.exit_code in (1, 2)
    assert result.stdout == ""
    assert said in result.stderr
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
