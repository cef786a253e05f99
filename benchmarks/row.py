"""One line of the table."""

import msgspec


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A figure, beside its base when it has one, and what it has to reach.

    With a ratio that has to be at least `target`; without one the figure itself, in `unit`, at most
    `target`.
    """

    key: str
    """What `--only` chooses by."""
    what: str
    unit: str
    figure: float
    target: float | None
    """None where nothing is to be reached."""
    base: float | None = None
    base_unit: str = ""
    ratio: float | None = None
    """Figure by base: the median of the turns, not the ratio of the medians."""
    spread: tuple[float, float] | None = None
    """The smallest and the largest single ratio, or single figure where there is no base."""
    note: str = ""
    storage: str = ""
    """What `--on` chooses by, of figures about one of several storages."""

    @property
    def reached(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.target is None:
            return None
        return self.figure <= self.target if self.ratio is None else self.ratio >= self.target
