"""The rows as a table for people, as one for a document, and as JSON."""

import sys
from collections.abc import Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.row import Row

HEADINGS = ("what", "base", "jsonrpc-qm", "ratio", "target", "reached", "spread")

WIDE = 200
"""Columns of the table when there is no terminal to fit in."""

_stderr = Console(stderr=True, highlight=False, soft_wrap=True)


def progress(line: str) -> None:
    """Tell whoever waits where the run is."""
    _stderr.print(line, style="dim", markup=False)


def cells(row: Row) -> tuple[str, ...]:
    """A row under HEADINGS."""
    base = "" if row.base is None else f"{number(row.base)} {row.base_unit}"
    verdicts = {True: "yes", False: "no", None: ""}
    ratio = "" if row.ratio is None else f"{row.ratio:.2f} x"
    least = row.ratio is not None
    target = ""
    if row.target is not None:
        target = f"at least {row.target:g} x" if least else f"at most {row.target:g} {row.unit}"
    spread = ""
    if row.spread is not None:
        unit = "x" if least else row.unit
        spread = f"{number(row.spread[0])} to {number(row.spread[1])} {unit}"
    told = "; ".join(part for part in (spread, row.note) if part)
    return (
        row.what,
        base,
        f"{number(row.figure)} {row.unit}",
        ratio,
        target,
        verdicts[row.reached],
        told,
    )


def number(figure: float) -> str:
    """A figure with about three digits that mean something."""
    if figure >= 100:
        return f"{figure:,.0f}"
    return f"{figure:.1f}" if figure >= 10 else f"{figure:.2f}"


def table(rows: Sequence[Row]) -> Table:
    """For a terminal."""
    made = Table(*HEADINGS, title="jsonrpc-qm, fsync before every answer")
    for column in (1, 2, 3, 4):
        made.columns[column].justify = "right"
    for row in rows:
        made.add_row(*cells(row), style="red" if row.reached is False else "")
    return made


def markdown(rows: Sequence[Row], machine: dict[str, Any]) -> str:
    """For a document: the table, and what it was measured on."""
    lines = [HEADINGS, ["---", *["---:"] * 4, "---", "---"], *map(cells, rows)]
    facts = ", ".join(f"{name.replace('_', ' ')} {fact}" for name, fact in machine.items())
    return "\n".join([*(f"| {' | '.join(line)} |" for line in lines), "", f"Measured on: {facts}."])


def document(rows: Sequence[Row], **about: Any) -> dict[str, Any]:
    """For programs."""
    return {**about, "rows": [{**msgspec.to_builtins(r), "reached": r.reached} for r in rows]}


def shown(rows: Sequence[Row]) -> None:
    """Print the table; into a file or a pipe as wide as it wants to be."""
    console = Console()
    if not console.is_terminal:
        console.width = WIDE
    console.print(table(rows))


def printed(text: str) -> None:
    """What was asked for goes to stdout, as it is."""
    sys.stdout.write(f"{text}\n")
