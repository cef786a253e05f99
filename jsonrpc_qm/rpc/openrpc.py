"""The OpenRPC document, generated from the definitions that check the params."""

from typing import Any


def document() -> dict[str, Any]:
    """The OpenRPC document of this manager."""
    return {}
