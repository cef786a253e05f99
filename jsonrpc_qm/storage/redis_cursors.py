"""The cursors of lists on Redis."""

from jsonrpc_qm.errors import InvalidParams
from jsonrpc_qm.storage import redis_keys


def cursor_of(member: bytes) -> str:
    """A place in a list, for `_member`."""
    return f"{redis_keys.number_in(member)}:{member[redis_keys.NUMBER :].decode()}"


def member_of(cursor: str) -> bytes:
    """The member that a page ended with."""
    number, colon, id = cursor.partition(":")
    if not (colon and number.isascii() and number.isdigit() and len(number) < 20 and id.isascii()):
        raise InvalidParams.of("cursor", "not a cursor that list_tasks gave")
    return redis_keys.listed(min(int(number), (1 << 64) - 1)) + id.encode()
