"""The link on a cluster of three masters and a replica; its address is that of any node, and nothing else is told."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
from redis.crc import key_slot

from tests.support.wait import wait_until
from workers_sdk.protocol.link import Link, RedisLink, Refused, Unavailable

from .fake import Connect, replies
from .servers import RedisCluster, has_replicated, keys_of


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    """A cluster for all tests that leave it whole."""
    with RedisCluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest_asyncio.fixture
async def nodes(cluster: RedisCluster) -> AsyncIterator[list[RedisLink]]:
    """A link to each master of the empty cluster, for what is said to a node and not to its keys."""
    links = [RedisLink(cluster.url(n), name="watcher") for n in range(3)]
    for link in links:
        await link.execute("FLUSHALL")
        await link.execute("CONFIG", "RESETSTAT")
    yield links
    for link in links:
        await link.close()


MOVING = iter(keys_of(0, 100, "moving"))


async def test_a_node_that_owns_nothing_is_left_when_the_owners_are_known(
    cluster: RedisCluster, nodes: list[RedisLink], connect: Connect
) -> None:
    link, replica = connect(cluster.url(3)), connect(cluster.url(3), name="watcher")
    await link.execute("SET", "key", 1)

    await wait_until(partial(_nobody, replica), what="the connection to end")
    assert await link.execute("PING") == b"PONG"
    assert await link.execute("GET", "key") == b"1"


async def told(node: RedisLink, error: str) -> int:
    """How often a node has answered with an error."""
    for line in (await node.execute("INFO", "errorstats")).decode().split():
        if line.startswith(f"errorstat_{error}:count="):
            return int(line.partition("=")[2])
    return 0


@pytest.mark.parametrize("home", [0, 1, 2, 3])
async def test_every_key_is_reached_from_the_address_of_any_node(
    cluster: RedisCluster, nodes: list[RedisLink], home: int, connect: Connect
) -> None:
    link = connect(cluster.url(home))
    keys = [f"key-{n}" for n in range(300)]
    for key in keys:
        await link.execute("SET", key, f"value of {key}")

    assert [await link.execute("GET", key) for key in keys] == [f"value of {key}".encode() for key in keys]
    sizes = [await node.execute("DBSIZE") for node in nodes]
    assert sum(sizes) == 300 and min(sizes) > 50
    assert sum([await told(node, "MOVED") for node in nodes]) <= 1


async def test_a_first_thousand_at_once_finds_its_way_and_keeps_its_pairs(
    cluster: RedisCluster, nodes: list[RedisLink], connect: Connect
) -> None:
    link = connect(cluster.url())
    found = await asyncio.gather(*(link.execute("INCRBY", f"key-{n}", n) for n in range(1_000)))

    assert found == list(range(1_000))
    named = [(await node.execute("CLIENT", "LIST")).count(b"name=scenarist ") for node in nodes]
    assert named == [1, 1, 1]
    assert sum([await _calls(node, "cluster|slots") for node in nodes]) == 1


async def _calls(node: RedisLink, command: str) -> int:
    info = (await node.execute("INFO", "commandstats")).decode()
    _, _, rest = info.partition(f"cmdstat_{command}:calls=")
    return int(rest.partition(",")[0]) if rest else 0


async def test_a_batch_is_split_by_master_and_its_replies_are_in_order(
    cluster: RedisCluster, nodes: list[RedisLink], connect: Connect
) -> None:
    link = connect(cluster.url())
    for _ in range(2):  # before the map is known, and after
        values = await link.execute_many([("ECHO", "x"), *(("INCRBY", f"k{n}", n) for n in range(500))])
        await link.execute_many([("DEL", f"k{n}") for n in range(500)])
        assert values == [b"x", *range(500)]

    await link.execute("SET", "text", "x")
    with pytest.raises(Refused) as raised:
        await link.execute_many([("SET", "a", 1), ("INCR", "text"), ("HGETALL", "text"), ("SET", "b", 1)])
    assert "not an integer" in str(raised.value)
    assert await link.execute_many([("GET", "a"), ("GET", "b")]) == [b"1", b"1"]


async def test_scripts_and_streams_go_where_their_keys_are(
    cluster: RedisCluster, nodes: list[RedisLink], connect: Connect
) -> None:
    link = connect(cluster.url())
    for n in range(3):
        tag = "{" + keys_of(n)[0] + "}"
        script = "return redis.call('XADD', KEYS[1], '*', 'n', ARGV[1]) and redis.call('INCR', KEYS[2])"
        assert await link.execute("EVAL", script, 2, f"{tag}s", f"{tag}n", n) == 1
        assert await link.execute("XGROUP", "CREATE", f"{tag}s", "STREAMS", "0") == b"OK"
        asked = ("XREADGROUP", "GROUP", "STREAMS", "c", "COUNT", 1, "STREAMS", f"{tag}s", ">")
        [[stream, [[_, fields]]]] = await link.execute(*asked)
        assert (stream.decode(), fields) == (f"{tag}s", [b"n", b"%d" % n])
        [[stream, _]] = await link.execute("xread", "count", 1, "streams", f"{tag}s", "0")
        assert stream.decode() == f"{tag}s"
        assert len(await link.execute("XINFO", "GROUPS", f"{tag}s")) == 1
    assert sum([await told(node, "MOVED") for node in nodes]) <= 1


@pytest.mark.parametrize("home", [0, 1, 3])
async def test_a_wait_goes_where_the_write_before_it_went(
    cluster: RedisCluster, nodes: list[RedisLink], home: int, connect: Connect
) -> None:
    """Only the first master has a replica. The second round knows the map, the first one is redirected."""
    link = connect(cluster.url(home), block_ms=1_000, connections=2)
    for _ in range(2):
        for n, copies in enumerate((1, 0, 0)):
            [key] = keys_of(n)
            asked: list[tuple[str | int, ...]] = [
                ("GET", *keys_of(0)),
                ("SET", key, 1),
                ("WAIT", 1, 500 if copies else 10),
            ]
            assert (await link.execute_many(asked))[2] == copies
    mixed: list[tuple[str | int, ...]] = []
    for n in range(3):
        mixed += [("SET", *keys_of(n), 1), ("WAIT", 1, 500 if n == 0 else 10)]
    assert (await link.execute_many(mixed))[1::2] == [1, 0, 0]


async def test_readers_that_block_on_every_master_are_woken_together(
    cluster: RedisCluster, nodes: list[RedisLink], connect: Connect
) -> None:
    link = connect(cluster.url(), block_ms=60_000, connections=6)
    streams = [key for n in range(3) for key in keys_of(n, 2, "stream")]
    reading = [
        asyncio.create_task(link.execute("XREAD", "BLOCK", 60_000, "STREAMS", stream, "$"))
        for stream in streams
    ]
    for node in nodes:
        await wait_until(partial(_blocked, node, 2), what="two readers")
    await link.unblock()

    assert await asyncio.gather(*reading) == [None] * 6


async def _blocked(node: Link, count: int) -> bool:
    return b"blocked_clients:%d\r" % count in await node.execute("INFO", "clients")


@pytest.mark.parametrize("found", ["known", "unknown"])
async def test_a_slot_that_moves_is_followed_all_the_way(
    cluster: RedisCluster, nodes: list[RedisLink], found: str, connect: Connect
) -> None:
    """While it moves, keys are here or there (`ASK`); then all are there (`MOVED`)."""
    link = connect(cluster.url())
    here, there = nodes[0], nodes[1]
    tag = next(MOVING)  # the slots stay where they were moved to
    slot = key_slot(tag.encode())
    stays, goes, new = ("{" + tag + "}" + name for name in ("stays", "goes", "new"))
    await link.execute("SET", stays, 1)
    await link.execute("SET", goes, 2)
    if found == "unknown":
        await link.close()
        link = connect(cluster.url())
    ids = [(await node.execute("CLUSTER", "MYID")).decode() for node in (here, there)]
    await there.execute("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[0])
    await here.execute("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[1])
    await here.execute("MIGRATE", "127.0.0.1", cluster.nodes[1].port, goes, 0, 5_000)

    assert await link.execute("GET", goes) == b"2"
    assert await link.execute_many([("GET", stays), ("SET", new, 3), ("GET", goes)]) == [b"1", b"OK", b"2"]
    with pytest.raises(Unavailable, match="TRYAGAIN"):
        await link.execute("MGET", stays, goes)
    assert await link.execute("GET", goes) == b"2"

    await here.execute("MIGRATE", "127.0.0.1", cluster.nodes[1].port, stays, 0, 5_000)
    for node in (there, here, nodes[2]):
        await node.execute("CLUSTER", "SETSLOT", slot, "NODE", ids[1])
    before = await told(here, "MOVED")
    values = await asyncio.gather(*(link.execute("GET", key) for key in (stays, goes, new) * 20))
    assert values == [b"1", b"2", b"3"] * 20
    assert await link.execute("MGET", stays, goes) == [b"1", b"2"]
    moved = await told(here, "MOVED")
    await link.execute_many([("GET", stays), ("GET", goes)])
    assert before < moved == await told(here, "MOVED"), "the new owner is remembered"


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[RedisCluster]:
    """A cluster for one test."""
    with RedisCluster(tmp_path) as cluster:
        yield cluster


async def test_a_master_that_dies_is_an_outage_until_its_replica_takes_over(
    mortal: RedisCluster, connect: Connect
) -> None:
    link = connect(mortal.url())
    with_replica, alone = keys_of(0)[0], keys_of(2)[0]
    for key in (with_replica, alone):
        await link.execute("SET", key, "kept")
    await wait_until(lambda: has_replicated(mortal), what="the copy")
    mortal.nodes[0].kill()

    with pytest.raises(Unavailable):
        await link.execute("GET", with_replica)
    assert await link.execute("PING") == b"PONG", "what needs no key goes to another node"
    assert await wait_until(lambda: _value(link, with_replica), what="the replica") == b"kept"
    assert await link.execute_many([("GET", with_replica), ("GET", alone)]) == [b"kept", b"kept"]

    mortal.nodes[2].kill()
    found = await asyncio.gather(link.execute("GET", alone), return_exceptions=True)
    assert replies(found) == ["Unavailable"]
    await wait_until(lambda: _is_down(link, with_replica), what="the cluster to notice")
    mortal.nodes[2].start()
    assert await wait_until(lambda: _value(link, alone), what="the master") == b"kept"
    assert await wait_until(lambda: _value(link, with_replica), what="the cluster") == b"kept"


async def _value(link: RedisLink, key: str) -> object:
    try:
        return await link.execute("GET", key)
    except Unavailable:
        return None


async def _is_down(link: RedisLink, key: str) -> bool:
    try:
        await link.execute("GET", key)
    except Unavailable as error:
        return "CLUSTERDOWN" in str(error)
    return False


async def test_closing_leaves_no_connection_to_any_node(
    cluster: RedisCluster, nodes: list[RedisLink], connect: Connect
) -> None:
    link = connect(cluster.url())
    asking = [asyncio.create_task(link.execute("SET", f"k{n}", n)) for n in range(100)]
    await asyncio.gather(*asking[:50])
    await link.close()
    await asyncio.gather(*asking, return_exceptions=True)
    with pytest.raises(Unavailable, match="closed"):
        await link.execute("GET", "k1")

    for node in nodes:
        await wait_until(partial(_nobody, node), what="the connections to end")


async def _nobody(node: RedisLink) -> bool:
    return b"name=scenarist " not in await node.execute("CLIENT", "LIST")
