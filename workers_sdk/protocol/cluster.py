"""Which server a command goes to. One server serves all, until one answers that it is part of a cluster."""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from .address import Address
from .connection import Refused, Unavailable
from .node import Argument, Command, Manners, Node, packed

_KEYLESS: Final = {
    "ACL", "CLIENT", "CLUSTER", "COMMAND", "CONFIG", "DBSIZE", "ECHO", "FLUSHALL", "INFO", "KEYS", "LATENCY", "PING",
    "SCRIPT", "SLOWLOG", "TIME", "WAIT", "WAITAOF",
}  # fmt: skip
_COUNTED: Final = {"EVAL", "EVALSHA", "EVAL_RO", "EVALSHA_RO", "FCALL", "FCALL_RO"}
_SECOND: Final = {"XGROUP", "XINFO", "OBJECT", "MEMORY"}
_STREAMS: Final = {"XREAD": 1, "XREADGROUP": 4}
"""Where the word STREAMS may stand at the earliest: a group or a consumer may have that name."""
_SLOTS: Final = packed(("CLUSTER", "SLOTS"))

Place = tuple[str, int]


class Routes:
    """The servers of a link and, in a cluster, who owns which slot.

    Nothing is configured: the first `MOVED` tells that this is a cluster, and any of its nodes knows the map.

    Attributes:
        known: the map was read at least once.
        stale: the map may have changed; `refresh` before the next command.
    """

    def __init__(self, address: Address, manners: Manners) -> None:
        self.known = False
        self.stale = False
        self._address = address
        self._manners = manners
        self._home = (address.host, address.port)
        self._nodes: dict[Place, Node] = {self._home: Node(address, manners)}
        self._owners: list[Node | None] = []
        self._reading_map = asyncio.Lock()
        self._closed = False

    @property
    def nodes(self) -> list[Node]:
        """All servers in use, those that failed last at the end."""
        return list(self._nodes.values())

    def node_of(self, command: Command) -> Node:
        """Who serves a command; for one without a key, and while the map is not known, the first of all."""
        if self.known and (key := key_of(command)) is not None:
            owner = self._owners[key_slot(key if isinstance(key, bytes) else str(key).encode())]
            if owner is not None:
                return owner
        return next(iter(self._nodes.values()))

    def told(self, redirection: Refused, by: Node) -> Node:
        """Whom `MOVED slot host:port` or `ASK slot host:port` names. An empty host is that of the node that said it."""
        host, _, port = str(redirection).split(" ")[2].rpartition(":")
        return self._at((host or by.address.host, int(port)))

    def doubt(self, node: Node) -> None:
        """A server failed: in a cluster somebody else may own its slots soon."""
        self.stale = self.known
        place = (node.address.host, node.address.port)
        if place in self._nodes:
            self._nodes[place] = self._nodes.pop(place)

    async def refresh(self, first: Iterable[Node] = ()) -> None:
        """Read the map from the first server that answers, once for all who ask meanwhile. Raises: Unavailable."""
        async with self._reading_map:
            if not self.stale:
                return
            reasons = []
            for node in dict.fromkeys((*first, *self.nodes, self._at(self._home))):
                try:
                    [reply] = await node.call(_SLOTS, 1)
                except Unavailable as error:
                    reply = error
                if isinstance(reply, list) and reply:
                    await self._learn(reply, node)
                    return
                reasons.append(str(reply))
        raise Unavailable(f"no node of the cluster tells who owns which slot: {'; '.join(reasons)}")

    async def close(self) -> None:
        """Close all connections."""
        self._closed = True
        for node in self.nodes:
            await node.close()

    async def _learn(self, ranges: list[Any], teacher: Node) -> None:
        owners: list[Node | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        for start, end, (host, port, *_), *_ in ranges:
            place = (host.decode() if host else teacher.address.host, port)
            owners[start : end + 1] = [self._at(place)] * (end + 1 - start)
        self._owners, self.known, self.stale = owners, True, False
        in_use = set(owners)
        for place, node in list(self._nodes.items()):
            # One that is busy is left to the next time.
            if node not in in_use and node.load == 0:
                del self._nodes[place]
                await node.close()

    def _at(self, place: Place) -> Node:
        if self._closed:
            raise Unavailable("the link is closed")
        if place not in self._nodes:
            address = self._address if place == self._home else self._address.beside(*place)
            self._nodes[place] = Node(address, self._manners)
        return self._nodes[place]


def key_of(command: Command) -> Argument | None:
    """The first key of a command; None when it has none. All keys of one command of ours lie in one slot."""
    name = _word(command[0])
    if name in _KEYLESS:
        return None
    if name == "SCAN":  # the keys of one hash tag, which its pattern names
        return command[3] if len(command) > 3 and str(command[3]).startswith("{") else None
    if name in _COUNTED:
        return command[3] if int(command[2]) > 0 else None
    if name in _STREAMS:
        words = [_word(argument) for argument in command]
        return command[words.index("STREAMS", _STREAMS[name]) + 1]
    at = 2 if name in _SECOND else 1
    return command[at] if len(command) > at else None


def _word(argument: Argument) -> str:
    return (argument.decode(errors="replace") if isinstance(argument, bytes) else str(argument)).upper()
