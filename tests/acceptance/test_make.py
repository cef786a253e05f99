"""What `make` says it can do."""

import re
import subprocess

from tests.docs.markdown import ROOT
from tests.docs.shell import need


def test_make_help_lists_every_target() -> None:
    """Each target that is meant to be called has a line that says what it does."""
    done = subprocess.run(
        [need("make"), "--no-print-directory", "help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    listed = re.findall(r"^make (\S+) +\S", done.stdout, re.MULTILINE)
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"run", "test", "check", "lint", "bench", "clean"} <= set(targets)
    assert listed == targets


def test_ci_runs_the_tests_and_nothing_cleverer() -> None:
    """.ci/run is `make test`, so that a developer can do what CI does."""
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    assert lines[1:] == ["exec make test"]
