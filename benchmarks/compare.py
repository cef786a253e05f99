"""Base and figure in turns: what else the machine does meets both alike."""

from collections.abc import Callable, Sequence
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

    @classmethod
    def of(cls, bases: Sequence[float], figures: Sequence[float]) -> "Comparison":
        """Divide each figure by the mean of the bases right before and right after it."""
        ratios = [
            2 * figure / (before + after)
            for figure, before, after in zip(figures, bases[:-1], bases[1:], strict=True)
        ]
        return cls(median(bases), median(figures), median(ratios), (min(ratios), max(ratios)))


def compared(key: str, base: Turn, figure: Turn, rounds: int) -> Comparison:
    """Measure base, figure, base, figure, ..., base."""
    bases = [base()]
    figures: list[float] = []
    for number in range(rounds):
        figures.append(figure())
        bases.append(base())
        last = Comparison.of(bases[-2:], figures[-1:])
        progress(
            f"{key}: {number + 1} of {rounds}: {figures[-1]:,.0f}/s, base {bases[-1]:,.0f}/s,"
            f" ratio {last.ratio:.2f}"
        )
    return Comparison.of(bases, figures)
