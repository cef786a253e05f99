"""What a reader of a section has at hand: a folder, a shell, and programs left running."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import pytest

from tests.docs.markdown import Block

DEFAULT_PORT = "8642"
START_SECONDS = 20.0
"""After this long a program that should answer has failed."""
TOOLS = ("curl", "jq", "sqlite3")
"""What blocks may use besides the shell's own commands and this project's."""


def need(tool: str) -> str:
    """The path of a program; without it the test is skipped, but fails where CI is set."""
    found = shutil.which(tool)
    if found is None:
        assert not os.environ.get("CI"), f"{tool} is not installed"
        pytest.skip(f"{tool} is not installed")
    return found


class Reader:
    """Follows a section: each block sees what the ones before it left behind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self.printed = ""
        """What the last block printed."""
        self._environment = self._settings()
        self._programs: list[subprocess.Popen[str]] = []
        self._shell = subprocess.Popen(
            ["bash"],
            cwd=folder,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._say("set -euo pipefail")

    def _settings(self) -> dict[str, str]:
        mine = ("JSONRPC_QM_", "PYTHONWARNINGS")
        environment = {key: text for key, text in os.environ.items() if not key.startswith(mine)}
        return {
            **environment,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}",
            "JSONRPC_QM_URL": f"http://127.0.0.1:{self.port}",
            "JSONRPC_QM_SERVE_PORT": str(self.port),
        }

    def adapted(self, text: str) -> str:
        """The text with the port of this test in place of the default."""
        text = text.replace(f":{DEFAULT_PORT}", f":{self.port}")
        return text.replace("qm.run()", f"qm.run(port={self.port})")

    def follow(self, block: Block) -> None:
        """Do what the block says."""
        text = self.adapted(block.text)
        if block.kind == "output":
            assert matches(text, self.printed), f"line {block.line}: it printed\n{self.printed}"
        elif block.kind == "python" and block.argument:
            (self.folder / block.argument).write_text(text)
        elif block.kind == "python":
            self._serve()
            self.printed = self._run_python(text)
        elif block.argument == "background":
            self._start(text)
        elif block.kind == "sh" and not block.argument:
            for tool in TOOLS:
                if re.search(rf"\b{tool}\b", text):
                    need(tool)
            self._serve()
            self.printed = self._run(text)

    def _run_python(self, text: str) -> str:
        (self.folder / "example.py").write_text(text)
        done = subprocess.run(
            [sys.executable, "-W", "error", "example.py"],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=45,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _run(self, text: str) -> str:
        script, printed = self.folder / ".block", self.folder / ".printed"
        script.write_text(text)
        self._say(f". ./{script.name} </dev/null >{printed.name} 2>.complaints")
        self._say("echo done")
        assert self._shell.stdout is not None
        if self._shell.stdout.readline() != "done\n":
            complaints = (self.folder / ".complaints").read_text()
            raise AssertionError(f"{text}\nprinted {printed.read_text()}\nand said {complaints}")
        return printed.read_text()

    def _say(self, line: str) -> None:
        assert self._shell.stdin is not None
        self._shell.stdin.write(line + "\n")
        self._shell.stdin.flush()

    def _serve(self) -> None:
        """Start a manager, unless the section has started one itself."""
        if not self._answers():
            self._start("jsonrpc-qm serve")

    def _start(self, text: str) -> None:
        name = f".program-{len(self._programs)}"
        (self.folder / name).write_text(text)
        with (self.folder / f"{name}.log").open("wb") as log:
            program = subprocess.Popen(
                ["bash", name],
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        self._programs.append(program)
        if "jsonrpc-qm work" in text:
            return  # a worker waits for its manager by itself
        until = monotonic() + START_SECONDS
        while not self._answers():
            if program.poll() is not None or monotonic() > until:
                said = (self.folder / f"{name}.log").read_text()
                raise AssertionError(f"{text} does not answer: {said}")
            sleep(0.02)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def close(self) -> None:
        """End everything that was started."""
        for program in (*self._programs, self._shell):
            _signal(program, signal.SIGTERM)
        for program in (*self._programs, self._shell):
            try:
                program.wait(10)
            except subprocess.TimeoutExpired:
                _signal(program, signal.SIGKILL)
                program.wait()
        for pipe in (self._shell.stdin, self._shell.stdout):
            assert pipe is not None
            pipe.close()


@contextmanager
def reading(folder: Path) -> Iterator[Reader]:
    """A reader, until the block ends."""
    reader = Reader(folder)
    try:
        yield reader
    finally:
        reader.close()


def matches(expected: str, printed: str) -> bool:
    """Whether that was printed; in what was expected `...` stands for anything."""
    parts = [re.escape(part) for part in expected.strip().split("...")]
    return re.fullmatch(".*".join(parts), printed.strip(), re.DOTALL) is not None


def _signal(program: "subprocess.Popen[str]", number: int) -> None:
    # Each has a session of its own, so this reaches what it has started, and nobody else.
    if program.poll() is None:
        os.killpg(program.pid, number)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port
