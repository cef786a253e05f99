"""Every example in the documents does what it says."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.docs.markdown import DOCUMENTS, KINDS, ROOT, Block, Document, Section, read
from tests.docs.shell import matches, reading

ARGUMENTS = {"sh": r"|background|setup", "python": r"|\w+\.py", "ini": r"[\w@-]+\.service"}
"""What may stand behind a kind of block; nothing for the others."""

SECTIONS = [section for path in DOCUMENTS for section in read(path).sections]
RUN = [
    section
    for section in SECTIONS
    if any(block.kind in ("sh", "python") and block.argument != "setup" for block in section.blocks)
]
COMMANDS = (
    "git",
    "cd",
    "cp",
    "make",
    "pip",
    "python3",
    "sudo",
    "systemctl",
    "nginx",
    "docker",
    "kubectl",
    "pg_basebackup",
    "pg_ctl",
    "psql",
    ". ",
    "#",
)
"""What `sh setup` blocks, which are not run, may begin a line with."""


@pytest.fixture(params=DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def document(request: pytest.FixtureRequest) -> Document:
    """Each document in turn."""
    return read(request.param)


@pytest.mark.parametrize("section", RUN, ids=lambda section: section.name)
def test_examples_do_what_they_say(section: Section, tmp_path: Path) -> None:
    """The blocks of a section run one after the other, and print what the document says."""
    with reading(tmp_path) as reader:
        for block in section.blocks:
            reader.follow(block)


def test_every_block_says_what_it_is(document: Document) -> None:
    """No block is of a kind that nobody checks, and no output stands alone."""
    for section in document.sections:
        before = ""
        for block in section.blocks:
            where = f"{document.name}:{block.line}"
            assert block.kind in KINDS, f"{where}: {block.kind!r}"
            assert re.fullmatch(ARGUMENTS.get(block.kind, ""), block.argument), where
            if block.kind == "output":
                assert before in ("sh", "python"), f"{where}: output of nothing"
            before = f"{block.kind} {block.argument}".strip()


def test_json_is_json(document: Document) -> None:
    """What is shown as JSON can be parsed."""
    for block in _blocks(document, "json"):
        json.loads(block.text)


def test_setup_commands_can_be_run(document: Document) -> None:
    """They are good shell, and the targets of make that they name are there."""
    for block in _blocks(document, "sh"):
        if block.argument == "setup":
            done = subprocess.run(["bash", "-n"], input=block.text, text=True, check=False)
            assert done.returncode == 0, f"{document.name}:{block.line}"
            for line in block.text.splitlines():
                assert not line or line.startswith(COMMANDS), line
            for target in re.findall(r"^make (\w+)", block.text, re.MULTILINE):
                assert (ROOT / "Makefile").exists()
                makefile = (ROOT / "Makefile").read_text()
                assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target}"


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        ("3", "3\n", True),
        ("3", "4", False),
        ("id ...\nend", "id 0198\nmore\nend", True),
        ("id ...", "it 0198", False),
        ("a.c", "abc", False),
    ],
)
def test_output_is_compared(expected: str, printed: str, same: bool) -> None:
    """Three dots stand for anything, all else for itself."""
    assert matches(expected, printed) is same


def _blocks(document: Document, kind: str) -> list[Block]:
    return [
        block for section in document.sections for block in section.blocks if block.kind == kind
    ]
