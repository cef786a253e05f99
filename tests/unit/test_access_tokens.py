"""Tokens, what they allow, and the file that holds their hashes."""

import hmac
import re
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jsonrpc_qm.access.files import add_token, read_tokens, revoke_token
from jsonrpc_qm.access.grants import Grant, Role
from jsonrpc_qm.access.tokens import Entry, Tokens, hash_of, new_token
from jsonrpc_qm.errors import InvalidParams, QueueError
from tests.thoroughness import examples

HASH = "sha256:" + "0" * 64


def test_a_token_is_recognised() -> None:
    """It allows what was asked for when it was made."""
    made, entry = new_token(Role.WORKER, ["reports.*", "mail"])
    grant = Tokens([entry, new_token(Role.ADMIN)[1]]).grant_of(made)
    assert grant == Grant(entry.id, Role.WORKER, ("reports.*", "mail"))


def test_what_is_no_token_is_not() -> None:
    """A changed one, one of another file, a piece of one, and whatever else a client may send."""
    made, entry = new_token(Role.ADMIN)
    other, _ = new_token(Role.ADMIN)
    tokens = Tokens([entry])
    secret = made.rpartition("_")[2]
    wrong = [
        other,
        made[:-1],
        made + "x",
        made.upper(),
        "x" + made,
        f"jqm_{entry.id}_",
        f"jqm_{entry.id}",
        f"abc_{entry.id}_{secret}",
        entry.hash,
        secret,
        "",
        "_",
        "__",
        "\udcff",
        "jqm_\n_",
        "ü" * 10_000,
    ]
    assert [text for text in wrong if tokens.grant_of(text) is not None] == []


def test_a_key_is_that_of_all_tokens_together() -> None:
    """Each manager with the file has the same one; no token alone is enough to make it."""
    (token, entry), (_, other), (_, more) = [new_token(Role.WORKER, ["a"]) for _ in range(3)]
    files = [[entry, other], [other, entry], [entry, other, more], [entry]]
    grants = [Tokens(entries).grant_of(token) for entries in files]
    keys = [grant.key for grant in grants if grant is not None]
    assert keys[0] == keys[1]
    assert len({*keys}) == 3
    assert str(keys[0]) not in repr(grants[0])


def test_a_token_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept has no part of its secret, and each has 256 bits of its own."""
    made = [new_token(Role.ADMIN) for _ in range(100)]
    for token, entry in made:
        found = re.fullmatch(r"jqm_([a-z0-9]{8})_([\w-]{43})", token)
        assert found is not None
        assert entry.id == found[1]
        assert found[2] not in repr(entry)
    assert len({token for token, _ in made}) == 100


def test_hashes_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also for an id that is not there, so that it looks like one with another secret."""
    compared = []

    def compare(one: str, other: str) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr(hmac, "compare_digest", compare)
    made, entry = new_token(Role.ADMIN)
    tokens = Tokens([entry])
    for text in (made, made[:-1], "jqm_unknown_secret", "nonsense"):
        tokens.grant_of(text)
    assert [other for _, other in compared] == [
        hash_of(text) for text in (made, made[:-1], "jqm_unknown_secret", "nonsense")
    ]


@pytest.mark.parametrize(
    ("pattern", "covered", "not_covered"),
    [
        ("*", ["", "a", "reports.x", "a\nb"], []),
        ("mail", ["mail"], ["mails", "Mail", "mail\n", "xmail", ""]),
        (
            "reports.*",
            ["reports.", "reports.a.b", "reports.\n"],
            ["reports", "reportsXa", "a.reports.b"],
        ),
        ("*.eu", ["a.eu", ".eu"], ["eu", "a.eu.b"]),
        ("a*b*c", ["abc", "axbxc", "abbcc"], ["ab", "acb"]),
        ("[a]?", ["[a]?"], ["a", "ax", "[a]x"]),
        ("**", ["", "a"], []),
    ],
)
def test_a_pattern_covers_names(pattern: str, covered: list[str], not_covered: list[str]) -> None:
    """`*` stands for any characters, and nothing else for anything but itself."""
    grant = Grant("id", Role.WORKER, (pattern,))
    assert [name for name in covered if not grant.covers(name)] == []
    assert [name for name in not_covered if grant.covers(name)] == []


def test_several_patterns_cover_what_each_covers() -> None:
    """And with * among them everything."""
    grant = Grant("id", Role.WORKER, ("a", "b.*"))
    assert [grant.covers(name) for name in ("a", "b.x", "ab.x", "c")] == [True, True, False, False]
    assert Grant("id", Role.WORKER, ("a", "*")).covers("c")


@given(st.text(min_size=1, max_size=50))
def test_a_name_is_covered_by_itself(name: str) -> None:
    """Whatever characters it has."""
    assert Grant("id", Role.WORKER, (name,)).covers(name)


def test_a_file_is_made_for_its_owner_only(tmp_path: Path) -> None:
    """And grows by what is added."""
    path = tmp_path / "tokens.toml"
    entries = [new_token(role, ["a", "b*"], note=f"for {role}")[1] for role in Role]
    for entry in entries:
        add_token(path, entry)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_tokens(path) == entries
    assert list(tmp_path.iterdir()) == [path]


@settings(deadline=None, max_examples=examples(20))  # each waits for the disk
@given(names=st.lists(st.text(min_size=1, max_size=9), min_size=1, max_size=3), note=st.text())
def test_any_text_can_be_kept(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], note: str
) -> None:
    """Quotes, line ends, control characters and what looks like a table."""
    path = tmp_path_factory.mktemp("kept") / "tokens.toml"
    entry = new_token(Role.WORKER, names, note=note)[1]
    other = new_token(Role.WORKER, ["[[tokens]]"], note="\n[[tokens]]\n")[1]
    add_token(path, entry)
    add_token(path, other)
    assert read_tokens(path) == [entry, other]
    assert revoke_token(path, entry.id) == entry
    assert read_tokens(path) == [other]


def test_a_file_keeps_its_mode_and_what_people_wrote(tmp_path: Path) -> None:
    """A group that may read it, and comments, are still there after a change."""
    path = tmp_path / "tokens.toml"
    path.write_text("# ours\n\n[[tokens]] # the first\nid = 'a'\n"
                    f"hash = '{HASH}'\nrole = 'admin'\nnames = ['*']\n# the last")  # fmt: skip
    path.chmod(0o640)
    entry = new_token(Role.WORKER)[1]
    add_token(path, entry)
    text = path.read_text()
    assert text.startswith("# ours\n\n[[tokens]] # the first\nid = 'a'\n")
    assert "# the last\n" in text
    revoke_token(path, entry.id)
    assert [kept.id for kept in read_tokens(path)] == ["a"]
    revoke_token(path, "a")
    assert read_tokens(path) == []
    assert "# ours" in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_token_that_is_not_there_cannot_be_revoked(tmp_path: Path) -> None:
    """It says so, and leaves the file alone."""
    path = tmp_path / "tokens.toml"
    add_token(path, new_token(Role.ADMIN)[1])
    before = path.read_bytes()
    with pytest.raises(InvalidParams, match="has no token nope"):
        revoke_token(path, "nope")
    assert path.read_bytes() == before


def test_what_no_program_can_take_out_is_left_to_people(tmp_path: Path) -> None:
    """An array in one line is TOML too; it is not guessed at."""
    path = tmp_path / "tokens.toml"
    path.write_text(f"tokens = [{{id='a', hash='{HASH}', role='admin', names=['*']}}]")
    with pytest.raises(QueueError, match="with an editor"):
        revoke_token(path, "a")
    assert [entry.id for entry in read_tokens(path)] == ["a"]


ENTRY = f"[[tokens]]\nid='a'\nhash='{HASH}'\nrole='admin'\nnames=['*']\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[tokens", "Expected ']]'"),
        ("token = 1", "unknown field `token`"),
        (ENTRY.replace("admin", "root"), "Invalid enum value 'root' - at `$.tokens[0].role`"),
        (ENTRY.replace("['*']", "[]"), "length >= 1 - at `$.tokens[0].names`"),
        (ENTRY.replace("names=['*']\n", ""), "missing required field `names`"),
        (ENTRY.replace(HASH, "jqm_a_secret"), "$.tokens[0].hash"),
        (ENTRY.replace("'a'", "'A'"), "$.tokens[0].id"),
        (ENTRY + "secret='x'\n", "unknown field `secret`"),
        (ENTRY + ENTRY, "the id a is there twice"),
        ("\xff", "tokens.toml"),
    ],
)
def test_a_file_that_is_none_says_where(tmp_path: Path, text: str, said: str) -> None:
    """With its path; and nothing is added to it."""
    path = tmp_path / "tokens.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InvalidParams) as refusal:
        read_tokens(path)
    assert said in str(refusal.value)
    assert str(path) in str(refusal.value)
    with pytest.raises(InvalidParams):
        add_token(path, Entry("b", HASH, Role.ADMIN, ["*"]))
    assert path.read_bytes() == text.encode("latin-1")


def test_a_file_that_cannot_be_read_is_one_clear_error(tmp_path: Path) -> None:
    """Of the operating system's words."""
    with pytest.raises(InvalidParams, match=r"none\.toml: No such file or directory"):
        read_tokens(tmp_path / "none.toml")
    with pytest.raises(QueueError, match="No such file or directory"):
        add_token(tmp_path / "no" / "tokens.toml", new_token(Role.ADMIN)[1])
