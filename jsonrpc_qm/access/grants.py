"""What a caller may do: a role, and the names of tasks that it reaches to."""

import re
from dataclasses import dataclass, field
from enum import StrEnum


class Role(StrEnum):
    """What a token is for. Which methods each may call is in `rpc/permissions.py`."""

    PRODUCER = "producer"
    """Queues tasks, looks at them, cancels them."""
    WORKER = "worker"
    """Claims tasks and ends its claims."""
    OPERATOR = "operator"
    """Reads everything, and keeps the queue going; neither queues nor claims."""
    ADMIN = "admin"
    """May call every method."""


ANY_NAME = "*"
"""The pattern that every name matches."""

_EVERY_NAME = (ANY_NAME,)


@dataclass(frozen=True, slots=True)
class Grant:
    """What one token allows."""

    id: str
    """Of the token; no secret, it is in the log."""
    role: Role
    names: tuple[str, ...] = _EVERY_NAME
    """Patterns of task names: `*` stands for any characters, everything else for itself."""
    key: bytes = field(default=b"", repr=False, compare=False)
    """What cursors are sealed with; the same for all tokens of a file."""
    everywhere: bool = field(init=False)
    """Whether it reaches to every name."""
    _pattern: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "everywhere", ANY_NAME in self.names)
        object.__setattr__(self, "_pattern", re.compile("|".join(map(_expression, self.names))))

    def covers(self, name: str) -> bool:
        """Whether it reaches to tasks of this name."""
        return self.everywhere or self._pattern.fullmatch(name) is not None

    @property
    def only_name(self) -> str | None:
        """The name that it is confined to; None when it reaches to several."""
        return self.names[0] if len(self.names) == 1 and ANY_NAME not in self.names[0] else None


def _expression(pattern: str) -> str:
    # (?s: a name may contain line ends, and `*` stands for them too.
    return "(?s:" + ".*".join(map(re.escape, re.split(r"\*+", pattern))) + ")"
