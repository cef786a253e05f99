"""Texts of others, made safe to show on a terminal."""

import re

# Control characters, and the marks that turn the direction of text around: what a task carries
# must not steer the terminal of who looks at it.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """The text on one line, with what could steer a terminal written as `\\u001b`."""
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def printable_lines(text: str) -> str:
    """The same for a text whose lines are to stay."""
    return "\n".join(printable(line) for line in text.split("\n"))
