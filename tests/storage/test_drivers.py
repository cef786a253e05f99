"""Drivers that are not there, or not whole."""

import os
import subprocess
import sys


def test_a_driver_without_its_library_is_one_line_that_names_the_extra() -> None:
    """psycopg comes without libpq, unless it is told to bring one."""
    program = """
import jsonrpc_qm
from jsonrpc_qm.errors import Unavailable
try:
    jsonrpc_qm.open_storage("postgresql://127.0.0.1/tasks")
except Unavailable as error:
    print(error)
"""
    run = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        # The one that is compiled on the spot, which is in no extra.
        env=os.environ | {"PSYCOPG_IMPL": "c"},
    )
    assert run.stderr == ""
    assert run.stdout.count("\n") == 1
    assert "pip install 'jsonrpc-qm[postgresql]'" in run.stdout
