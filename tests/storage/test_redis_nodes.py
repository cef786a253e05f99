"""A Redis Cluster that has lost a node."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from itertools import repeat
from typing import Any

import pytest
import redis

from jsonrpc_qm.errors import Unavailable
from jsonrpc_qm.ids import new_id
from jsonrpc_qm.record import Record
from jsonrpc_qm.storage import redis_server
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


def names_and_those_on(storage: RedisStorage, port: int) -> tuple[list[str], set[str]]:
    """Names on all nodes, and those of them that are on one."""
    client = storage._server._client
    names = [f"n{number}" for number in range(20)]
    on_it = {
        name
        for name in names
        if client.get_node_from_key(storage._shards.of(name).tasks).port == port
    }
    assert 0 < len(on_it) < len(names)
    return names, on_it


def test_names_of_other_nodes_go_on(servers: RedisClusterProcesses) -> None:
    """They are queued to, claimed from and swept; those of the node that is away are Unavailable
    until it is back."""
    with closing(RedisStorage(servers.url)) as storage:
        lost = servers.nodes[-1]
        names, on_lost = names_and_those_on(storage, lost.port)
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


def test_a_node_that_stands_still_holds_up_names_of_others_once(
    servers: RedisClusterProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked again apart from them, and its own names go on when it does."""
    time_limit = 2.0
    monkeypatch.setattr(redis_server, "TIMEOUT", time_limit)
    with closing(RedisStorage(servers.url)) as storage:
        still = servers.nodes[-1]
        names, on_still = names_and_those_on(storage, still.port)
        add(storage, *(a_record(new_id(name), name=name) for name in names))
        os.kill(still._process.pid, signal.SIGSTOP)
        assert sweep(storage).ready.keys() == set(names) - on_still
        began = time.monotonic()
        for name in set(names) - on_still:
            assert len(claim(storage, name)) == 1
        for name in on_still:
            with pytest.raises(Unavailable):
                claim(storage, name)
        assert sweep(storage).ready == {}
        assert time.monotonic() - began < time_limit
        os.kill(still._process.pid, signal.SIGCONT)
        until(lambda: sweep(storage).ready.keys() == on_still)
        for name in on_still:
            assert len(claim(storage, name)) == 1


def restart_all(servers: RedisClusterProcesses) -> None:
    """In their first two seconds nodes say that the cluster is down."""
    for process in servers.nodes:
        process.kill()
        process.start()


def kill_all(servers: RedisClusterProcesses) -> None:
    """Then the driver says something else than that a connection was lost."""
    for process in servers.nodes:
        process.kill()


@pytest.mark.parametrize("then", [restart_all, kill_all])
def test_a_commit_whose_answer_was_lost_is_in_doubt_whatever_is_met_when_it_is_sent_again(
    servers: RedisClusterProcesses,
    monkeypatch: pytest.MonkeyPatch,
    then: Callable[[RedisClusterProcesses], None],
) -> None:
    """It may have been carried out."""
    answer_of = redis.Redis.parse_response
    lost: list[str] = []

    def lose(client: redis.Redis, connection: Any, command: str, **options: Any) -> Any:
        answer = answer_of(client, connection, command, **options)
        if command.startswith("EVAL") and not lost:
            lost.append(command)
            then(servers)
            raise redis.ConnectionError("the answer is lost")
        return answer

    with closing(RedisStorage(servers.url)) as storage:
        task = a_task_of_one_shard(storage)
        monkeypatch.setattr(redis.Redis, "parse_response", lose)
        with pytest.raises(Unavailable) as caught:
            add(storage, task)
    assert caught.value.data.get("answer_lost")


def test_a_commit_that_was_refused_is_not_in_doubt(servers: RedisClusterProcesses) -> None:
    """The caller may send it again, whatever it is."""
    with closing(RedisStorage(servers.url)) as storage:
        slot = storage._server._client.keyslot(storage._shards.of("mail").tasks)
        for process in servers.nodes:
            with redis.Redis(port=process.port) as node, suppress(redis.ResponseError):
                node.execute_command("CLUSTER DELSLOTS", slot)
        with pytest.raises(Unavailable, match=r"not covered|not served") as caught:
            add(storage, a_task_of_one_shard(storage))
    assert "answer_lost" not in caught.value.data


def a_task_of_one_shard(storage: RedisStorage) -> Record:
    """One that is stored by one script."""
    shards = storage._shards
    ids = map(new_id, repeat("mail"))
    return a_record(next(id for id in ids if shards.home(id) is shards.of("mail")), name="mail")
