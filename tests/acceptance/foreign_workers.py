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
    lease: str
    """How its file gives the lease."""
    job: str
    """The line of its file with which the job begins."""
    slowly: str
    """What makes the job take SLOW_SECONDS, as the line after that."""

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

    def slow_copy(self, folder: Path) -> Path:
        """The example with a job that takes longer than its lease."""
        text = (EXAMPLES / self.file).read_text()
        assert text.count(self.lease) == text.count(self.job) == 1
        text = text.replace(self.lease, self.lease.replace("60", str(SHORT_LEASE)))
        copy = folder / self.file
        copy.write_text(text.replace(self.job, self.job + self.slowly))
        return copy


SLOW_SECONDS = 5
SHORT_LEASE = 3
"""Seconds; a third of it is how often a slow worker beats."""

LANGUAGES = {
    "shell": Language(
        "bash",
        "worker.sh",
        (["bash", "--version"], ["curl", "-V"], ["jq", "-V"]),
        "lease=60",
        "word_count() {\n",
        f"  sleep {SLOW_SECONDS}\n",
    ),
    "JavaScript": Language(
        "node",
        "worker.mjs",
        (["node", "-e", "fetch"],),
        "lease = 60",
        "async function wordCount(parameters) {\n",
        f"  await sleep({SLOW_SECONDS}000);\n",
    ),
    "PHP": Language(
        "php",
        "worker.php",
        (["php", "-r", "curl_version(); pcntl_get_last_error();"],),
        "LEASE = 60",
        "function word_count($params) {\n",
        f"    $end = time() + {SLOW_SECONDS}; while (time() <= $end) usleep(50000);\n",
    ),
}


class ForeignWorker:
    """One of the examples, working for the manager at a URL, with a folder for temporary files."""

    def __init__(
        self, language: Language, url: str, folder: Path, file: Path | None = None, **env: str
    ) -> None:
        """`file`: a changed copy of the example; `env`: more variables."""
        self._log = folder / f"{language.file}-{next(_numbers)}.log"
        self.temporary = folder / f"{self._log.name}.tmp"
        self.temporary.mkdir()
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [language.program, file or EXAMPLES / language.file],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={
                    **environment(),
                    "JSONRPC_QM_URL": url,
                    "TMPDIR": str(self.temporary),
                    **env,
                },
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
