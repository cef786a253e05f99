"""The parts of a queue on a Redis Cluster, as those see them who call the storage."""

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

from jsonrpc_qm.storage.redis_shards import Shards


class RedisParts:
    """Each shard is a part; see `storage.base.Parts`."""

    def __init__(
        self, shards: Shards, transaction: Callable[[Collection[int]], AbstractContextManager[None]]
    ) -> None:
        self._shards = shards
        self.count = len(shards.all)
        self.transaction = transaction
        self._threads = ThreadPoolExecutor(self.count, thread_name_prefix="part")

    def of_name(self, name: str) -> int:
        """The part that holds all tasks of a name."""
        return self._shards.of(name).shard

    def of_id(self, id: str) -> int:
        """The part that knows where a task is."""
        return self._shards.home(id).shard

    def together(self, calls: Sequence[Callable[[], None]]) -> None:
        """Make some calls side by side."""
        if len(calls) == 1:
            calls[0]()
        else:
            for made in [self._threads.submit(call) for call in calls]:
                made.result()

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False)
