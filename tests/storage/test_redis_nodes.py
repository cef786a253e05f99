"""A Redis Cluster that has lost a node."""

from collections.abc import Iterator
from contextlib import closing

import pytest
import redis

from jsonrpc_qm.errors import Unavailable
from jsonrpc_qm.ids import new_id
from jsonrpc_qm.storage.redis import RedisStorage
from tests.acceptance.rpc import until
from tests.records import NOW, a_record
from tests.servers.redis import RedisClusterProcesses
from tests.storage.verbs import add, claim, sweep


@pytest.fixture
def servers() -> Iterator[RedisClusterProcesses]:
    """A cluster of its own, whose nodes answer when one of them is away."""
    with closing(RedisClusterProcesses()) as cluster:
        for process in cluster.nodes:
            with redis.Redis(port=process.port) as node:
                node.config_set("cluster-require-full-coverage", "no")
        yield cluster


def test_names_of_other_nodes_go_on(servers: RedisClusterProcesses) -> None:
    """They are queued to, claimed from and swept; those of the node that is away are Unavailable
    until it is back."""
    with closing(RedisStorage(servers.url)) as storage:
        client = storage._server._client
        lost = servers.nodes[-1]
        names = [f"n{number}" for number in range(20)]
        on_lost = {
            name
            for name in names
            if client.get_node_from_key(storage._shards.of(name).tasks).port == lost.port
        }
        assert 0 < len(on_lost) < len(names)
        add(storage, *(a_record(new_id(name), name=name) for name in names))
        add(storage, *(a_record(f"ripe-{name}", name=name, run_at=NOW + 1) for name in names))
        lost.kill()
        swept = sweep(storage, now=NOW + 1)
        assert {record.name for record in swept.records} == set(names) - on_lost
        assert swept.ready == dict.fromkeys(set(names) - on_lost, 2)
        for name in names:
            if name in on_lost:
                with pytest.raises(Unavailable):
                    claim(storage, name)
                with pytest.raises(Unavailable):
                    add(storage, a_record(new_id(name), name=name))
            else:
                add(storage, a_record(new_id(name), name=name, run_at=NOW + 1))
                assert len(claim(storage, name, max_tasks=9, now=NOW + 1)) == 3
        lost.start()
        until(lambda: len(sweep(storage, now=NOW + 1).records) == len(on_lost))
