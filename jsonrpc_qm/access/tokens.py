"""Bearer tokens: how they are made, and how one is recognised by its hash.

A token is `jqm_<id>_<secret>`. The id is public: it finds the entry, and it is what logs say. The
secret is 256 random bits, so there is nothing for a slow hash to protect: SHA-256 is as hard to
reverse for such a secret as anything, and costs a call a microsecond.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from jsonrpc_qm.access.grants import ANY_NAME, Grant, Role

PREFIX = "jqm"
"""What tokens begin with, so that people and scanners for leaked secrets know one."""

_ID_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
_ID_LENGTH = 8

Pattern = Annotated[str, Meta(min_length=1, max_length=200)]


class Entry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What is kept of a token."""

    id: Annotated[str, Meta(pattern=r"^[a-z0-9]{1,32}$(?!\n)")]
    hash: Annotated[str, Meta(pattern=r"^sha256:[0-9a-f]{64}$(?!\n)")]
    """Of the whole token."""
    role: Role
    names: Annotated[list[Pattern], Meta(min_length=1, max_length=500)]
    created: datetime | None = None
    note: str = ""
    """What it is for, for people."""

    def grant(self, key: bytes = b"") -> Grant:
        """What it allows; `key` seals its cursors."""
        return Grant(self.id, self.role, tuple(self.names), key)


def new_token(
    role: Role, names: Iterable[str] = (ANY_NAME,), *, note: str = ""
) -> tuple[str, Entry]:
    """A new token, which only its owner is to know, and what is kept of it."""
    id = "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_LENGTH))
    token = f"{PREFIX}_{id}_{secrets.token_urlsafe(32)}"
    created = datetime.now(UTC).replace(microsecond=0)
    return token, Entry(id, hash_of(token), role, list(names), created, note)


def hash_of(token: str) -> str:
    """What is kept in a token's place."""
    return "sha256:" + hashlib.sha256(token.encode(errors="surrogateescape")).hexdigest()


_NO_HASH = hash_of("")
"""In the place of the hash of an unknown id, so that looking it up takes as long."""


class Tokens:
    """The tokens that are good now."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        # Each manager with this file has the same key, and who has one token of it does not know
        # the hashes of the others.
        hashes = "".join(sorted(entry.hash for entry in entries))
        key = hashlib.sha256(f"cursors {hashes}".encode()).digest()
        self._known = {entry.id: (entry.hash, entry.grant(key)) for entry in entries}

    def __len__(self) -> int:
        return len(self._known)

    def grant_of(self, token: str) -> Grant | None:
        """What a token allows; None when it is none of these.

        How long that takes tells nothing about the secret.
        """
        prefix, _, rest = token.partition("_")
        id, _, _ = rest.partition("_")
        hash, grant = self._known.get(id, (_NO_HASH, None))
        is_same = hmac.compare_digest(hash, hash_of(token))
        return grant if is_same and prefix == PREFIX else None
