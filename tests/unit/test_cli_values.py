"""What people type becomes values, or one line that says what is wrong."""

import io
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest

from jsonrpc_qm.cli import values
from tests.unit.cli_fakes import FakeManager, run


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90.0),
        ("1.5", 1.5),
        (".5", 0.5),
        ("0", 0.0),
        ("500ms", 0.5),
        ("45s", 45.0),
        ("30m", 1800.0),
        ("12h", 43200.0),
        ("7d", 604800.0),
        ("2w", 1209600.0),
        ("1h30m", 5400.0),
        (" 5 ", 5.0),
    ],
)
def test_durations_are_seconds_or_numbers_with_units(text: str, seconds: float) -> None:
    """A duration is a number of seconds, or numbers with units one after the other."""
    assert values.duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "-5", "5 days", "7D", "nan", "inf", "1e3", "5x", "h", "٣"])
def test_no_duration_is_refused_with_an_example(text: str) -> None:
    """What is no duration is refused, and the error shows how to write one."""
    with pytest.raises(click.BadParameter, match="is no duration; write seconds, or 30m"):
        values.duration(text)


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("1024", 1024), ("512KiB", 524288), ("16MiB", 16777216)]
)
def test_sizes_are_bytes_or_binary_multiples(text: str, size: int) -> None:
    """A size is a number of bytes, or of KiB, MiB or GiB."""
    assert values.size(text) == size


@pytest.mark.parametrize("text", ["", "-1", "1.5MiB", "16M", "MiB"])
def test_no_size_is_refused(text: str) -> None:
    """What is no size is refused, and the error shows how to write one."""
    with pytest.raises(click.BadParameter, match="is no size"):
        values.size(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, 2.5, null]}', {"a": [1, 2.5, None]}),
        ("7", 7),
        ('"text"', "text"),
        (str(10**40), 10**40),
        ('"\\u20ac€"', "€€"),
    ],
)
def test_json_arguments_are_read_whole(text: str, value: object) -> None:
    """JSON on the command line keeps every digit and every character."""
    assert values.json_value(text) == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": }', "it is no JSON: Expecting value at column 7"),
        ("[1,\n2,,]", "Expecting value at line 2, column 3"),
        ("hello", """a text needs quotes of its own: '"hello"'"""),
        ("", "Expecting value at column 1"),
        ("1 2", "Extra data at column 3"),
        ("NaN", "NaN is none of its values"),
        ("[" * 100_000, "nested too deeply"),
        ("\udcff", "is not UTF-8"),
        ("@/no/such/file", "/no/such/file: No such file or directory"),
    ],
)
def test_bad_json_says_where_it_is_wrong(text: str, said: str) -> None:
    """Bad JSON is one line, with the place of the fault and often its remedy."""
    with pytest.raises(click.BadParameter) as refused:
        values.json_value(text)
    assert said in refused.value.message
    assert "\n" not in refused.value.message


def test_json_comes_from_a_file_with_an_at_sign(tmp_path: Path) -> None:
    """`@file` stands for what the file holds."""
    path = tmp_path / "parameters.json"
    path.write_text('{"größe": 1}\n', encoding="utf-8")
    assert values.json_value(f"@{path}") == {"größe": 1}


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    """JSON is UTF-8; a file that isn't is named."""
    path = tmp_path / "latin.json"
    path.write_bytes('"ü"'.encode("latin-1"))
    with pytest.raises(click.BadParameter, match=f"{path} is not UTF-8"):
        values.json_value(f"@{path}")


def test_json_comes_from_standard_input_with_a_dash() -> None:
    """`-` stands for standard input."""
    manager = FakeManager()
    result = run("queue", "hello", "-", manager=manager, input=io.BytesIO('{"ü": 1}'.encode()))
    assert result.exit_code == 0
    assert manager.call[1] == ("hello", {"ü": 1})


def test_times_need_a_zone() -> None:
    """A time is RFC 3339 with its zone, so that it means the same everywhere."""
    assert values.moment("2030-01-31T10:00:00+02:00") == datetime(2030, 1, 31, 8, tzinfo=UTC)
    with pytest.raises(click.BadParameter, match="has no zone; add Z"):
        values.moment("2030-01-31T10:00:00")
    with pytest.raises(click.BadParameter, match="is no time"):
        values.moment("tomorrow")


def test_a_time_that_was_may_be_said_by_how_long_ago_it_is() -> None:
    """A duration back from now; a time is one all the same."""
    ago = datetime.now(UTC) - values.moment_or_ago("1h30m")
    assert ago.total_seconds() == pytest.approx(5400, abs=60)
    there = values.moment_or_ago("2030-01-31T10:00:00+02:00")
    assert there == datetime(2030, 1, 31, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tomorrow", "is no time; write it like 2030-01-31T08:00:00Z, or 1h for an hour ago"),
        ("-1h", "is no time; write it like"),
        # Meant is hardly what was half an hour ago.
        ("2030", "is no time; write it like"),
        ("2030-01-31", "has no zone; add Z"),
        ("99999999w", "is too long ago"),
    ],
)
def test_what_may_be_no_time_is_refused(text: str, said: str) -> None:
    """A number without a unit is no duration here: it could be a year."""
    with pytest.raises(click.BadParameter, match=said):
        values.moment_or_ago(text)


def test_key_value_pairs_split_at_the_first_equals_sign() -> None:
    """A value may hold an equals sign, a key must not be empty."""
    assert values.key_value("traceparent=a=b") == ("traceparent", "a=b")
    assert values.key_value("empty=") == ("empty", "")
    for text in ("nothing", "=value"):
        with pytest.raises(click.BadParameter, match="is not key=value"):
            values.key_value(text)


def test_a_managers_password_is_in_no_message() -> None:
    """Whatever else is wrong with the URL."""
    with pytest.raises(click.BadParameter, match="there") as refused:
        values.manager_url("http://jo:secret@there:1,")
    assert "secret" not in str(refused.value)
    with pytest.raises(click.BadParameter, match="is no URL of a manager") as refused:
        values.manager_url("jo:secret@there:1")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    ["", "localhost", "localhost:8642", "ftp://host", "http://", "http://h:x", "http://a,http://"],
)
def test_what_is_no_manager_url_is_refused(text: str) -> None:
    """Only http and https URLs with a host name a manager."""
    with pytest.raises(click.BadParameter, match="is no URL of a manager"):
        values.manager_url(text)


def test_several_managers_have_commas_between() -> None:
    """Each is a URL of its own."""
    text = "http://a:8642, https://b/queue"
    assert values.manager_url(text) == text


def test_names_have_commas_between() -> None:
    """Spaces around the commas don't count."""
    assert values.comma_separated("a, b,c") == ["a", "b", "c"]
    with pytest.raises(click.BadParameter):
        values.comma_separated(" , ")
