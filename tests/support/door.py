"""A listening port that leaves no connection behind.

A server of asyncio knows a connection some steps of the loop after it was accepted: a client that gives up, or a block
that ends, in between leaves a socket that nobody closes, and the warning fails whichever test runs next. Here a
connection has an owner from the moment it is accepted.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress


@asynccontextmanager
async def accepting(welcome: Callable[[socket.socket], Awaitable[None]]) -> AsyncIterator[int]:
    """A port of this machine, until the block ends: each connection is given to a `welcome` of its own.

    A connection is closed when its `welcome` ends; those that still run at the end of the block are cancelled.
    Raises what a `welcome` raised, if it is not the fault of the connection (`OSError`, `EOFError`).
    """
    loop = asyncio.get_running_loop()
    connections: list[socket.socket] = []
    talks: list[asyncio.Task[None]] = []

    async def serve(connection: socket.socket) -> None:
        with suppress(OSError, EOFError):  # the other side gave up
            await welcome(connection)

    def accept() -> None:
        with suppress(BlockingIOError):  # it was reset while it waited
            connections.append(door.accept()[0])
            connections[-1].setblocking(False)
            talks.append(loop.create_task(serve(connections[-1])))

    with closing(socket.create_server(("127.0.0.1", 0))) as door:
        door.setblocking(False)
        loop.add_reader(door, accept)
        try:
            yield door.getsockname()[1]
        finally:
            loop.remove_reader(door)
            for talk in talks:
                talk.cancel()
            ends = await asyncio.gather(*talks, return_exceptions=True)
            await asyncio.sleep(0)  # a transport closes its socket one step after it is told to
            for connection in connections:
                connection.close()
    for end in ends:
        if isinstance(end, Exception):
            raise end
