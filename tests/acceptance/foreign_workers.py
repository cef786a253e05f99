"""The example workers that are not written in Python, as processes."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.acceptance.managers import environment

EXAMPLES = Path(__file__).parents[2] / "examples"

_numbers = count(1)


class Language(NamedTuple):
    """How to run one of them."""

    program: str
    file: str
    needs: Sequence[Sequence[str]]
    """Commands that succeed where it can be run."""

    def skip_if_missing(self) -> None:
        """Skip the test where it can't be run; on a CI machine that is a failure."""
        for command in self.needs:
            if (
                shutil.which(command[0])
                and not subprocess.run(command, capture_output=True).returncode
            ):
                continue
            reason = f"{self.file} needs what `{' '.join(command)}` looks for"
            if os.environ.get("CI"):
                pytest.fail(reason)
            pytest.skip(reason)


LANGUAGES = {
    "shell": Language("bash", "worker.sh", (["bash", "--version"], ["curl", "-V"], ["jq", "-V"])),
    "JavaScript": Language("node", "worker.mjs", (["node", "-e", "fetch"],)),
    "PHP": Language(
        "php", "worker.php", (["php", "-r", "curl_version(); pcntl_get_last_error();"],)
    ),
}


class ForeignWorker:
    """One of the examples, working for the manager at a URL, with a folder for temporary files."""

    def __init__(self, language: Language, url: str, folder: Path) -> None:
        self._log = folder / f"{language.file}-{next(_numbers)}.log"
        self.temporary = folder / f"{self._log.name}.tmp"
        self.temporary.mkdir()
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [language.program, EXAMPLES / language.file],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment() | {"JSONRPC_QM_URL": url, "TMPDIR": str(self.temporary)},
            )

    @property
    def log(self) -> str:
        """What it has written."""
        return self._log.read_text()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.terminate()
        return self.process.wait(20)

    def close(self) -> None:
        """End it however it is."""
        self.process.kill()
        self.process.wait()
