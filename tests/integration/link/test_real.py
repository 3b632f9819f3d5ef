"""The link on a real server: pairing, replies, who we are there, how we get there, and its restart."""

import asyncio
import random
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.wait import wait_until
from workers_sdk.protocol.link import RedisLink, Refused, Unavailable

from .fake import Connect, FakeRedis, echo, replies
from .servers import RedisProcess
from .tls import Certificates

PASSWORD = "S3cret /?#@:%"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    """A server with two users, on TCP and on a unix socket."""
    user = f"user worker on >{quote(PASSWORD)} ~* +@all"
    with RedisProcess(
        tmp_path_factory.mktemp("server"), requirepass="default-word", user=user.removeprefix("user ")
    ) as server:
        yield server


def url_of(server: RedisProcess, who: str = ":default-word@", rest: str = "") -> str:
    """Its TCP address."""
    return f"redis://{who}{server.address}{rest}"


async def test_a_thousand_commands_at_once_get_each_their_own_reply(redis_url: str, connect: Connect) -> None:
    link = connect(redis_url)
    found = await asyncio.gather(*(link.execute("ECHO", str(n)) for n in range(1_000)))

    assert found == [str(n).encode() for n in range(1_000)]


async def test_a_storm_of_cancellations_keeps_replies_and_callers_together(
    redis_url: str, connect: Connect
) -> None:
    link = connect(redis_url)
    chance = random.Random(3)
    for storm in range(20):
        callers = [asyncio.create_task(_caller(link, f"{storm}-{n}", chance)) for n in range(100)]
        while len(left := [task for task in callers if not task.done()]) > 10:
            for task in chance.sample(left, len(left) // 3):
                task.cancel()
            await link.execute("PING")
        found = await asyncio.gather(*callers, return_exceptions=True)

        assert {type(result) for result in found} == {type(None), asyncio.CancelledError}


async def _caller(link: RedisLink, name: str, chance: random.Random) -> None:
    for n in range(20):
        word = f"{name}-{n}"
        if chance.random() < 0.5:
            replies = [await link.execute("ECHO", word)]
        else:
            replies = await link.execute_many([("ECHO", word), ("ECHO", word)])
        assert set(replies) == {word.encode()}


async def test_every_cancellation_is_one(redis_url: str, connect: Connect) -> None:
    """Whatever the moment: a command that is cancelled never returns a reply instead."""
    link = connect(redis_url)
    await link.execute("PING")
    for turns in range(6):
        for _ in range(50):
            asking = asyncio.create_task(link.execute("PING"))
            for _ in range(turns):
                await asyncio.sleep(0)
            asked = asking.cancel()
            await asyncio.wait([asking])

            assert asking.cancelled() is asked


@pytest.mark.usefixtures("short_patience")
async def test_a_loop_that_stood_still_is_no_silence_of_redis(redis_url: str, connect: Connect) -> None:
    """A handler that computes on the loop: afterwards the timer is due, and the reply lies in the socket."""
    link = connect(redis_url)
    await link.execute("PING")
    asking = asyncio.create_task(link.execute("ECHO", "there"))
    await asyncio.sleep(0)
    time.sleep(1)  # noqa: ASYNC251  the handler

    assert await asking == b"there"


async def test_replies_are_raw(link: RedisLink) -> None:
    await link.execute("SET", "bytes", b"\xff\x00\r\n")
    await link.execute("RPUSH", "list", 1, 2.5, "é")

    assert await link.execute("GET", "bytes") == b"\xff\x00\r\n"
    assert await link.execute("LRANGE", "list", 0, -1) == [b"1", b"2.5", "é".encode()]
    assert await link.execute_many([("GET", "none"), ("INCR", "n"), ("LRANGE", "none", 0, -1), ("PING",)]) == [
        None, 1, [], b"PONG",
    ]  # fmt: skip
    assert await link.execute_many([]) == []


async def test_a_batch_with_an_error_is_done_to_its_end_and_raises_the_first(link: RedisLink) -> None:
    await link.execute("SET", "text", "x")
    with pytest.raises(Refused, match="WRONGTYPE"):
        await link.execute_many([("INCR", "n"), ("HGETALL", "text"), ("NOSUCH",), ("INCR", "n")])

    assert await link.execute("GET", "n") == b"2"


async def test_what_is_no_argument_is_a_mistake_of_the_caller_and_costs_nobody_anything(
    link: RedisLink,
) -> None:
    with pytest.raises(TypeError):
        await link.execute("SET", "x", None)  # type: ignore[arg-type]
    with pytest.raises(UnicodeEncodeError):
        await link.execute("SET", "x", "\udcff")

    assert await link.execute("PING") == b"PONG"


async def test_large_values_pass_both_ways(link: RedisLink) -> None:
    large = b"x" * 10_000_000
    small = [asyncio.create_task(link.execute("ECHO", str(n))) for n in range(50)]
    await link.execute("SET", "large", large)

    assert await link.execute("GET", "large") == large
    assert await asyncio.gather(*small) == [str(n).encode() for n in range(50)]


async def test_user_password_database_and_name_are_those_of_the_address(
    server: RedisProcess, connect: Connect
) -> None:
    where = url_of(server, f"worker:{quote(quote(PASSWORD), safe='')}@", "/5")
    link = connect(where, name="some-name")

    assert await link.execute("ACL", "WHOAMI") == b"worker"
    info = (await link.execute("CLIENT", "INFO")).decode().split()
    assert {"db=5", "name=some-name", "resp=2"} <= set(info)


@pytest.mark.parametrize("rest", ["/3", "?db=3"])
async def test_the_password_alone_is_that_of_the_default_user(
    server: RedisProcess, rest: str, connect: Connect
) -> None:
    link = connect(url_of(server, rest=rest))

    assert "db=3" in (await link.execute("CLIENT", "INFO")).decode().split()


async def test_a_unix_socket_takes_password_and_database(server: RedisProcess, connect: Connect) -> None:
    link = connect(f"unix://:default-word@{server.socket}?db=2")

    assert "db=2" in (await link.execute("CLIENT", "INFO")).decode().split()


@pytest.mark.parametrize(
    ("who", "rest", "word"),
    [
        ("worker:wrong@", "", "WRONGPASS"),
        (":wrong@", "", "WRONGPASS"),
        ("", "", "NOAUTH"),
        (":default-word@", "/99", "SELECT"),
    ],
)
async def test_who_is_not_let_in_waits_for_people(
    server: RedisProcess, who: str, rest: str, word: str, connect: Connect
) -> None:
    """An outage, not a mistake of the command: passwords change while processes run."""
    link = connect(url_of(server, who, rest))
    with pytest.raises(Unavailable, match=word) as raised:
        await link.execute("PING")

    assert "wrong" not in str(raised.value).replace("WRONGPASS", "")


async def test_a_connection_that_redis_ends_is_lost_with_its_command_and_made_again(
    redis_url: str, connect: Connect
) -> None:
    link, reading = connect(redis_url), connect(redis_url, block_ms=60_000, connections=1)
    client = await reading.execute("CLIENT", "ID")
    blocked = asyncio.create_task(reading.execute("BLPOP", "nothing", 60))
    await wait_until(lambda: _is_blocked(link, client), what="the reader")
    await link.execute("CLIENT", "KILL", "ID", client)

    assert replies(await asyncio.gather(blocked, return_exceptions=True)) == ["Unavailable"]
    assert await reading.execute("PING") == b"PONG"


async def test_readers_that_block_are_woken_as_if_their_time_were_over(
    redis_url: str, connect: Connect
) -> None:
    link, reading = connect(redis_url), connect(redis_url, block_ms=60_000, connections=3)
    await reading.unblock()  # nobody reads yet
    readers = [asyncio.create_task(reading.execute("BLPOP", f"nothing-{n}", 60)) for n in range(3)]
    await wait_until(lambda: _blocked(link, 3), what="the readers")
    await reading.unblock()

    assert await asyncio.gather(*readers) == [None] * 3
    assert await reading.execute("PING") == b"PONG"


async def _is_blocked(link: RedisLink, client: int) -> bool:
    return b"cmd=blpop" in await link.execute("CLIENT", "LIST", "ID", client)


async def test_a_restart_of_the_server_is_an_outage_and_then_over(tmp_path: Path, connect: Connect) -> None:
    with RedisProcess(tmp_path) as server:
        link = connect(url_of(server, ""))
        blocked = asyncio.create_task(link.execute("BLPOP", "nothing", 60))
        await wait_until(lambda: _one_is_blocked(server), what="the reader")
        server.kill()

        assert replies(await asyncio.gather(blocked, return_exceptions=True)) == ["Unavailable"]
        with pytest.raises(Unavailable):
            await link.execute("PING")
        server.start()
        assert await link.execute("PING") == b"PONG"


async def _one_is_blocked(server: RedisProcess) -> bool:
    link = RedisLink(url_of(server, ""))
    blocked = await _blocked(link, 1)
    await link.close()
    return blocked


async def _blocked(link: RedisLink, count: int) -> bool:
    return b"blocked_clients:%d\r" % count in await link.execute("INFO", "clients")


@pytest.mark.parametrize("option", ["ssl_ca_certs={ca}", "ssl_cert_reqs=none"])
async def test_tls_with_a_known_authority_or_without_looking(
    certificates: Certificates, option: str, connect: Connect
) -> None:
    async with FakeRedis(tls=certificates.server_context()) as fake:
        link = connect(f"{fake.url}?{option.format(ca=certificates.ca)}")

        assert await link.execute("ECHO", "x") == b"x"
        large = "y" * 3_000_000
        assert await asyncio.gather(*(link.execute("ECHO", large) for _ in range(3))) == [large.encode()] * 3
        await link.close()
    assert fake.connections == 1


async def test_a_certificate_of_nobody_we_know_is_refused(
    certificates: Certificates, connect: Connect
) -> None:
    async with FakeRedis(echo, tls=certificates.server_context()) as fake:
        link = connect(fake.url)
        with pytest.raises(Unavailable, match="certificate"):
            await link.execute("PING")

        assert fake.requests == []


async def test_we_show_our_own_certificate_when_asked(certificates: Certificates, connect: Connect) -> None:
    async with FakeRedis(tls=certificates.server_context(asks=True)) as fake:
        ours = f"ssl_certfile={certificates.cert}&ssl_keyfile={certificates.key}"
        link = connect(f"{fake.url}?ssl_ca_certs={certificates.ca}&{ours}")

        assert await link.execute("ECHO", "x") == b"x"
        await link.close()
        nobody = connect(f"{fake.url}?ssl_ca_certs={certificates.ca}")
        with pytest.raises(Unavailable):
            await nobody.execute("ECHO", "y")


async def test_tls_to_a_server_that_speaks_none_is_unavailable(connect: Connect) -> None:
    async with FakeRedis(lambda request: b"+OK\r\n") as fake:
        link = connect(fake.url.replace("redis:", "rediss:"))
        with pytest.raises(Unavailable):
            await link.execute("PING")
