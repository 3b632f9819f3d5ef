"""The one seam to Redis: commands in, raw replies out.

Everything that talks to Redis takes a `Link`. `RedisLink` is a thin client of our own on hiredis
(docs/decisions/0008); a simulation or a test may stand in its place. Replies are raw RESP2 (bytes, int, list, None):
nothing is decoded for a whole batch, so one bad byte cannot poison its neighbours.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final, Protocol

from .address import address_of
from .cluster import Routes
from .connection import Refused, Unavailable
from .node import Argument, Command, Manners, Node, packed

__all__ = ["Argument", "Command", "Link", "RedisLink", "Refused", "Unavailable"]

REDIRECTIONS: Final = 5
_ASKING: Final = packed(("ASKING",))
_DEMOTED: Final = ("READONLY", "MASTERDOWN")
_ABOUT_THE_LAST: Final = ("WAIT", "WAITAOF")

Target = tuple[Node, bool]
"""Where a command goes, and whether `ASKING` goes before it."""


class Link(Protocol):
    """What the loops of the server and of the SDK know of Redis."""

    async def execute(self, *command: Argument) -> Any:
        """Run one command and return its raw reply. Raises: Unavailable, Refused."""
        ...

    async def execute_many(self, commands: Sequence[Command]) -> list[Any]:
        """Run independent commands in one round trip (no transaction). `WAIT` and `WAITAOF` go where the command before them
        goes, on the same connection, since they are about what that wrote. Raises: Unavailable, Refused (the first)."""
        ...

    async def unblock(self) -> None:
        """End the reads that block now as if their time were over. Raises: Unavailable, Refused."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


class RedisLink:
    """A `Link` to a server or a cluster. It connects when it is first used, on the event loop of that use.

    The commands of all callers share one connection to a server, each call in one write. Nothing is ever repeated:
    only idempotent scripts may be, by their callers. A caller that is cancelled leaves the connection as it is.

    Args:
        url: `redis://`, `rediss://` or `unix://`; of any one node of a cluster.
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
        self._routes = Routes(address_of(url), Manners(block_ms, connections if block_ms else 1, name))

    async def execute(self, *command: Argument) -> Any:
        """See `Link.execute`."""
        if self._routes.stale:
            await self._routes.refresh()
        node = self._routes.node_of(command)
        try:
            [reply] = await node.call(packed(command), 1)
        except Unavailable:
            self._routes.doubt(node)
            raise
        if isinstance(reply, Exception):
            [reply] = await self._settled([command], [(node, False)], [reply])
        return reply

    async def execute_many(self, commands: Sequence[Command]) -> list[Any]:
        """See `Link.execute_many`."""
        if not commands:
            return []
        if self._routes.stale:
            await self._routes.refresh()
        if self._routes.known:
            targets = [(self._routes.node_of(command), False) for command in commands]
            for place in _waits(commands):
                targets[place] = targets[place - 1]
        else:
            targets = [(self._routes.node_of(commands[0]), False)] * len(commands)
        replies = await self._sent(commands, targets)
        for reply in replies:
            if isinstance(reply, Exception):
                return await self._settled(commands, targets, replies)
        return replies

    async def unblock(self) -> None:
        """See `Link.unblock`."""
        for node in self._routes.nodes:
            await node.unblock()

    async def close(self) -> None:
        """See `Link.close`."""
        await self._routes.close()

    async def _sent(self, commands: Sequence[Command], targets: Sequence[Target]) -> list[Any]:
        """Send each command to its target, one write for each target, and return the replies in order."""
        if targets.count(targets[0]) == len(targets):
            return await self._sent_to(targets[0], commands)
        places: dict[Target, list[int]] = {}
        for place, target in enumerate(targets):
            places.setdefault(target, []).append(place)
        calls = (self._sent_to(target, [commands[i] for i in own]) for target, own in places.items())
        found = await asyncio.gather(*calls, return_exceptions=True)
        replies: list[Any] = [None] * len(commands)
        for own, result in zip(places.values(), found, strict=True):
            if isinstance(result, BaseException):
                raise result
            for place, reply in zip(own, result, strict=True):
                replies[place] = reply
        return replies

    async def _sent_to(self, target: Target, commands: Sequence[Command]) -> list[Any]:
        node, asking = target
        requests = [_ASKING + packed(command) if asking else packed(command) for command in commands]
        try:
            replies = await node.call(b"".join(requests), len(requests) * (1 + asking))
        except Unavailable:
            self._routes.doubt(node)
            raise
        return replies[1::2] if asking else replies

    async def _settled(
        self, commands: Sequence[Command], targets: Sequence[Target], replies: list[Any]
    ) -> list[Any]:
        """Follow redirections, which mean that a command was not done; raise the first error of the others."""
        targets = list(targets)
        for _ in range(REDIRECTIONS):
            places = [place for place, reply in enumerate(replies) if _redirects(reply)]
            if not places:
                break
            for place in places:
                targets[place] = await self._redirected(replies[place], targets[place][0])
            for place in _waits(commands):
                if place - 1 in places:  # what it waited for was not done
                    targets[place] = targets[place - 1]
                    places = sorted({*places, place})
            again = await self._sent([commands[i] for i in places], [targets[i] for i in places])
            for place, reply in zip(places, again, strict=True):
                replies[place] = reply
        for reply, (node, _) in zip(replies, targets, strict=True):
            if isinstance(reply, Exception):
                raise self._judged(reply, node)
        return replies

    async def _redirected(self, redirection: Refused, by: Node) -> Target:
        node = self._routes.told(redirection, by)
        if redirection.code == "MOVED":
            self._routes.stale = True
            await self._routes.refresh([node])
        return node, redirection.code == "ASK"

    def _judged(self, error: Exception, node: Node) -> Exception:
        if isinstance(error, Unavailable):
            self._routes.doubt(node)
            if str(error).startswith(_DEMOTED):
                # The name of the address may lead to another server by now.
                node.drop(f"the server is no primary: {error}")
        return Unavailable(f"redirected for ever: {error}") if _redirects(error) else error


def _waits(commands: Sequence[Command]) -> list[int]:
    """Places of the commands that are about the one before them."""
    return [place for place, command in enumerate(commands) if place and command[0] in _ABOUT_THE_LAST]


def _redirects(reply: Any) -> bool:
    return isinstance(reply, Refused) and reply.code in ("MOVED", "ASK")
