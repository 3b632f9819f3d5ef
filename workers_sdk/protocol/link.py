"""The one seam to Redis: commands in, raw replies out.

Everything that talks to Redis takes a `Link`. `RedisLink` is a thin client of our own on hiredis
(docs/decisions/0007); a simulation or a test may stand in its place. Replies are raw RESP2 (bytes, int, list, None):
nothing is decoded for a whole batch, so one bad byte cannot poison its neighbours.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from .address import address_of
from .connection import Refused, Unavailable
from .node import Argument, Command, Manners, Node, packed

__all__ = ["Argument", "Command", "Link", "RedisLink", "Refused", "Unavailable"]


class Link(Protocol):
    """What the loops of the server and of the SDK know of Redis."""

    async def execute(self, *command: Argument) -> Any:
        """Run one command and return its raw reply. Raises: Unavailable, Refused."""
        ...

    async def execute_many(self, commands: Sequence[Command]) -> list[Any]:
        """Run independent commands in one round trip (no transaction). Raises: Unavailable, Refused (the first)."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


class RedisLink:
    """A `Link` to a server. It connects when it is first used, on the event loop of that use.

    The commands of all callers share one connection, each call in one write. Nothing is ever repeated: only
    idempotent scripts may be, by their callers. A caller that is cancelled leaves the connection as it is.

    Args:
        url: `redis://`, `rediss://` or `unix://`.
        block_ms: longest `BLOCK` that will be asked; a link for blocking reads has connections of its own, because
            a reader that waits keeps its connection busy.
        connections: with `block_ms`, how many commands may block at once.
        name: shown by `CLIENT LIST`.

    Raises:
        ValueError: `url` cannot be read; the message does not show it.
    """

    def __init__(
        self, url: str, *, block_ms: int = 0, connections: int = 16, name: str = "scenarist"
    ) -> None:
        self._node = Node(address_of(url), Manners(block_ms, connections if block_ms else 1, name))

    async def execute(self, *command: Argument) -> Any:
        """See `Link.execute`."""
        [reply] = await self._node.call(packed(command), 1)
        if isinstance(reply, Exception):
            raise reply
        return reply

    async def execute_many(self, commands: Sequence[Command]) -> list[Any]:
        """See `Link.execute_many`."""
        if not commands:
            return []
        replies = await self._node.call(b"".join(map(packed, commands)), len(commands))
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies

    async def close(self) -> None:
        """See `Link.close`."""
        await self._node.close()
