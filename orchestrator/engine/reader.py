"""Reads a stream as one of several equal replicas, and takes over what a dead one left pending."""

from dataclasses import dataclass
from typing import Any, Final

from workers_sdk.protocol.keys import GROUP_ORCHESTRATOR
from workers_sdk.protocol.link import Argument, Refused
from workers_sdk.protocol.seams import Clock

from .loop import Seams

BLOCK_MS: Final = 1_000
"""How long a read waits. Bounds how long a stop takes; on an idle system it is the only thing that happens."""
GONE: Final = ("NOGROUP", "UNBLOCKED")
"""What Redis says when the stream or its group was deleted under a reader (after FLUSHALL, or a restart without AOF)."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One stream entry: its id, and fields and values in a flat list."""

    entry_id: str
    flat: list[bytes]


class Reader:
    """Reader of one stream for one replica.

    Args:
        stream: its key.
        consumer: name of this replica in the group.
        stale_ms: an entry pending for so long belongs to a replica that is dead; applying it twice would be harmless.
    """

    def __init__(self, seams: Seams, stream: str, consumer: str, *, stale_ms: int) -> None:
        self._link = seams.reading
        self._clock: Clock = seams.clock
        self._stream = stream
        self._consumer = consumer
        self._stale_ms = stale_ms
        self._cursor = "0-0"
        self._take_over_at = 0.0
        self._in_hand = False
        self._again_after = ""

    async def read(self, count: int) -> list[Entry]:
        """Up to `count` entries; waits up to `BLOCK_MS`, then returns an empty list.

        Entries of a step that failed come first (its replies may have been lost), then stale ones, then new ones.
        Call `done` when the entries are dealt with.

        Raises:
            Unavailable, Refused: see `Link.execute`.
        """
        self._again_after = "0" if self._in_hand else self._again_after
        self._in_hand = True
        try:
            own = await self._read(count, self._again_after) if self._again_after else []
            self._again_after = own[-1].entry_id if own else ""  # there may be more than `count`
            return own or await self._stale(count) or await self._read(count, ">", "BLOCK", BLOCK_MS)
        except Refused as error:
            if error.code not in GONE:
                raise
            await self._make_group()
            return []

    async def more(self, count: int) -> list[Entry]:
        """Up to `count` further entries within a step, those that are there. Raises: Unavailable, Refused."""
        try:
            return await self._stale(count) or await self._read(count, ">")
        except Refused as error:
            if error.code not in GONE:
                raise
            return []

    def done(self) -> None:
        """What was read is dealt with."""
        self._in_hand = False

    async def _make_group(self) -> None:
        """From the start of the stream: finished entries are deleted, so whatever stands there is still to be done.

        Only when it is missing: a server that is out of memory refuses this, and must be helped to get free.
        """
        try:
            await self._link.execute("XGROUP", "CREATE", self._stream, GROUP_ORCHESTRATOR, "0", "MKSTREAM")
        except Refused as error:
            if error.code != "BUSYGROUP":
                raise

    async def _stale(self, count: int) -> list[Entry]:
        if self._clock.monotonic() < self._take_over_at:
            return []
        reply = await self._link.execute(
            "XAUTOCLAIM",
            self._stream,
            GROUP_ORCHESTRATOR,
            self._consumer,
            self._stale_ms,
            self._cursor,
            "COUNT",
            count,
        )
        self._cursor = reply[0].decode()
        # The end of one pass over the pending entries; the next pass starts when more can have become stale.
        if self._cursor == "0-0":
            self._take_over_at = self._clock.monotonic() + self._stale_ms / 2000
        return _entries(reply[1])

    async def _read(self, count: int, after: str, *options: Argument) -> list[Entry]:
        reply = await self._link.execute(
            "XREADGROUP", "GROUP", GROUP_ORCHESTRATOR, self._consumer,
            "COUNT", count, *options, "STREAMS", self._stream, after,
        )  # fmt: skip
        return _entries(reply[0][1]) if reply else []


def _entries(reply: list[Any]) -> list[Entry]:
    """A deleted entry comes without fields; there is nothing to do about it."""
    return [Entry(entry[0].decode(), entry[1]) for entry in reply if entry and entry[1] is not None]
