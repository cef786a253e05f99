"""The documents as values: their sections, their code blocks, their tables and links.

What a code block is for stands behind its three backticks:

    sh                 commands; they are run, in one shell for the whole section
    sh background      a command that goes on running until the end of the section
    sh setup           commands that need a network, a checkout or root; checked, not run
    python             a program; it is run
    python NAME.py     a module; it is written to that file, for others to run
    output             what the block before it printed; `...` stands for anything
    json               a JSON value
    ini NAME           a systemd unit of that name
    nginx              a server for nginx
    haproxy            a configuration of HAProxy
    dockerfile         how an image is made
    text               a drawing, a signature, pseudo code

A section is what stands under one `##` heading. It has a folder, a port and a manager of its own.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path for where in ("*.md", "docs/**/*.md", "examples/**/*.md") for path in ROOT.glob(where)
)
KINDS = ("sh", "python", "output", "json", "ini", "nginx", "haproxy", "dockerfile", "text")

_FENCE = re.compile(r"^```(?P<info>.*)$")
_HEADING = re.compile(r"^(?P<marks>#{1,6}) (?P<title>.+)$")
_LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced code block."""

    kind: str
    argument: str
    """What follows the kind: a file name, `background`, `setup`, or nothing."""
    text: str
    line: int


@dataclass
class Section:
    """What stands under one heading of the second level."""

    document: "Document"
    title: str
    blocks: list[Block] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.document.name}: {self.title}"


@dataclass
class Document:
    """One Markdown file."""

    path: Path
    text: str
    sections: list[Section] = field(default_factory=list)
    headings: list[str] = field(default_factory=list)
    """All titles, in order."""
    prose: str = ""
    """The text without its code blocks."""

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def anchors(self) -> set[str]:
        """What links can point at."""
        return {anchor_of(title) for title in self.headings}

    def links(self) -> Iterator[str]:
        """The targets of all links."""
        return (found["target"] for found in _LINK.finditer(self.prose))

    def under(self, title: str) -> str:
        """The text under a heading, up to the next one of its level or above."""
        start = re.search(rf"^(#+) {re.escape(title)}$", self.text, re.MULTILINE)
        assert start is not None, f"{self.name} has no heading {title!r}"
        rest = self.text[start.end() :]
        end = re.search(rf"^#{{1,{len(start[1])}}} ", rest, re.MULTILINE)
        return rest[: end.start()] if end else rest


def read(path: Path) -> Document:
    """The document in a file."""
    document = Document(path, path.read_text())
    section = Section(document, "")
    document.sections.append(section)
    block: list[str] | None = None
    info, start = "", 0
    prose: list[str] = []
    for number, line in enumerate(document.text.splitlines(), 1):
        fence = _FENCE.match(line)
        if fence and block is None:
            block, info, start = [], fence["info"].strip(), number
        elif fence and block is not None:
            kind, _, argument = info.partition(" ")
            section.blocks.append(Block(kind, argument, "\n".join(block) + "\n", start))
            block = None
        elif block is not None:
            block.append(line)
        else:
            prose.append(line)
            if heading := _HEADING.match(line):
                document.headings.append(heading["title"])
                if len(heading["marks"]) <= 2:
                    section = Section(document, heading["title"])
                    document.sections.append(section)
    assert block is None, f"{document.name}:{start}: the block does not end"
    document.prose = "\n".join(prose)
    return document


def anchor_of(title: str) -> str:
    """The anchor that a heading gets: lower case, hyphens for spaces, no punctuation."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def table_rows(text: str) -> list[list[str]]:
    """The cells of all table rows in a text, but for headings and rulers."""
    lines = text.splitlines()
    rows = []
    for above, line in zip(["", *lines], lines, strict=False):
        if line.startswith("|") and above.startswith("|") and not set(line) <= set("|-: "):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def words(text: str) -> str:
    """The text with single spaces only, so that it does not matter where lines end."""
    return " ".join(text.split())
