"""What can go wrong between us and Redis, played by a server that does it on purpose."""

import asyncio
import socket

import pytest

from tests.support.wait import wait_until
from workers_sdk.protocol import node
from workers_sdk.protocol.link import Refused, Unavailable

from .fake import HANG_UP, Connect, FakeRedis, echo, in_turn, replies

HALF = b"$5\r\nhal"  # a reply that breaks off, and then the connection ends


async def test_a_reply_in_many_pieces_is_put_together(connect: Connect) -> None:
    async with FakeRedis(lambda request: None) as fake:
        link = connect(fake.url, name="")
        asking = asyncio.create_task(link.execute("GET", "x"))
        await wait_until(lambda: fake.requests, what="the command")
        for byte in b"*2\r\n$5\r\nhello\r\n:7\r\n":
            fake.open[0].transport.write(bytes([byte]))
            await asyncio.sleep(0)

        assert await asking == [b"hello", 7]


@pytest.mark.parametrize("broken", [HALF, HANG_UP], ids=["half a reply", "no reply"])
async def test_a_connection_that_ends_takes_along_all_that_wait_and_nothing_is_sent_twice(
    broken: bytes, connect: Connect
) -> None:
    async with FakeRedis(in_turn(b"+first\r\n", broken, None, None)) as fake:
        link = connect(fake.url, name="")
        found = await asyncio.gather(*(link.execute("ECHO", name) for name in "abcd"), return_exceptions=True)

        assert replies(found) == ["first", "Unavailable", "Unavailable", "Unavailable"]
        assert await link.execute("ECHO", "later") == b"later"
        assert [fake.seen("ECHO", name) for name in ("a", "b", "later")] == [1, 1, 1]
        assert fake.connections == 2


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n", b"+one\r\n+unasked\r\n"])
async def test_a_server_that_is_not_redis_or_says_too_much_loses_its_connection(
    answer: bytes, connect: Connect
) -> None:
    async with FakeRedis(in_turn(answer)) as fake:
        link = connect(fake.url, name="")
        await asyncio.gather(link.execute("ECHO", "x"), return_exceptions=True)
        await wait_until(lambda: not fake.open, what="the end of the connection")

        assert await link.execute("ECHO", "mine") == b"mine"
        assert fake.connections == 2


async def test_garbage_is_no_answer(connect: Connect) -> None:
    async with FakeRedis(in_turn(b"garbage\r\n")) as fake:
        link = connect(fake.url, name="")
        with pytest.raises(Unavailable, match="not Redis"):
            await link.execute("PING")


@pytest.mark.usefixtures("short_patience")
async def test_silence_ends_the_connection_and_the_next_command_makes_another(connect: Connect) -> None:
    async with FakeRedis(in_turn(None)) as fake:
        link = connect(fake.url, name="")
        with pytest.raises(Unavailable, match="did not answer"):
            await link.execute("ECHO", "lost")

        assert await link.execute("ECHO", "found") == b"found"
        assert fake.seen("ECHO", "lost") == 1


@pytest.mark.usefixtures("short_patience")
async def test_silence_is_noticed_though_nobody_waits_for_the_reply_any_more(connect: Connect) -> None:
    async with FakeRedis(in_turn(None)) as fake:
        link = connect(fake.url, name="")
        asking = asyncio.create_task(link.execute("ECHO", "lost"))
        await wait_until(lambda: fake.requests, what="the command")
        asking.cancel()
        await wait_until(lambda: not fake.open, what="the end of the connection")

        assert await link.execute("ECHO", "found") == b"found"


async def test_one_who_waits_for_long_is_not_lost_while_redis_answers_others(
    monkeypatch: pytest.MonkeyPatch, connect: Connect
) -> None:
    """The time is that of silence: a slow command ahead must not cost those behind it."""
    monkeypatch.setattr(node, "COMMAND_S", 1.0)
    async with FakeRedis(lambda request: None) as fake:
        link = connect(fake.url, name="")
        asking = [asyncio.create_task(link.execute("ECHO", str(n))) for n in range(6)]
        await wait_until(lambda: len(fake.requests) == len(asking), what="the commands")
        for n in range(6):
            await asyncio.sleep(0.25)  # together longer than a command may take
            fake.open[0].transport.write(b":%d\r\n" % n)

        assert await asyncio.gather(*asking) == [0, 1, 2, 3, 4, 5]


async def test_a_server_that_hangs_up_in_the_handshake_is_unavailable(connect: Connect) -> None:
    async with FakeRedis(in_turn(HANG_UP)) as fake:
        link = connect(fake.url)
        with pytest.raises(Unavailable):
            await link.execute("ECHO", "x")

        assert await link.execute("ECHO", "y") == b"y"


@pytest.mark.usefixtures("short_patience")
async def test_a_server_that_is_silent_in_the_handshake_is_unavailable(connect: Connect) -> None:
    async with FakeRedis(in_turn(None)) as fake:
        link = connect(fake.url)
        with pytest.raises(Unavailable, match=r"within 0\.3 s|did not answer"):
            await link.execute("ECHO", "x")

        assert await link.execute("ECHO", "y") == b"y"


@pytest.mark.usefixtures("short_patience")
async def test_a_server_that_is_silent_before_the_handshake_is_unavailable(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        link = connect(f"rediss://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(Unavailable, match=r"no connection within 0\.3 s"):
            await link.execute("PING")


async def test_nobody_at_the_address_is_unavailable_until_somebody_is(connect: Connect) -> None:
    async with FakeRedis() as fake:
        url = fake.url
    link = connect(url)
    with pytest.raises(Unavailable, match="no connection"):
        await link.execute("PING")


@pytest.mark.parametrize(
    "word", ["LOADING Redis is loading", "NOAUTH x", "ERR max number of clients reached", "OOM x", "BUSY x"]
)
async def test_refusals_that_pass_are_outages(word: str, connect: Connect) -> None:
    async with FakeRedis(in_turn(f"-{word}\r\n".encode())) as fake:
        link = connect(fake.url, name="")
        with pytest.raises(Unavailable, match=word.split()[0]):
            await link.execute("PING")


@pytest.mark.parametrize("words", ["NOPERM no permissions to run 'client'", "ERR unknown command 'CLIENT'"])
async def test_a_server_that_forbids_to_give_names_is_used_without(words: str, connect: Connect) -> None:
    async with FakeRedis(in_turn(f"-{words}\r\n".encode())) as fake:
        link = connect(fake.url)

        assert await link.execute("ECHO", "x") == b"x"


async def test_a_server_that_lets_nobody_in_says_why(connect: Connect) -> None:
    async with FakeRedis(in_turn(b"-DENIED Redis is running in protected mode\r\n")) as fake:
        link = connect(fake.url)
        with pytest.raises(Unavailable, match="protected mode"):
            await link.execute("ECHO", "x")


async def test_a_server_that_does_not_know_auth_does_not_make_us_show_the_password(connect: Connect) -> None:
    answer = b"-ERR unknown command 'AUTH', with args beginning with: 'default' 'S3cret'\r\n"
    async with FakeRedis(in_turn(answer)) as fake:
        link = connect(fake.url.replace("//", "//:S3cret@"))
        with pytest.raises(Unavailable, match="AUTH") as raised:
            await link.execute("PING")

        assert "S3cret" not in str(raised.value)


async def test_errors_of_other_words_are_refusals_and_bad_bytes_in_them_do_no_harm(connect: Connect) -> None:
    async with FakeRedis(in_turn(b"-WRONG \xff\xfe\r\n", b"-ASKED too\r\n")) as fake:
        link = connect(fake.url, name="")
        with pytest.raises(Refused) as raised:
            await link.execute("PING")

        assert raised.value.code == "WRONG"
        with pytest.raises(Refused, match="ASKED"):
            await link.execute_many([("PING",), ("PING",)])


async def test_many_at_once_share_one_connection(connect: Connect) -> None:
    async with FakeRedis() as fake:
        link = connect(fake.url)
        found = await asyncio.gather(*(link.execute("ECHO", str(n)) for n in range(100)))

        assert found == [str(n).encode() for n in range(100)]
        assert fake.connections == 1


async def test_who_goes_away_while_the_connection_is_made_does_not_end_it_for_the_others(
    connect: Connect,
) -> None:
    async with FakeRedis(in_turn(None)) as fake:
        link = connect(fake.url)
        first, second = (asyncio.create_task(link.execute("ECHO", name)) for name in "ab")
        await wait_until(lambda: fake.requests, what="the handshake")
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        fake.open[0].transport.write(b"+OK\r\n")

        assert await second == b"b"
        assert (first.cancelled(), fake.connections, fake.seen("ECHO", "a")) == (True, 1, 0)


async def test_closing_while_the_connection_is_made_ends_all_that_wait(connect: Connect) -> None:
    async with FakeRedis(in_turn(None)) as fake:
        link = connect(fake.url)
        asking = asyncio.create_task(link.execute("ECHO", "x"))
        await wait_until(lambda: fake.requests, what="the handshake")
        await link.close()

        with pytest.raises(Unavailable):
            await asking
        await wait_until(lambda: not fake.open, what="the end of the connection")


async def test_closing_before_the_socket_is_open_leaves_nothing(connect: Connect) -> None:
    async with FakeRedis() as fake:
        for turns in range(8):
            link = connect(fake.url)
            asking = asyncio.create_task(link.execute("ECHO", "x"))
            for _ in range(turns):
                await asyncio.sleep(0)
            await link.close()
            await asyncio.gather(asking, return_exceptions=True)
        await wait_until(lambda: not fake.open, what="the end of all connections")


async def test_closing_ends_commands_under_way_and_may_be_done_twice(connect: Connect) -> None:
    async with FakeRedis(lambda request: None) as fake:
        link = connect(fake.url, name="")
        asking = asyncio.create_task(link.execute("ECHO", "x"))
        await wait_until(lambda: fake.requests, what="the command")
        await link.close()
        await link.close()

        with pytest.raises(Unavailable):
            await asking
        with pytest.raises(Unavailable, match="closed"):
            await link.execute("ECHO", "y")


async def test_a_link_that_was_never_used_closes(connect: Connect) -> None:
    await connect("redis://localhost:1").close()


async def test_a_server_that_does_not_read_makes_writers_wait(connect: Connect) -> None:
    async with FakeRedis() as fake:
        link = connect(fake.url, name="")
        await link.execute("ECHO", "x")
        talk = fake.open[0]
        talk.transport.pause_reading()
        large = asyncio.create_task(link.execute("ECHO", b"x" * 20_000_000))
        await asyncio.sleep(0)
        small = [asyncio.create_task(link.execute("ECHO", str(n))) for n in range(10)]
        gone = small.pop()
        await asyncio.sleep(0)
        gone.cancel()
        talk.transport.resume_reading()

        assert len(await large) == 20_000_000
        assert await asyncio.gather(*small) == [str(n).encode() for n in range(9)]
        assert fake.seen("ECHO", "9") == 0


@pytest.mark.usefixtures("short_patience")
async def test_a_server_that_never_reads_again_is_unavailable_to_all_writers(connect: Connect) -> None:
    async with FakeRedis() as fake:
        link = connect(fake.url, name="")
        await link.execute("ECHO", "x")
        fake.open[0].transport.pause_reading()
        asking = [asyncio.create_task(link.execute("ECHO", b"x" * 20_000_000)) for _ in range(3)]

        assert replies(await asyncio.gather(*asking, return_exceptions=True)) == ["Unavailable"] * 3


async def test_a_reader_that_blocks_delays_nobody_on_a_link_for_readers(connect: Connect) -> None:
    async with FakeRedis(lambda request: None if request[0] == b"XREAD" else echo(request)) as fake:
        link = connect(fake.url, block_ms=60_000, connections=3)
        readers = [asyncio.create_task(link.execute("XREAD", str(n))) for n in range(2)]
        await wait_until(lambda: fake.seen("XREAD", "0") + fake.seen("XREAD", "1") == 2, what="the readers")

        assert await link.execute("ECHO", "x") == b"x"
        assert fake.connections == 3
        # A read whose reader was cancelled still blocks its connection.
        readers[0].cancel()
        await asyncio.gather(readers[0], return_exceptions=True)
        assert await link.execute("ECHO", "y") == b"y"
        await link.close()
        assert replies(await asyncio.gather(*readers, return_exceptions=True)) == [
            "CancelledError",
            "Unavailable",
        ]


async def test_a_reader_may_wait_longer_than_a_command(
    monkeypatch: pytest.MonkeyPatch, connect: Connect
) -> None:
    monkeypatch.setattr(node, "COMMAND_S", 0.1)
    async with FakeRedis(lambda request: None if request[0] == b"XREAD" else echo(request)) as fake:
        link = connect(fake.url, block_ms=60_000, connections=1)
        reading = asyncio.create_task(link.execute("XREAD"))
        await wait_until(lambda: fake.seen("XREAD"), what="the read")
        await asyncio.sleep(0.5)
        fake.open[0].transport.write(b"*-1\r\n")

        assert await reading is None


async def test_a_server_that_is_no_primary_any_more_is_looked_for_anew(connect: Connect) -> None:
    """After a failover the name of the address leads elsewhere, and the old connection would last for ever."""
    async with FakeRedis(in_turn(b"-READONLY You can't write against a read only replica.\r\n")) as fake:
        link = connect(fake.url, name="")
        with pytest.raises(Unavailable, match="READONLY"):
            await link.execute("SET", "x", "1")

        assert await link.execute("ECHO", "x") == b"x"
        assert fake.connections == 2


async def test_a_server_that_redirects_in_a_circle_is_unavailable(connect: Connect) -> None:
    async with FakeRedis() as fake:
        here = fake.url.removeprefix("redis://")
        slots = f"*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:{here[10:]}\r\n".encode()
        fake.answer = lambda request: slots if request[0] == b"CLUSTER" else f"-MOVED 7 {here}\r\n".encode()
        link = connect(fake.url, name="")
        with pytest.raises(Unavailable, match="redirected for ever"):
            await link.execute("GET", "x")
        with pytest.raises(Unavailable, match="redirected for ever"):
            await link.execute_many([("GET", "x"), ("GET", "y")])


async def test_a_cluster_whose_nodes_do_not_tell_the_map_is_unavailable_with_the_reason(
    connect: Connect,
) -> None:
    async with FakeRedis(lambda request: b"-MOVED 7 127.0.0.1:1\r\n") as fake:
        link = connect(fake.url, name="")
        with pytest.raises(Unavailable, match="no node of the cluster tells"):
            await link.execute("GET", "x")
        fake.answer = echo
        with pytest.raises(Unavailable, match="no connection"):
            await link.execute("GET", "x")


async def test_an_empty_host_in_a_redirection_is_that_of_the_server_that_says_it(connect: Connect) -> None:
    async with FakeRedis() as fake, FakeRedis() as other:
        port = other.url.rpartition(":")[2]
        slots = f"*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$-1\r\n:{port}\r\n".encode()
        fake.answer = lambda request: f"-MOVED 7 :{port}\r\n".encode()
        other.answer = lambda request: slots if request[0] == b"CLUSTER" else echo(request)
        link = connect(fake.url, name="")

        assert await link.execute("GET", "x") == b"x"
        assert await link.execute("GET", "y") == b"y"
        assert (fake.seen("GET", "x"), fake.seen("GET", "y")) == (1, 0)
