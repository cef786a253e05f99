"""Base and figure in turns: what else the machine does meets both alike."""

from collections.abc import Callable
from statistics import median

import msgspec

from benchmarks.show import progress

Turn = Callable[[], float]
"""Measures once; answers a rate."""


class Comparison(msgspec.Struct, frozen=True):
    """Medians over the turns."""

    base: float
    figure: float
    ratio: float
    spread: tuple[float, float]
    """The smallest and the largest ratio."""


def compared(key: str, base: Turn, figure: Turn, rounds: int) -> Comparison:
    """Measure base, figure, base, figure, ..., base.

    Each figure is divided by the mean of the bases right before and right after it.
    """
    bases = [base()]
    figures: list[float] = []
    ratios: list[float] = []
    for number in range(rounds):
        figures.append(figure())
        bases.append(base())
        ratios.append(2 * figures[-1] / (bases[-2] + bases[-1]))
        progress(
            f"{key}: {number + 1} of {rounds}: {figures[-1]:,.0f}/s, base {bases[-1]:,.0f}/s,"
            f" ratio {ratios[-1]:.2f}"
        )
    return Comparison(median(bases), median(figures), median(ratios), (min(ratios), max(ratios)))
