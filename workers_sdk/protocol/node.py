"""One server: connections that are made when they are needed, and made again after they were lost."""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from hiredis import pack_command

from .address import Address
from .connection import Connection, Refused, Unavailable, Unwelcome

CONNECT_S: Final = 5.0
COMMAND_S: Final = 5.0
"""How long a command may take, beyond the time that it is asked to block."""

_FORBIDDEN: Final = ("NOPERM", "ERR")
"""What a server or a proxy says that does not let us use a command."""

Argument = str | bytes | int | float
Command = Sequence[Argument]


def packed(command: Command) -> bytes:
    """A command as it is sent. Raises: TypeError, UnicodeEncodeError for an argument that is none."""
    request: bytes = pack_command(tuple(command))  # type: ignore[arg-type]
    return request


@dataclass(frozen=True, slots=True)
class Manners:
    """How a link uses a server: see `RedisLink`."""

    block_ms: int
    connections: int
    name: str

    @property
    def timeout_s(self) -> float:
        """How long Redis may be silent, seconds."""
        return self.block_ms / 1000 + COMMAND_S


class Line:
    """One connection that comes back. A lost command is never sent again: only its caller knows whether it may be."""

    def __init__(self, address: Address, manners: Manners) -> None:
        self._address = address
        self._manners = manners
        self._connection: Connection | None = None
        self._connecting: asyncio.Task[Connection | Unavailable] | None = None
        self.client_id = 0
        self._coming = 0
        self._closed = False

    @property
    def load(self) -> int:
        """How many requests wait for replies, or for the connection."""
        return self._coming + (self._connection.load if self._connection else 0)

    def call(self, request: bytes, count: int) -> Coroutine[Any, Any, list[Any]]:
        """See `Connection.call`."""
        connection = self._connection
        if connection is None or connection.lost:
            return self._call_when_connected(request, count)
        return connection.call(request, count)

    def drop(self, why: str) -> None:
        """The next command makes a new connection."""
        if self._connection:
            self._connection.drop(why)

    async def close(self) -> None:
        """Close for good."""
        self._closed = True
        if self._connecting:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        if self._connection:
            await self._connection.close("the link was closed")

    async def _call_when_connected(self, request: bytes, count: int) -> list[Any]:
        self._coming += 1
        try:
            connection = await self._connected()
        finally:
            self._coming -= 1
        return await connection.call(request, count)

    async def _connected(self) -> Connection:
        """Whoever comes while a connection is being made waits for that one; who goes away again does not end it."""
        if self._closed:
            raise Unavailable("the link is closed")
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._connect(), name="redis-connect")
        connecting = self._connecting
        await asyncio.wait([connecting])
        result = Unavailable("the link was closed") if connecting.cancelled() else connecting.result()
        if isinstance(result, Unavailable):
            raise type(result)(*result.args)
        return result

    async def _connect(self) -> Connection | Unavailable:
        connection = Connection(self._manners.timeout_s)
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._address.connect(lambda: connection)
                await self._greet(connection)
        except TimeoutError:
            return Unavailable(f"no connection within {CONNECT_S:g} s")
        except (OSError, ValueError) as error:
            return Unavailable(f"no connection: {error}")
        except Unavailable as error:
            return error
        else:
            self._connection = connection
            return connection
        finally:
            self._connecting = None
            if self._connection is not connection:
                # Not waited for: a transport of uvloop whose making was cancelled does not tell when it is gone.
                connection.drop("the connection was not completed")

    async def _greet(self, connection: Connection) -> None:
        at = self._address
        commands: list[Command] = []
        if at.password or at.username:
            commands.append(("AUTH", at.username or "default", at.password))
        if at.db:
            commands.append(("SELECT", at.db))
        if self._manners.name:
            commands.append(("CLIENT", "SETNAME", self._manners.name))
        if self._manners.block_ms:
            commands.append(("CLIENT", "ID"))
        replies = await connection.call(b"".join(map(packed, commands)), len(commands)) if commands else []
        if replies and isinstance(replies[-1], int):
            self.client_id = replies[-1]
        for command, reply in zip(commands, replies, strict=True):
            if command[0] == "CLIENT" and isinstance(reply, Refused) and reply.code in _FORBIDDEN:
                continue  # then there is no name, and reads that block end by themselves
            if isinstance(reply, Exception):
                # A server that does not know AUTH would repeat its arguments.
                text = f"{command[0]!s}: {str(reply).partition(', with args')[0]}"
                is_lasting = isinstance(reply, Refused) or str(reply).startswith("NOAUTH")
                raise Unwelcome(text) if is_lasting else Unavailable(text)


class Node:
    """The lines to one server. A command takes the least busy one, so what blocks one line delays nothing else."""

    def __init__(self, address: Address, manners: Manners) -> None:
        self.address = address
        self._lines = [Line(address, manners) for _ in range(manners.connections)]
        self._aside = Line(address, replace(manners, block_ms=0))

    @property
    def load(self) -> int:
        """How many requests are under way."""
        return sum(line.load for line in self._lines)

    def call(self, request: bytes, count: int) -> Coroutine[Any, Any, list[Any]]:
        """See `Connection.call`."""
        lines = self._lines
        line = lines[0] if len(lines) == 1 else min(lines, key=lambda line: line.load)
        return line.call(request, count)

    async def unblock(self) -> None:
        """See `Link.unblock`."""
        clients = [line.client_id for line in self._lines if line.load and line.client_id]
        requests = [packed(("CLIENT", "UNBLOCK", client)) for client in clients]
        if requests:
            for reply in await self._aside.call(b"".join(requests), len(requests)):
                if isinstance(reply, Exception):
                    raise reply

    def drop(self, why: str) -> None:
        """Connect anew for the next command."""
        for line in self._lines:
            line.drop(why)

    async def close(self) -> None:
        """Close all connections."""
        for line in (*self._lines, self._aside):
            await line.close()
