"""A receiver of webhooks on a port of its own: it keeps what comes, and answers as it is told."""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks import Webhook

from tests.support.door import accepting


@dataclass
class Received:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """Its `webhook-id`."""
        return self.headers["webhook-id"]

    @property
    def message(self) -> Any:
        """Its body."""
        return json.loads(self.body)

    def verified_by(self, secret: str) -> Any:
        """Its body, after a library that is not ours has verified the signature. Raises what that raises."""
        return Webhook(secret).verify(self.body, self.headers)


@dataclass
class Receiver:
    """See the module.

    Attributes:
        answers: HTTP status (or a head with more lines) of the next answers; when none is left, 204.
        holds: while it is set, requests are taken and not answered.
    """

    url: str = ""
    requests: list[Received] = field(default_factory=list)
    answers: list[int | str] = field(default_factory=list)
    holds: bool = False
    _free: asyncio.Event = field(default_factory=asyncio.Event)

    def let_go(self) -> None:
        """Answer what was held, and what comes."""
        self.holds = False
        self._free.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request."""
        self.requests.append(await _request(reader))
        if self.holds:
            await self._free.wait()
        answer = self.answers.pop(0) if self.answers else 204
        head = answer if isinstance(answer, str) else f"{answer} Because"
        writer.write(f"HTTP/1.1 {head}\r\ncontent-length: 0\r\n\r\n".encode())
        await writer.drain()


@asynccontextmanager
async def receiving(tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> AsyncIterator[Receiver]:
    """A receiver on this machine, until the block ends. `host`: the name in its URL."""
    receiver = Receiver()
    async with listening(receiver.serve, tls) as port:
        receiver.url = f"{'https' if tls else 'http'}://{host}:{port}/hook"
        try:
            yield receiver
        finally:
            receiver.let_go()


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(talk: Talk, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A port of this machine where `talk` answers, until the block ends; then no connection is left open."""
    loop = asyncio.get_running_loop()

    async def welcome(connection: socket.socket) -> None:
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.connect_accepted_socket(lambda: protocol, connection, ssl=tls)
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        try:
            await talk(reader, writer)
            writer.close()
            await writer.wait_closed()
        finally:
            transport.abort()

    async with accepting(welcome) as port:
        yield port


async def _request(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Received(method, path, headers, body)
