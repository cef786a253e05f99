"""What a Redis Cluster alone has to do: one queue on all nodes, and still all or nothing."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import redis
from redis.crc import key_slot

from jsonrpc_qm.errors import Conflict, Unavailable
from jsonrpc_qm.ids import group_in, group_of, new_id
from jsonrpc_qm.moments import SECOND
from jsonrpc_qm.storage.base import Overtaken
from jsonrpc_qm.storage.redis import RedisStorage
from jsonrpc_qm.storage.redis_server import SCHEMA_VERSIONS
from jsonrpc_qm.storage.redis_shards import SHARDS, SLOTS, Shards
from jsonrpc_qm.storage.redis_transactions import FORGET_AFTER, GIVE_UP_AFTER
from jsonrpc_qm.transitions import Complete
from tests.records import NOW, a_record
from tests.servers.redis import RedisClusterProcesses
from tests.storage.conftest import empty_redis, redis_server
from tests.storage.verbs import ALL, add, changed, claim, get, happen, refusal, started, sweep

MAIL, SMS = "mail", "sms"


@pytest.fixture
def storage() -> Iterator[RedisStorage]:
    """A manager's storage on an empty cluster."""
    opened = empty_redis("cluster")
    yield opened
    opened.close()


@pytest.fixture
def other(storage: RedisStorage) -> Iterator[RedisStorage]:
    """Another manager's."""
    opened = RedisStorage(redis_server("cluster").url)
    yield opened
    opened.close()


# -- where things are -------------------------------------------------------------------------


def begins(prefix: str) -> list[str]:
    return [keys.tasks for keys in Shards(prefix, SHARDS).all]


@pytest.mark.parametrize("prefix", ["jsonrpc-qm", "a", "billing:eu", "ünï"])
@pytest.mark.parametrize("nodes", [2, 3, 5, 16])
def test_shards_are_spread_over_all_nodes(prefix: str, nodes: int) -> None:
    """Nodes with equal ranges of slots have as many shards, but for one more or less."""
    on_node = [key_slot(key.encode()) * nodes // SLOTS for key in begins(prefix)]
    counts = [on_node.count(node) for node in range(nodes)]
    assert sum(counts) == SHARDS
    assert max(counts) - min(counts) <= 1


def test_a_queue_is_not_in_the_way_of_one_whose_prefix_is_a_tag_of_its_shards() -> None:
    """Their keys differ, whatever the prefixes."""
    shards = Shards("a", SHARDS)
    tags = [keys.tasks[1 : keys.tasks.index("}")] for keys in shards.all]
    for tag in tags:
        assert Shards(tag, 1).common.tasks not in {keys.tasks for keys in shards.all}


def test_tasks_of_many_names_are_on_all_nodes(storage: RedisStorage) -> None:
    """Each node holds some."""
    add(storage, *(a_record(new_id(f"n{n}"), name=f"n{n}") for n in range(60)))
    server = redis_server("cluster")
    assert isinstance(server, RedisClusterProcesses)
    held = []
    for process in server.nodes:
        with redis.Redis(port=process.port) as node:
            held.append(sum(node.hlen(key) for key in node.scan_iter("*tasks")))
    assert sum(held) == 60
    assert min(held) > 0


@pytest.mark.usefixtures("storage")
def test_a_url_that_leads_to_one_node_alone_is_refused() -> None:
    """The error says which URL it should be, whichever node it is."""
    server = redis_server("cluster")
    assert isinstance(server, RedisClusterProcesses)
    for process in server.nodes:
        with pytest.raises(Unavailable, match=r"a node of a Redis Cluster: use redis\+cluster://"):
            RedisStorage(f"redis://127.0.0.1:{process.port}").stats(NOW)


def test_an_id_of_ours_needs_one_shard_only(storage: RedisStorage) -> None:
    """It is at home where its task is, so nothing is written elsewhere."""
    for name in (MAIL, SMS, "x" * 200):
        id = new_id(name)
        assert group_in(id) == group_of(name)
        add(storage, a_record(id, name=name))
    assert fields(storage, "places") == {}


def test_an_id_of_a_clients_is_found_and_counts_for_all_names(storage: RedisStorage) -> None:
    """Wherever its home is: the same id with another name is a conflict."""
    ids = ["order-1", "x.y", *"0123456789abcdef"]
    for id in ids:
        add(storage, a_record(id, name=MAIL))
    with storage.transaction():
        answers = storage.add([[a_record(id, name=SMS)] for id in ids], NOW)
    assert [refusal(answer) for answer in answers] == [(Conflict, {"id": id}) for id in ids]
    assert [record.name for record in storage.get(ids) if record] == [MAIL] * len(ids)


def test_two_names_never_get_one_id(storage: RedisStorage, other: RedisStorage) -> None:
    """Two managers that store it at the same time, in different shards: one does."""

    def add_at_the_same_time() -> None:
        with storage.transaction():
            storage.add([[a_record("7", name=MAIL)]], NOW)
            add(other, a_record("7", name=SMS))

    with pytest.raises(Overtaken):
        add_at_the_same_time()
    stored = get(storage, "7")
    assert stored is not None
    assert stored.name == SMS
    assert claim(storage, MAIL) == []


def test_what_began_in_one_slot_stays_there(storage: RedisStorage) -> None:
    """A queue that an earlier version has begun on a cluster goes on as it was."""
    redis_server("cluster").empty()
    with storage._server.translated():
        storage._server._client.set("{jsonrpc-qm}:schema_version", SCHEMA_VERSIONS[1])
    opened = RedisStorage(redis_server("cluster").url)
    add(opened, a_record("a", name=MAIL), a_record("b", name=SMS))
    assert len(opened._shards.all) == 1
    assert [record.id for record in opened.page(ALL, 9, None).records] == ["b", "a"]
    opened.close()


def test_tasks_that_several_managers_store_are_listed_in_that_order(
    storage: RedisStorage, other: RedisStorage
) -> None:
    """Whatever their shards: the last stored first, where their clocks agree."""
    other._server.clock = storage._server.clock
    names = [MAIL, SMS, "fax", MAIL, "fax", SMS]
    ids = [new_id(name) for name in names]
    for id, name, by in zip(ids, names, [storage, other] * 3, strict=True):
        add(by, a_record(id, name=name))
    assert [record.id for record in storage.page(ALL, 9, None).records] == ids[::-1]


# -- all or nothing ---------------------------------------------------------------------------


class Killed(BaseException):
    """What a process does after that does not happen."""


class Mortal:
    """Lets a storage's manager do some steps with the servers, and none after those."""

    def __init__(self, storage: RedisStorage, steps: int) -> None:
        self._steps = steps
        self.is_dead = False
        server: Any = storage._server
        for name in ("run", "script"):
            vars(server)[name] = self._counted(getattr(server, name))

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any) -> Any:
            if self._steps == 0:
                self.is_dead = True
                raise Killed
            self._steps -= 1
            return call(*args)

        return counted


def fields(storage: RedisStorage, which: str) -> dict[str, Any]:
    """All of a hash of each shard that is not empty."""
    keys = [keys.of(which) for keys in storage._shards.all]
    found = storage._server.run([("HGETALL", key) for key in keys])
    return {key: values for key, values in zip(keys, found, strict=True) if values}


def wait(storage: RedisStorage, microseconds: int, patch: pytest.MonkeyPatch) -> None:
    """Let more than that time pass for a manager, whose clock may be a bit behind others'."""
    passed = storage.now() + microseconds + SECOND
    patch.setattr(storage._server.clock, "now", lambda: passed)


def assert_nothing_is_left(storage: RedisStorage) -> None:
    assert fields(storage, "locks") == {}
    assert fields(storage, "prepared") == {}


def prepare_outcomes(storage: RedisStorage) -> None:
    """What the changes below need."""
    started(storage, "s-1", name=MAIL)
    for id, name in (("d-3", MAIL), ("d-4", SMS)):
        record = started(storage, id, name=name)
        changed(storage, Complete(id=id, token=record.token))


def queue_two(storage: RedisStorage) -> None:
    """Two names in one group, one of them with an id whose home is a third shard."""
    with storage.transaction():
        storage.add([[a_record("m-0", name=MAIL), a_record(new_id(SMS), name=SMS)]], NOW)


def complete_with_follower(storage: RedisStorage) -> None:
    """A result of one name and a larger task of another, whose shard decides therefore."""
    follower = a_record("f-2", name=SMS, parameters='"' + "x" * 1000 + '"')
    with storage.transaction():
        storage.transition([Complete(id="s-1", token=NOW, queue=(follower,))], NOW)


def purge_two(storage: RedisStorage) -> None:
    with storage.transaction():
        assert storage.delete(["d-3", "d-4"]) == [True, True]


STEPS = 14
"""More than any of these takes."""


@pytest.mark.parametrize("killed_before", range(STEPS))
@pytest.mark.parametrize("change", [queue_two, complete_with_follower, purge_two])
def test_a_killed_manager_leaves_nothing_half_done(
    storage: RedisStorage,
    other: RedisStorage,
    change: Callable[[RedisStorage], None],
    killed_before: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before whichever step it dies: others find all of it or nothing, and go on."""
    prepare_outcomes(other)
    mortal = Mortal(storage, killed_before)
    with suppress(Killed):
        change(storage)
    wait(other, GIVE_UP_AFTER, monkeypatch)
    swept = sweep(other)
    assert_nothing_is_left(other)
    queued, completed, deleted = outcome(other)
    if change is queue_two:
        assert (queued, completed, deleted) in [({}, False, 0), ({MAIL: 1, SMS: 1}, False, 0)]
    elif change is complete_with_follower:
        assert (queued, completed, deleted) in [({}, False, 0), ({SMS: 1}, True, 0)]
    else:
        assert (queued, completed, deleted) in [({}, False, 0), ({}, False, 2)]
    if not mortal.is_dead:
        assert (queued, completed, deleted) != ({}, False, 0)
    assert swept.ready == queued
    for name in (MAIL, SMS):
        assert len(claim(other, name, max_tasks=9)) == queued.get(name, 0)


def outcome(storage: RedisStorage) -> tuple[dict[str, int], bool, int]:
    """How many tasks of each name are queued, whether `s-1` is completed, how many are deleted."""
    counts = {name: stats.queued for name, stats in storage.stats(NOW).items()}
    record = get(storage, "s-1")
    assert record is not None
    deleted = sum(found is None for found in storage.get(["d-3", "d-4"]))
    listed = {record.id for record in storage.page(ALL, 99, None).records}
    assert ("f-2" in listed) == (get(storage, "f-2") is not None)
    return {n: count for n, count in counts.items() if count}, record.status == "completed", deleted


@pytest.mark.parametrize("change", [queue_two, complete_with_follower, purge_two])
def test_nobody_is_killed_after_the_last_step(
    storage: RedisStorage, change: Callable[[RedisStorage], None]
) -> None:
    """The test above kills before every step there is, and leaves no decision when none is left."""
    prepare_outcomes(storage)
    mortal = Mortal(storage, STEPS - 1)
    change(storage)
    assert not mortal.is_dead
    assert_nothing_is_left(storage)
    assert fields(storage, "decisions") == {}


def before(storage: RedisStorage, script: str, act: Callable[[], object]) -> None:
    """Have something happen once, right before a script is first run."""
    server: Any = storage._server
    run = server.script

    def acting(name: str, keys: Any, args: Any) -> Any:
        if name == script:
            vars(server).pop("script")
            act()
        return run(name, keys, args)

    vars(server)["script"] = acting


def test_a_slow_manager_is_told_that_others_gave_its_transaction_up(
    storage: RedisStorage, other: RedisStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not dead, only late: what it then decides counts no more."""

    def give_up() -> None:
        wait(other, GIVE_UP_AFTER, monkeypatch)
        sweep(other)

    before(storage, "commit", give_up)
    with pytest.raises(Overtaken):
        queue_two(storage)
    assert other.page(ALL, 9, None).records == []
    assert_nothing_is_left(other)
    queue_two(storage)
    assert len(other.page(ALL, 9, None).records) == 2


def test_what_was_given_up_is_forgotten_in_the_end(
    storage: RedisStorage, other: RedisStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that died leaves a trace for ever."""
    before(storage, "commit", lambda: Mortal(storage, 0))
    with suppress(Killed):
        queue_two(storage)
    wait(other, GIVE_UP_AFTER, monkeypatch)
    sweep(other)
    wait(other, FORGET_AFTER, monkeypatch)
    sweep(other)
    assert fields(other, "decisions") == {}


def test_a_transaction_waits_for_one_that_is_not_through(
    storage: RedisStorage, other: RedisStorage
) -> None:
    """What is prepared and not decided is nobody else's to change, and still to be read."""
    prepare_outcomes(other)
    seen = []

    def try_to_take() -> None:
        with pytest.raises(Overtaken):
            happen(other, Complete(id="s-1", token=NOW))
        seen.append(get(other, "s-1"))

    before(storage, "commit", try_to_take)
    complete_with_follower(storage)
    assert [record.status for record in seen if record] == ["started"]
    assert outcome(other) == ({SMS: 1}, True, 0)


def test_a_lost_answer_to_the_decision_is_asked_for(storage: RedisStorage) -> None:
    """It was decided, though the connection broke: so it is carried out."""
    server: Any = storage._server
    script = server.script

    def losing(name: str, *args: Any) -> Any:
        answer = script(name, *args)
        if name == "commit":
            raise Unavailable.of("the answer is lost")
        return answer

    vars(server)["script"] = losing
    queue_two(storage)
    assert len(storage.page(ALL, 9, None).records) == 2
    assert_nothing_is_left(storage)


def test_a_task_is_found_while_its_id_is_on_the_way_home(
    storage: RedisStorage, other: RedisStorage
) -> None:
    """A worker may take and finish it before all shards have written what was decided."""
    home = storage._shards.home("0")
    assert storage._shards.of(MAIL) is not home

    def take_and_complete() -> None:
        [taken] = claim(other, MAIL, now=NOW)
        for _ in range(9):
            with suppress(Overtaken):
                changed(other, Complete(id="0", token=taken.token))
                return

    # Its shard writes with the decision if that has more to write; its home when it is settled.
    before(storage, "settle", take_and_complete)
    with storage.transaction():
        storage.add([[a_record("0", name=MAIL)]], NOW)
    record = get(storage, "0")
    assert record is not None
    assert record.status == "completed"


def test_what_happens_to_a_task_away_from_home_needs_no_preparing(storage: RedisStorage) -> None:
    """Its home knows already where it is."""
    add(storage, a_record("0", name=MAIL))
    before(storage, "prepare", lambda: pytest.fail("prepared"))
    [taken] = claim(storage, MAIL)
    assert changed(storage, Complete(id="0", token=taken.token)).status == "completed"
