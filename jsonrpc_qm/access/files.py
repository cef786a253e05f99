"""The TOML file of tokens: read by managers, written by `jsonrpc-qm token`.

It holds hashes only. A file is replaced as a whole, so a manager that reads it meanwhile sees the
old one or the new one; what people wrote into it beside the tables stays.
"""

import fcntl
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import msgspec

from jsonrpc_qm.access.tokens import Entry
from jsonrpc_qm.errors import InvalidParams, QueueError
from jsonrpc_qm.moments import moment_of, rfc3339

HEAD = """\
# Access tokens of jsonrpc-qm, as hashes. After a change: kill -HUP the manager.
"""

_TABLE = re.compile(r"^[ \t]*\[\[?[^\n]*\n?", re.MULTILINE)


class _File(msgspec.Struct, forbid_unknown_fields=True):
    tokens: list[Entry] = []


def read_tokens(path: str | Path) -> list[Entry]:
    """The entries of a file.

    Raises:
        InvalidParams: it can't be read, or is no file of tokens; says where and why.
    """
    try:
        return _parsed(Path(path).read_bytes(), path)
    except OSError as error:
        raise InvalidParams.of("tokens", f"{path}: {error.strerror}") from error


def add_token(path: Path, entry: Entry) -> None:
    """Append an entry; makes the file, for its owner's eyes only, when there is none.

    Raises:
        QueueError: it can't be read or written.
    """

    def added(text: str) -> str:
        ending = "" if not text or text.endswith("\n") else "\n"
        return f"{text or HEAD}{ending}\n{table(entry)}"

    _change(path, added)


def revoke_token(path: Path, id: str) -> Entry:
    """Take an entry out.

    Raises:
        QueueError: there is none of this id, or the file can't be read or written.
    """
    found = [entry for entry in read_tokens(path) if entry.id == id]
    if not found:
        raise InvalidParams.of("id", f"{path} has no token {id}")
    _change(path, lambda text: _without(text, id, path))
    return found[0]


def table(entry: Entry) -> str:
    """An entry as it stands in the file."""
    members = {
        "id": entry.id,
        "hash": entry.hash,
        "role": str(entry.role),
        "names": entry.names,
        "note": entry.note,
    }
    lines = [f"{key} = {_toml(value)}" for key, value in members.items() if value != ""]
    if entry.created is not None:
        # A time is no text in TOML. Its digits after the point are none here.
        lines.append(f"created = {rfc3339(moment_of(entry.created)).replace('.000000', '')}")
    return "\n".join(["[[tokens]]", *lines]) + "\n"


def _toml(value: str | Sequence[str]) -> str:
    """JSON's strings and arrays are TOML's too, but for DEL, which TOML wants escaped."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _parsed(content: bytes, path: str | Path) -> list[Entry]:
    try:
        entries = msgspec.toml.decode(content, type=_File).tokens
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidParams.of("tokens", f"{path}: {error}") from error
    ids = [entry.id for entry in entries]
    if twice := sorted({id for id in ids if ids.count(id) > 1}):
        raise InvalidParams.of("tokens", f"{path}: the id {twice[0]} is there twice")
    return entries


def _without(text: str, id: str, path: Path) -> str:
    """The text without the table of a token; what stands around it is left as it is."""
    starts = [match.start() for match in _TABLE.finditer(text)]
    left = text
    for start, end in pairwise([*starts, len(text)]):
        with suppress(InvalidParams):
            if [entry.id for entry in _parsed(text[start:end].encode(), path)] == [id]:
                left = text[:start].rstrip("\n") + "\n\n" + text[end:]
                break
    rest = [entry for entry in _parsed(text.encode(), path) if entry.id != id]
    if left == text or _parsed(left.encode(), path) != rest:
        raise QueueError(f"{path}: can't take {id} out of it; do so with an editor")
    return left.rstrip("\n") + "\n"


def _change(path: Path, change: Callable[[str], str]) -> None:
    try:
        with _locked(path.parent):
            old = path.read_bytes() if path.exists() else b""
            _parsed(old, path)
            text = change(old.decode())
            _parsed(text.encode(), path)
            _replace(path, text)
    except OSError as error:
        raise QueueError(f"{path}: {error.strerror}") from error


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Two changes at the same time would lose one. The file is replaced, its folder stays."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _replace(path: Path, text: str) -> None:
    """Put a new file in the place of the old one; it belongs to whom the old one belonged to."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            if path.exists():
                was = path.stat()
                os.fchmod(file.fileno(), was.st_mode & 0o777)
                if (was.st_uid, was.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(file.fileno(), was.st_uid, was.st_gid)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink()
        raise
