"""The documents name everything there is, and nothing that is not."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from jsonrpc_qm.params import LIST_LIMITS, MAX_WAIT
from jsonrpc_qm.rpc.dispatch import MAX_BATCH
from jsonrpc_qm.server.running import Settings
from jsonrpc_qm.version import VERSION
from tests.docs.markdown import DOCUMENTS, ROOT, Document, anchor_of, read, table_rows
from tests.unit.test_architecture import FLOORS, MIXED

PACKAGE = ROOT / "jsonrpc_qm"
ARCHITECTURE = read(ROOT / "docs" / "architecture.md")
ADRS = sorted((ROOT / "docs" / "adr").glob("*.md"))


@pytest.fixture(params=DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def document(request: pytest.FixtureRequest) -> Document:
    """Each document in turn."""
    return read(request.param)


def test_links_lead_somewhere(document: Document) -> None:
    """A relative link names a file or folder that is there, and a heading in it."""
    for link in document.links():
        if link.startswith("https://"):
            continue
        file, _, anchor = link.partition("#")
        target = (document.path.parent / unquote(file)) if file else document.path
        assert target.resolve().is_relative_to(ROOT), link
        assert target.exists(), link
        if anchor:
            assert anchor in read(target).anchors, link


def test_no_path_is_of_one_machine(document: Document) -> None:
    """No home and no temporary folder of whoever wrote it."""
    found = re.findall(r"(?<![\w.])/(?:home|root|tmp|work|Users|mnt)/\S*", document.text)
    assert not found


def test_headings_differ(document: Document) -> None:
    """So that a link to one leads there, but for a changelog, whose versions repeat theirs."""
    anchors = [anchor_of(title) for title in document.headings]
    assert document.name == "CHANGELOG.md" or len(anchors) == len(set(anchors))


def test_every_document_can_be_reached_from_the_readme() -> None:
    """By links, over other documents."""
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        path = waiting.pop()
        if path in reached or path not in DOCUMENTS:
            continue
        reached.add(path)
        for link in read(path).links():
            if not link.startswith(("https://", "#")):
                waiting.append((path.parent / link.partition("#")[0]).resolve())
    assert reached == set(DOCUMENTS)


def test_the_newest_change_is_of_this_version() -> None:
    """The changelog opens with the version that the package says it is, and its date."""
    newest = read(ROOT / "CHANGELOG.md").headings[1]
    assert re.fullmatch(rf"\[{re.escape(VERSION)}\] - \d{{4}}-\d\d-\d\d", newest)


def test_changes_are_one_sentence_a_line() -> None:
    """As Keep a Changelog has them, under its kinds of changes and ours for what is missing."""
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security", "Missing"}
    document = read(ROOT / "CHANGELOG.md")
    for heading in re.findall(r"^### (.+)$", document.text, re.MULTILINE):
        assert heading in kinds
    for line in document.under(document.headings[1]).splitlines():
        if line.startswith("-"):
            assert re.fullmatch(r"- .+\.", line), line


def test_the_readme_says_which_version_it_is_about() -> None:
    """Where it says what is missing."""
    assert f"version {VERSION}" in read(ROOT / "README.md").prose


def test_the_floors_are_those_of_the_code() -> None:
    """The table of floors is what the test of imports goes by, from the top down."""
    rows = table_rows(ARCHITECTURE.under("Floors"))
    said = {int(number): set(re.findall(r"`(\w+)`", parts)) for number, parts, _ in rows}
    assert said == dict(enumerate(FLOORS))
    assert list(said) == sorted(said, reverse=True)
    mixed = re.search(r"On the floors ([\d, and]+)", ARCHITECTURE.under("Floors"))
    assert mixed is not None
    assert [int(number) for number in re.findall(r"\d", mixed[1])] == list(MIXED)


def test_the_files_of_the_architecture_are_there() -> None:
    """Every file and folder that it names exists, and every function has its name there."""
    for name in re.findall(r"`([\w/]+(?:\.py|/))`", ARCHITECTURE.prose):
        assert (PACKAGE / name).exists() or (ROOT / name).exists(), name
    for part, name in re.findall(
        r"`([\w/]+\.py)`, `(?:\w+\.)?(\w+)`", ARCHITECTURE.under("The claim, in three files")
    ):
        assert f"def {name}(" in (PACKAGE / part).read_text(), (part, name)


def test_the_files_of_the_decisions_are_there() -> None:
    """A decision names no file that has gone."""
    for path in ADRS:
        for name in re.findall(r"`([\w/]+\.py)`", read(path).prose):
            assert (PACKAGE / name).exists(), (path.name, name)


def test_the_code_refers_to_headings_that_are_there() -> None:
    """Where a comment names a document and a heading in quotes."""
    for folder in ("jsonrpc_qm", "tests", "examples", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            for name, title in re.findall(r'(docs/[\w-]+\.md),\s"([^"]+)"', path.read_text()):
                assert title in read(ROOT / name).headings, (path, title)


def test_decisions_are_numbered_and_listed() -> None:
    """Without gaps; the architecture links to each by its title."""
    assert [path.name[:4] for path in ADRS] == [f"{n:04}" for n in range(1, len(ADRS) + 1)]
    for path in ADRS:
        title = path.read_text().splitlines()[0].removeprefix("# ")
        assert f"[{title}](adr/{path.name})" in ARCHITECTURE.text


@pytest.mark.parametrize("path", ADRS, ids=lambda path: str(path.relative_to(ROOT)))
def test_decisions_have_the_same_parts(path: Path) -> None:
    """Context, decision, consequences, alternatives; on one page."""
    _, *parts = read(path).headings
    assert parts == ["Context", "Decision", "Consequences", "Alternatives"]
    assert len(path.read_text().splitlines()) <= 60


def test_the_limits_are_those_of_the_code() -> None:
    """The protocol's table of limits has their numbers."""
    rows = dict(table_rows(read(ROOT / "docs" / "protocol.md").under("Limits")))
    lists = rows["`tasks` of `queue_many`, `queue` of `complete`, `outcomes`, `leases`"]
    for param in ("tasks", "queue", "outcomes", "leases"):
        assert lists == f"{LIST_LIMITS[param]:,} each"
    assert rows["`names` of `claim` and `report`"] == str(LIST_LIMITS["names"])
    assert rows["members of a batch"] == f"{MAX_BATCH:,}"
    assert rows["`wait`"] == f"{MAX_WAIT:g} s"
    assert rows["a request's body"] == f"{Settings().max_body // 2**20} MiB; `--max-body`"
    payload = rows["`parameters`, `result`, `error`, `progress`, `metadata`"]
    assert payload.startswith(f"{Settings().max_payload // 2**20} MiB")
