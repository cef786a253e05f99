"""What a Redis remembers of workers."""

from collections.abc import Collection, Sequence

import msgspec

from jsonrpc_qm.storage.base import WORKER_GONE, Sighting, WorkerRow
from jsonrpc_qm.storage.redis_reads import Reads
from jsonrpc_qm.storage.redis_view import View


def row(view: Reads, worker: str) -> WorkerRow | None:
    """What is known of a worker, but for how many tasks it holds."""
    [value] = view.values(view.shards.common.workers, [worker])
    return None if value is None else _row(worker, value)


def rows(view: Reads) -> list[WorkerRow]:
    """See `Storage.workers`."""
    running = view.counts([keys.running for keys in view.shards.all])
    return [
        _row(worker, value, running.get(worker, 0))
        for worker, value in sorted(view.everything([view.shards.common.workers]).items())
    ]


def draining(view: Reads, workers: Collection[str]) -> set[str]:
    """Those of some workers that are asked to drain."""
    view.load(fields={view.shards.common.workers: workers})
    rows = [row(view, worker) for worker in workers]
    return {each.worker for each in rows if each is not None and each.drain}


def saw(view: View, sightings: Sequence[Sighting], now: int) -> list[bool]:
    """See `Storage.saw`."""
    if sightings:
        view.load(fields={view.shards.common.workers: [each.worker for each in sightings]})
    return [_saw(view, sighting, now) for sighting in sightings]


def _saw(view: View, sighting: Sighting, now: int) -> bool:
    known = row(view, sighting.worker)
    drain = known is not None and known.drain and not _is_gone(known, now)
    names = sighting.names or (known.names if known is not None else ())
    _put(view, sighting.worker, names, now, drain)
    return drain


def drain(view: View, worker: str, now: int) -> bool:
    """See `Storage.drain`."""
    known = row(view, worker)
    if known is None or _is_gone(known, now):
        return False
    _put(view, worker, known.names, known.last_seen, True)
    return True


def forget(view: View, before: int) -> None:
    """See `Storage.forget_workers`."""
    key = view.shards.common.workers
    for worker, value in view.everything([key]).items():
        if _row(worker, value).last_seen < before:
            view.set_value(key, worker, None)


def _put(view: View, worker: str, names: tuple[str, ...], last_seen: int, drain: bool) -> None:
    value = msgspec.msgpack.encode((names, last_seen, drain))
    view.set_value(view.shards.common.workers, worker, value)


def _row(worker: str, value: bytes, running: int = 0) -> WorkerRow:
    names, last_seen, drain = msgspec.msgpack.decode(value)
    return WorkerRow(
        worker=worker, names=tuple(names), last_seen=last_seen, running=running, drain=drain
    )


def _is_gone(row: WorkerRow, now: int) -> bool:
    return row.last_seen < now - WORKER_GONE
