"""OpenRPC's own tools find nothing wrong with the document, nor with the manager behind it."""

import fcntl
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from jsonrpc_qm import Client
from jsonrpc_qm.rpc.examples import EXAMPLES, ExampleStorage
from jsonrpc_qm.server.running import Settings, in_background
from jsonrpc_qm.storage.base import Storage
from jsonrpc_qm.storage.sqlite import SqliteStorage
from tests.docs.markdown import ROOT
from tests.docs.shell import need

SOURCES = ROOT / "tests" / "openrpc"
FOLDER = ROOT / ".venv-node"
"""Where the tools are installed, once for a checkout."""

METHODS = [name for name, _, _ in EXAMPLES]

pytestmark = pytest.mark.timeout(600)


def run(command: Sequence[str | Path], folder: Path) -> str:
    """What a command prints; it must succeed."""
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Have no other test process in this block."""
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="module")
def tools() -> Path:
    """A folder with the tools; where they can't be had the tests are skipped, but not in CI."""
    npm = need("npm")
    need("node")
    FOLDER.mkdir(exist_ok=True)
    installed = FOLDER / "installed.json"
    wanted = (SOURCES / "package-lock.json").read_text()
    with alone(FOLDER / "lock"):
        if not installed.exists() or installed.read_text() != wanted:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(SOURCES / name, FOLDER / name)
            try:
                run([npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"], FOLDER)
            except AssertionError as error:
                if os.environ.get("CI"):
                    raise
                pytest.skip(f"npm could not install the tools: {error}")
            installed.write_text(wanted)
    return FOLDER


@contextmanager
def described(storage: Storage, folder: Path) -> Iterator[Path]:
    """The document of a manager that runs on a storage, as a file."""
    with in_background(storage, Settings(port=0)) as url, Client(url) as client:
        path = folder / "openrpc.json"
        path.write_text(json.dumps(client.discover()))
        yield path
    storage.close()


def test_the_examples_are_answered_by_a_running_manager(tools: Path, tmp_path: Path) -> None:
    """schema-utils-js validates the document; test-coverage sends each example, and all succeed."""
    with described(SqliteStorage(tmp_path / "tasks.db"), tmp_path) as document:
        printed = run(["node", SOURCES / "check.mjs", document], tools)
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    assert found["validated"] is True
    assert [call["methodName"] for call in found["outcomes"]] == METHODS
    assert [call for call in found["outcomes"] if not call["valid"]] == []
    results = {call["methodName"]: call["result"] for call in found["outcomes"]}
    assert results["complete"]["status"] == "completed"
    assert all(lease["ok"] for lease in results["heartbeat"]["leases"])
    assert all(outcome["ok"] for outcome in results["report"]["outcomes"])


def test_the_examples_are_true_to_the_letter(tools: Path, tmp_path: Path) -> None:
    """test-coverage as it is passes too, at the moment when the examples' tokens are right."""
    command = tools / "node_modules" / ".bin" / "open-rpc-test-coverage"
    with described(ExampleStorage(), tmp_path) as document:
        printed = run([command, "--schema", document, "--reporters", "console"], tools)
    assert f"Success:  {len(METHODS)}\n" in re.sub(r"\x1b\[\d+m", "", printed)
