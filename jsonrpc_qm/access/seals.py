"""Cursors under seal, for tokens that reach to some names only.

A storage's cursor has the number of a task in it, and numbers count the tasks of all names. Under a
seal it tells nothing, not even by its length, and none can be made up: a nonce that comes from the
cursor itself (RFC 5297 calls that synthetic), and the cursor, padded, hidden by what follows from
the key and the nonce. Nothing is kept, so each manager with the same key opens it, after a restart
too.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode

_NONCE = 16
"""Bytes; with the cursor it makes a number that base64 needs no padding for."""

_CURSOR = 92
"""Bytes that a cursor is padded to. The longest has two numbers' worth and an id: 85."""


def sealed(key: bytes, cursor: str) -> str:
    """A cursor for a caller, 144 characters."""
    padded = cursor.encode().ljust(_CURSOR, b"\0")
    nonce = _nonce(key, padded)
    return urlsafe_b64encode(nonce + _hidden(key, nonce, padded)).decode()


def unsealed(key: bytes, text: str) -> str | None:
    """The cursor that a caller brings back; None when it was not sealed with this key."""
    try:
        content = urlsafe_b64decode(text)
    except ValueError:
        return None
    nonce, padded = content[:_NONCE], _hidden(key, content[:_NONCE], content[_NONCE:])
    if len(padded) != _CURSOR or not hmac.compare_digest(nonce, _nonce(key, padded)):
        return None
    return padded.rstrip(b"\0").decode()


def _nonce(key: bytes, padded: bytes) -> bytes:
    return hashlib.blake2b(padded, key=key, digest_size=_NONCE, person=b"cursor").digest()


def _hidden(key: bytes, nonce: bytes, text: bytes) -> bytes:
    """The text, or what it was before when it is hidden already."""
    stream = hashlib.shake_256(key + nonce).digest(len(text))
    return bytes(a ^ b for a, b in zip(text, stream, strict=True))
