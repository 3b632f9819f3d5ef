"""Reads the queues of one partition: read, decode, admit, start."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from .held import Delivery
from .protocol.keys import GROUP_WORKERS, Partition
from .protocol.link import Link, Refused, Unavailable
from .protocol.messages import Malformed
from .seams import Patience
from .shift import Shift

BLOCK_MS: Final = 1_000
"""How long a read waits. It is never cancelled, since its reply would be lost: a stop asks Redis to end it (`wake`)."""
MISSED_COUNT: Final = 1_000
GONE: Final = ("NOGROUP", "UNBLOCKED")
"""Stream or group do not exist (yet), or were deleted under the reader (FLUSHALL, a restart without AOF)."""

Start = Callable[[Delivery], None]


class Fetcher:
    """Fetches for all services of a worker from one partition, never more than there are free seats.

    Args:
        reading: a link of its own, with one connection, for blocking reads.
        start: takes a delivery; a seat was taken for it.
    """

    def __init__(self, shift: Shift, reading: Link, at: Partition, start: Start) -> None:
        self._shift = shift
        self._reading = reading
        self._at = at
        self._start = start
        self._streams = {at.queue(service): service for service in shift.services}
        self._order = deque(self._streams)
        self._patience = Patience(shift.seams, f"fetcher-{at.index}")
        self._missed = False

    async def run(self) -> None:
        """Fetch until the shift stops."""
        while not self._shift.stop.is_set():
            await self._shift.seats.some_free()
            await asyncio.sleep(0)  # handlers with nothing to wait for end now, so the next read takes more
            if not self._shift.stop.is_set():
                await self.step()

    async def wake(self) -> None:
        """End a read that waits. Where Redis does not let us, it ends by itself."""
        with contextlib.suppress(Unavailable, Refused):
            await self._reading.unblock()

    async def step(self) -> None:
        """Wait for entries and start them, or hand back what there is no seat for. Waits out an outage."""
        try:
            reply = await self._read()
        except Refused as error:
            await self._make_groups_or_wait(error)
        except Unavailable as error:
            self._missed = True
            await self._patience.failed(error)
        else:
            self._patience.worked()
            await self._admit(await self._decode(reply))

    async def _read(self) -> list[Any]:
        wire = self._shift.wire
        if self._missed:
            # A reply that was lost on its way left entries pending for us that we never saw.
            self._missed = False
            return await wire.fetch(self._reading, self._streams, "0", "COUNT", MISSED_COUNT)
        # COUNT is per stream.
        count = max(1, self._shift.seats.free // len(self._streams))
        # When there are fewer seats than services, the first in the reply get them: each time another one is the first.
        streams = [*self._order]
        self._order.rotate(-1)
        return await wire.fetch(self._reading, streams, ">", "COUNT", count, "BLOCK", BLOCK_MS)

    async def _make_groups_or_wait(self, error: Refused) -> None:
        """Groups are made when they are missing, not before: a server that is out of memory refuses to make any, and
        needs workers that finish to get free."""
        try:
            if error.code not in GONE:
                raise error
            await self._make_groups()
        except (Unavailable, Refused) as reason:
            await self._patience.failed(reason)

    async def _make_groups(self) -> None:
        """From the start of the streams: finished entries are deleted, so whatever stands there is to be done."""
        for stream in self._streams:
            try:
                await self._shift.wire.link.execute(
                    "XGROUP", "CREATE", stream, GROUP_WORKERS, "0", "MKSTREAM"
                )
            except Refused as error:
                if error.code != "BUSYGROUP":
                    raise

    async def _decode(self, reply: list[Any]) -> list[Delivery]:
        """New deliveries, held from here on. A deleted entry comes without fields; there is nothing to do about it."""
        deliveries = []
        for stream, entries in reply:
            service = self._streams[stream.decode()]
            for entry_id, flat in entries:
                delivery = await self._decode_one(service, entry_id, flat) if flat else None
                if delivery and self._shift.held.add(delivery):
                    deliveries.append(delivery)
        return deliveries

    async def _decode_one(self, service: str, entry_id: bytes, flat: list[bytes]) -> Delivery | None:
        try:
            return Delivery.decode(self._at, service, entry_id, flat)
        except Malformed as error:
            await self._shift.set_aside(self._at, service, entry_id.decode(), str(error), self._patience)
            return None

    async def _admit(self, deliveries: Sequence[Delivery]) -> None:
        seats = self._shift.seats.take(len(deliveries))
        await self._shift.hand_back(self._at, deliveries[seats:], self._patience)
        for delivery in deliveries[:seats]:
            self._start(delivery)
