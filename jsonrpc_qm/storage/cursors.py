"""The cursors of storages that number their tasks as they are stored."""

from jsonrpc_qm.errors import InvalidParams

FOREVER = 2**62
"""A number, or a moment, after all others."""


def position(cursor: str | None) -> int:
    """The number before which a page begins.

    Raises:
        InvalidParams: no list gave that cursor.
    """
    if cursor is None:
        return FOREVER
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 20):
        raise InvalidParams.of("cursor", "not a cursor that list_tasks gave")
    return min(int(cursor), FOREVER)
