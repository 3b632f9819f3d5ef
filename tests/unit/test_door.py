"""What the tests' own servers promise: no connection is left, at whatever moment a test ends."""

import asyncio
import socket
from contextlib import suppress

import pytest

from tests.integration.link.fake import FakeRedis
from tests.support.receiver import receiving


@pytest.mark.parametrize("steps", range(8))
@pytest.mark.parametrize("server", [receiving, FakeRedis])
async def test_a_connection_that_has_just_come_is_closed_with_the_server(
    server: type[FakeRedis], steps: int
) -> None:
    async with server() as listening:
        port = int(listening.url.split(":")[2].split("/")[0])
        client = socket.create_connection(("127.0.0.1", port), timeout=5)
        for _ in range(steps):  # the server goes through as many states
            await asyncio.sleep(0)

    with client, suppress(ConnectionResetError):
        assert client.recv(1) == b""


async def test_what_breaks_in_a_server_breaks_the_test() -> None:
    with pytest.raises(ValueError, match="not enough values"):
        async with receiving() as receiver:
            port = int(receiver.url.split(":")[2].split("/")[0])
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"nonsense\r\n\r\n")
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
            writer.close()
