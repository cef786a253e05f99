"""A Redis Cluster that holds a queue: each node is asked at the same time as the others.

A node that stands still refuses nothing, and whoever asks it waits until time is up. So once that
has happened nobody asks it, until it has answered a thread that does nothing else.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import redis
from redis.cluster import ClusterNode, RedisCluster
from redis.exceptions import AskError, ClusterDownError, MovedError, TryAgainError

from jsonrpc_qm.storage.redis_keys import Keys
from jsonrpc_qm.storage.redis_reads import Command
from jsonrpc_qm.storage.redis_server import (
    FAULTS,
    LOST,
    PAUSES,
    RedisServer,
    Script,
    settings_of,
)
from jsonrpc_qm.storage.redis_shards import SHARDS, common_begin

T = TypeVar("T")

ELSEWHERE = (
    MovedError,
    AskError,
    TryAgainError,
    ClusterDownError,
    redis.ConnectionError,
    redis.TimeoutError,
)
"""What a node answers that is not the one to ask, or not now; the driver knows what to do then."""

ASK_AGAIN_AFTER = 1.0
"""Seconds after which a node that stands still is asked again."""


class RedisClusterServer(RedisServer):
    """The cluster that `url` names by one of its nodes."""

    shards = SHARDS

    _maker = RedisCluster
    _tries_again = len(PAUSES)
    # By then the driver has looked which node is the one to ask.
    _passing = (*LOST, ClusterDownError)
    _client: RedisCluster

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._closed = threading.Event()
        self._standing: set[str] = set()
        """The names of the nodes that stand still."""
        self._threads = ThreadPoolExecutor(SHARDS, thread_name_prefix="redis")

    def run(self, commands: Sequence[Command], *, together: bool = False) -> list[Any]:
        """Carry out commands, each with a key, without an order among them but for those of one
        shard, and not at one moment. If `together`, they are about sorted sets, and those of one
        shard are carried out at one moment."""
        with self.translated():
            if len(commands) == 1:
                self._check(self._client.get_node_from_key(commands[0][1]))
                return [self._client.execute_command(*commands[0])]
            if together:
                return self._in_groups(commands, _tag_of, lambda _, group: self._read(group))
            nodes = {key: self._client.get_node_from_key(key) for _, key, *_ in commands}
            by_name = {node.name: node for node in nodes.values()}
            return self._in_groups(
                commands,
                lambda key: nodes[key].name,
                lambda name, group: self._run_on(by_name[name], group),
            )

    def _in_groups(
        self,
        commands: Sequence[Command],
        group_of: Callable[[str], str],
        run: Callable[[str, Sequence[Command]], list[Any]],
    ) -> list[Any]:
        """Carry out commands, in groups by their keys, which run side by side."""
        places: dict[str, list[int]] = defaultdict(list)
        for place, command in enumerate(commands):
            places[group_of(command[1])].append(place)
        calls = [
            partial(run, name, [commands[place] for place in group])
            for name, group in places.items()
        ]
        replies: list[Any] = [None] * len(commands)
        for group, found in zip(places.values(), self.together(calls), strict=True):
            for place, reply in zip(group, found, strict=True):
                replies[place] = reply
        return replies

    def _read(self, commands: Sequence[Command]) -> list[Any]:
        """Carry out commands about sorted sets of one shard at one moment."""
        keys = [key for _, key, *_ in commands]
        args = [arg for name, _, *rest in commands for arg in (name, len(rest), *rest)]
        found: list[Any] = self.script("read", keys, args)
        return found

    def _script(self, script: Script, keys: Sequence[str], args: Sequence[Any]) -> Any:
        node = self._client.get_node_from_key(keys[0])
        self._check(node)
        # To a node that is named the driver sends once.
        send = partial(self._client.execute_command, target_nodes=node)
        try:
            return send("EVALSHA", script.sha, len(keys), *keys, *args)
        except redis.exceptions.NoScriptError:
            return send("EVAL", script.text, len(keys), *keys, *args)

    def _check(self, node: ClusterNode) -> None:
        """See that nobody waits for a node that stands still."""
        if node.name in self._standing:
            raise redis.RedisError(f"node {node.name} does not answer")

    def _leave(self, node: ClusterNode) -> None:
        """Have a node that stands still asked by nobody else, until it answers."""
        if node.name not in self._standing:
            self._standing.add(node.name)
            threading.Thread(target=self._wait_for, args=(node,), daemon=True).start()

    def _wait_for(self, node: ClusterNode) -> None:
        while not self._closed.wait(ASK_AGAIN_AFTER):
            with suppress(*FAULTS):
                self._client.get_redis_connection(node).ping()
                break
            with suppress(*FAULTS):
                # Another node may have taken its place.
                self._client.nodes_manager.initialize()
        self._standing.discard(node.name)

    def _run_on(self, node: ClusterNode, commands: Sequence[Command]) -> list[Any]:
        self._check(node)
        with self._client.get_redis_connection(node).pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            try:
                replies = pipeline.execute(raise_on_error=False)
            except redis.TimeoutError:
                self._leave(node)
                raise
            except redis.ConnectionError as error:
                replies = [error] * len(commands)
        return [
            self._checked(reply, command) for reply, command in zip(replies, commands, strict=True)
        ]

    def _checked(self, reply: Any, command: Command) -> Any:
        if isinstance(reply, ELSEWHERE):
            return self._client.execute_command(*command)
        if isinstance(reply, Exception):
            raise reply
        return reply

    def _begin_anew(self) -> None:
        """Nothing to do: the driver has asked which node is the one to use."""

    def reached(self, shards: Sequence[Keys]) -> Sequence[Keys]:
        with self.translated():
            nodes = {keys: self._client.get_node_from_key(keys.tasks) for keys in shards}
            first = {nodes[keys].name: keys for keys in reversed(shards)}
            asked = {name: keys for name, keys in first.items() if name not in self._standing}
            calls = [partial(self._answers, nodes[keys], keys) for keys in asked.values()]
            there = dict(zip(asked, self.together(calls), strict=True))
            if not all(there.values()):
                # Another node may have taken its place.
                self._client.nodes_manager.initialize()
        return [keys for keys, node in nodes.items() if there.get(node.name)]

    def _answers(self, node: ClusterNode, keys: Keys) -> bool:
        """Whether a node gives what is in a shard of its."""
        try:
            self._client.get_redis_connection(node).exists(keys.tasks)
        except redis.TimeoutError:
            self._leave(node)
            return False
        except FAULTS:
            return False
        return True

    def together(self, calls: Sequence[Callable[[], T]]) -> list[T]:
        if len(calls) < 2:
            return super().together(calls)
        running = [self._threads.submit(call) for call in calls]
        wait(running)
        return [call.result() for call in running]

    def _time(self) -> tuple[int, int]:
        node = self._client.get_node_from_key(common_begin(self.prefix))
        return self._client.get_redis_connection(node).time()

    def _settings(self) -> dict[str, dict[str, str]]:
        return {
            f"{self.url}, node {node.name}": settings_of(self._client.get_redis_connection(node))
            for node in self._client.get_primaries()
        }

    def close(self) -> None:
        self._closed.set()
        super().close()
        self._threads.shutdown(wait=False)


def _tag_of(key: str) -> str:
    """What decides on a key's slot."""
    return key[: key.index("}")]
