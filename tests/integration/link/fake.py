"""A server that speaks RESP and does as it is told, wrong things above all."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final, Self, cast

import hiredis

from tests.support.door import accepting
from workers_sdk.protocol.link import RedisLink

Answer = Callable[[list[bytes]], bytes | None]
Connect = Callable[..., RedisLink]

HANG_UP: Final = b""
"""An answer that closes the connection; one that ends with it does so after its other bytes."""
OK: Final = b"+OK\r\n"


def echo(request: list[bytes]) -> bytes:
    """A friendly server: repeats the last argument of everything."""
    return b"$%d\r\n%s\r\n" % (len(request[-1]), request[-1])


class FakeRedis:
    """An async context manager. Requests are kept in `requests`, whoever sent them; None for an answer is silence.

    Attributes:
        answer: what is answered to a request; may be changed at any time.
        connections: how many were made so far.
    """

    def __init__(self, answer: Answer = echo, *, tls: ssl.SSLContext | None = None) -> None:
        self.answer = answer
        self.requests: list[list[bytes]] = []
        self.connections = 0
        self.open: list[Talk] = []
        self._tls = tls
        self._port = 0
        self._door = AsyncExitStack()

    @property
    def url(self) -> str:
        """Its address."""
        return f"{'rediss' if self._tls else 'redis'}://127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        self._port = await self._door.enter_async_context(accepting(self._welcome))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._door.aclose()

    async def _welcome(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        talk = Talk(self)
        transport, _ = await loop.connect_accepted_socket(lambda: talk, connection, ssl=self._tls)
        try:
            await talk.gone.wait()
        finally:
            transport.abort()

    def seen(self, *command: str) -> int:
        """How often a command came."""
        return self.requests.count([word.encode() for word in command])


class Talk(asyncio.Protocol):
    """One connection to the fake server."""

    transport: asyncio.Transport

    def __init__(self, server: FakeRedis) -> None:
        self._server = server
        self._reader = hiredis.Reader(notEnoughData=None)
        self.gone = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self.transport = cast(asyncio.Transport, transport)
        self._server.connections += 1
        self._server.open.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._server.open.remove(self)
        self.gone.set()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._reader.feed(data)
        while (request := self._reader.gets()) is not None:
            self._server.requests.append(request)
            answer = self._server.answer(request)
            if answer is not None:
                self.transport.write(answer)
            if answer == HANG_UP or (answer and not answer.endswith(b"\r\n")):
                self.transport.close()


def in_turn(*answers: bytes | None, then: Answer = echo) -> Answer:
    """Answer requests one after the other, those that come later by `then`."""
    left: list[bytes | None] = [*answers]
    return lambda request: left.pop(0) if left else then(request)


def replies(values: Sequence[Any]) -> list[str]:
    """Kinds of the results of `asyncio.gather(..., return_exceptions=True)`: the text of a reply, or an error's class."""
    return [value.decode() if isinstance(value, bytes) else type(value).__name__ for value in values]
