"""Numbers in sentences."""


def counted(number: int, noun: str) -> str:
    """A number and what it counts: `1 task`, `20 tasks`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
