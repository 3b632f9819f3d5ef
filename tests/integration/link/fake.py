"""A server that speaks RESP and does as it is told, wrong things above all."""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Final, Self, cast

import hiredis

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
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Its address."""
        assert self._server is not None
        scheme = "rediss" if self._tls else "redis"
        return f"{scheme}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Talk(self), "127.0.0.1", 0, ssl=self._tls)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        for talk in list(self.open):
            talk.transport.abort()
            await talk.gone
        self._server.close()
        await self._server.wait_closed()

    def seen(self, *command: str) -> int:
        """How often a command came."""
        return self.requests.count([word.encode() for word in command])


class Talk(asyncio.Protocol):
    """One connection to the fake server."""

    transport: asyncio.Transport

    def __init__(self, server: FakeRedis) -> None:
        self._server = server
        self._reader = hiredis.Reader(notEnoughData=None)
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self.transport = cast(asyncio.Transport, transport)
        self._server.connections += 1
        self._server.open.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._server.open.remove(self)
        self.gone.set_result(None)

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
