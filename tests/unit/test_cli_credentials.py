"""The options that say who calls, of all commands that call a manager."""

from pathlib import Path

import pytest

from jsonrpc_qm.client.credentials import Credentials
from tests.unit.cli_fakes import FakeManager, run


def credentials(*options: str, **env: str) -> Credentials:
    """What the client is made with."""
    manager = FakeManager()
    result = run("stats", *options, manager=manager, env=env)
    assert result.exit_code == 0, result.stderr
    return manager.credentials


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "token"
    path.write_text("from-file\n")
    return str(path)


def test_a_token_comes_from_an_option_a_file_or_a_variable(file: str) -> None:
    """Whatever the command line says goes first."""
    assert credentials().token is None
    assert credentials("--token", "t").token == "t"
    assert credentials("--token-file", file).token == "from-file"
    assert credentials(JSONRPC_QM_TOKEN="v").token == "v"
    assert credentials(JSONRPC_QM_TOKEN_FILE=file).token == "from-file"
    assert credentials("--token", "t", JSONRPC_QM_TOKEN_FILE=file).token == "t"
    assert credentials("--token-file", file, JSONRPC_QM_TOKEN="v").token == "from-file"


def test_files_for_tls_come_from_options_or_variables() -> None:
    """The same for every command."""
    files = {"tls_ca": "a", "tls_cert": "b", "tls_key": "c"}
    line = ["--tls-ca", "a", "--tls-cert", "b", "--tls-key", "c"]
    assert credentials(*line) == Credentials(**files)
    assert credentials(
        JSONRPC_QM_TLS_CA="a", JSONRPC_QM_TLS_CERT="b", JSONRPC_QM_TLS_KEY="c"
    ) == Credentials(**files)


def test_a_token_and_a_file_are_one_too_many(file: str) -> None:
    """Which is meant is for the caller to say."""
    result = run("stats", "--token", "t", "--token-file", file)
    assert result.exit_code == 2
    assert "either --token or --token-file, not both" in result.stderr


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    """With its path."""
    for path, reason in [("/no/such", "No such file or directory"), (tmp_path, "Is a directory")]:
        result = run("stats", "--token-file", str(path))
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr == f"Error: --token-file {path}: {reason}\n"
