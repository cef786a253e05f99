"""How far opening a storage may change its schema."""

from enum import Enum


class Upgrade(Enum):
    """How far opening a storage may change its schema; for those that have one."""

    AT_START = "at start"
    """Create it where there is none, and make the changes that a manager may make at its start."""
    ALL = "all"
    """Create it, and make all changes."""
    NONE = "none"
    """Look only; a database that is not there is not made."""
