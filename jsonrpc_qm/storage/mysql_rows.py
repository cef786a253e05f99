"""Tasks as MySQL and MariaDB give them."""

from collections.abc import Callable
from typing import Any

import msgspec

from jsonrpc_qm.record import Record
from jsonrpc_qm.storage.mysql_statements import ROW
from jsonrpc_qm.storage.statements import COLUMNS

decode = msgspec.json.Decoder(tuple[Any, ...]).decode
"""The values of a row that the server has put into one."""


def numbered(
    run: Callable[[str], Any], statement: Callable[[str], str]
) -> list[tuple[int, Record]]:
    """The tasks that a statement finds, each with its row's number.

    `statement` gets what it is to select after that number.
    """
    rows = run(statement(ROW)).fetchall()
    if all(row is not None for _, row in rows):
        return [(seq, Record(*decode(row))) for seq, row in rows]
    # What is longer than max_allowed_packet, once it is quoted, the server does not put into one
    # value.
    return [(seq, Record(*values)) for seq, *values in run(statement(COLUMNS)).fetchall()]
