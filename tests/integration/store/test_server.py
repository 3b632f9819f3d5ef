"""What is refused before anything starts."""

import pytest

from orchestrator.store.server import ServerInfo, ServerUnfit, check_server, server_info
from orchestrator.store.store import Store
from workers_sdk.protocol.link import Link, RedisLink, Refused, Unavailable

FIT = ServerInfo("redis", "7.0.15", "noeviction", aof=True)


def test_a_fit_server_passes() -> None:
    check_server(FIT, unsafe_volatile=False)
    check_server(ServerInfo("valkey", "9.1.2", "noeviction", aof=True), unsafe_volatile=False)


@pytest.mark.parametrize(
    ("info", "word"),
    [
        (ServerInfo("redis", "6.2.14", "noeviction", aof=True), "too old"),
        (ServerInfo("redis", "7.0.15", "allkeys-lru", aof=True), "noeviction"),
        (ServerInfo("redis", "7.0.15", "volatile-ttl", aof=True), "noeviction"),
        (ServerInfo("redis", "7.0.15", "noeviction", aof=False), "appendonly"),
    ],
)
def test_an_unfit_server_is_refused_with_the_remedy(info: ServerInfo, word: str) -> None:
    with pytest.raises(ServerUnfit, match=word):
        check_server(info, unsafe_volatile=False)


async def test_a_server_that_evicts_is_refused_for_real(link: RedisLink) -> None:
    await link.execute("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        with pytest.raises(ServerUnfit, match="noeviction"):
            await Store.open(link, unsafe_volatile=True)
    finally:
        await link.execute("CONFIG", "SET", "maxmemory-policy", "noeviction")


async def test_the_number_of_partitions_cannot_change(link: RedisLink) -> None:
    await Store.open(link, partitions=4, unsafe_volatile=True)

    with pytest.raises(ServerUnfit, match="4 partitions"):
        await Store.open(link, partitions=2, unsafe_volatile=True)
    await Store.open(link, partitions=4, unsafe_volatile=True)


async def test_the_running_server_is_read(link: RedisLink) -> None:
    info = await server_info(link)

    assert info.server in {"redis", "valkey"}
    check_server(info, unsafe_volatile=True)


async def test_errors_keep_their_first_word(link: Link) -> None:
    await link.execute("SET", "text", "x")
    with pytest.raises(Refused) as wrong:
        await link.execute("HGETALL", "text")
    with pytest.raises(Refused) as missing:
        await link.execute("EVALSHA", "0" * 40, 0)

    assert (wrong.value.code, missing.value.code) == ("WRONGTYPE", "NOSCRIPT")


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    link = RedisLink("unix:///nonexistent.sock")
    with pytest.raises(Unavailable):
        await link.execute("PING")
    await link.close()
