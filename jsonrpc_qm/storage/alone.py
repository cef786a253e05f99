"""What goes for a storage in one piece with one manager, which has nobody to tell anything."""

from collections.abc import Callable

from jsonrpc_qm.storage.base import News


class Alone:
    """A storage whose tasks have one manager."""

    shared = False
    writers = 1
    parts = None

    def announce(self, news: News) -> None:
        """Nobody is told: other processes, if there may be any, see a change by themselves."""

    def subscribe(self, heard: Callable[[News], None]) -> None:
        """Nobody tells."""
