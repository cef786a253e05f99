"""The command line where its output goes nowhere, or not far."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.managers import ManagerProcess, environment
from tests.acceptance.rpc import Rpc
from tests.acceptance.test_cli import PROGRAM


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_it_works_without_standard_streams(manager: ManagerProcess, closed: str) -> None:
    """As started by a program that has closed them."""
    command = shlex.join([*PROGRAM, "pause", "mail", "--manager", manager.url])
    done = subprocess.run(["sh", "-c", f"{command} {closed}"], env=environment(), timeout=30)
    assert done.returncode == 0


@pytest.mark.parametrize("args", [["--help"], ["stats"], ["stats", "--json"]])
def test_output_that_can_not_be_written_is_an_error(
    manager: ManagerProcess, args: list[str]
) -> None:
    """In one line, as on a full disk."""
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*PROGRAM, *args],
            env={**environment(), "JSONRPC_QM_URL": manager.url},
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=30,
        )
    assert (done.returncode, done.stderr) == (1, b"Error: No space left on device.\n")


def test_output_that_nobody_reads_to_its_end_is_no_error(manager: ManagerProcess, rpc: Rpc) -> None:
    """`jsonrpc-qm list -q --all | head -1` says nothing on stderr."""
    rpc("queue_many", tasks=[{"name": "a"}] * 5000)
    reader, writer = os.pipe()
    listing = subprocess.Popen(
        [*PROGRAM, "list", "-q", "--all"],
        env={**environment(), "JSONRPC_QM_URL": manager.url},
        stdout=writer,
        stderr=subprocess.PIPE,
    )
    os.close(writer)
    os.read(reader, 1)
    os.close(reader)
    _, said = listing.communicate(timeout=30)
    assert said == b""
