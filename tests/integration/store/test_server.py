"""What is refused before anything starts."""

import pytest
from structlog.testing import capture_logs

from orchestrator.store.server import ServerInfo, ServerUnfit, check_server, server_info, when_there
from orchestrator.store.store import Store
from tests.unit.sdk.fakes import FakeClock
from workers_sdk.protocol.connection import Unwelcome
from workers_sdk.protocol.link import Link, RedisLink, Refused, Unavailable

FIT = ServerInfo("redis", "7.0.15", "noeviction", aof=True)


def test_a_fit_server_passes() -> None:
    check_server(FIT, unsafe_volatile=False)
    check_server(ServerInfo("valkey", "9.1.2", "noeviction", aof=True), unsafe_volatile=False)


def test_a_cluster_passes_with_several_partitions_also_by_the_address_of_a_replica() -> None:
    info = ServerInfo("redis", "7.0.15", "noeviction", aof=True, replica_of="10.0.0.1:6379", cluster=True)
    check_server(info, unsafe_volatile=False, partitions=2)


class Late:
    """A Redis that answers after some errors, and one line of a log is all that is said of them."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)

    async def begin(self) -> None:
        """Begin."""
        if self._errors:
            raise self._errors.pop(0)


async def test_a_server_that_is_late_is_waited_for() -> None:
    clock = FakeClock()
    with capture_logs() as lines:
        await when_there(Late(Unavailable("no connection"), Unavailable("LOADING")).begin, 60, clock)

    events = [(line["log_level"], line["event"]) for line in lines]
    assert events == [("warning", "waiting_for_redis"), ("info", "redis_available")]
    assert lines[1]["after_s"] == pytest.approx(sum(clock.slept))


async def test_it_is_not_waited_for_longer_than_told_nor_when_nobody_is_let_in() -> None:
    clock = FakeClock()
    with pytest.raises(Unavailable, match="never"):
        await when_there(Late(*[Unavailable("never")] * 1_000).begin, 60, clock)
    assert clock.now == pytest.approx(60)
    for wait_s, error in ((0.0, Unavailable("down")), (60.0, Unwelcome("AUTH: WRONGPASS"))):
        with pytest.raises(type(error)):
            await when_there(Late(error).begin, wait_s, clock)
    assert clock.now == pytest.approx(60)


@pytest.mark.parametrize(
    ("info", "word"),
    [
        (ServerInfo("redis", "6.2.14", "noeviction", aof=True), "too old"),
        (ServerInfo("redis", "7.0.15", "allkeys-lru", aof=True), "noeviction"),
        (ServerInfo("redis", "7.0.15", "volatile-ttl", aof=True), "noeviction"),
        (ServerInfo("redis", "7.0.15", "noeviction", aof=False), "appendonly"),
        (
            ServerInfo("redis", "7.0.15", "noeviction", aof=True, replica_of="10.0.0.1:6379"),
            "let REDIS_URL name 10.0.0.1:6379",
        ),
        (
            ServerInfo("redis", "7.0.15", "noeviction", aof=True, cluster=True),
            "set SCENARIST_PARTITIONS to 2 or more",
        ),
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
