"""Takes the deliveries of webhooks that are due, and hands them to the sender."""

import asyncio
from typing import Final

from orchestrator.store.endpoints import Endpoint
from workers_sdk.protocol.keys import Partition

from .loop import Seams
from .sender import Sender

LONGEST_WAIT_S: Final = 1.0
"""Until it looks again: another replica may have made a delivery since."""
REPAIR_S: Final = 30.0


class Courier:
    """Works for one partition. All replicas do; a delivery is taken by one of them."""

    name = "courier"

    def __init__(self, sender: Sender, seams: Seams, at: Partition, stop: asyncio.Event) -> None:
        self._sender = sender
        self._seams = seams
        self._at = at
        self._stop = stop
        self._repair_at = 0.0
        self._first = 0
        self._news = asyncio.Event()

    def look(self) -> None:
        """There may be something to take: do not wait any longer."""
        self._news.set()

    async def step(self) -> None:
        """See `Duty.step`."""
        self._news.clear()
        wait_s = await self.round()
        await self._rest(wait_s)

    async def round(self) -> float:
        """Take what is due and begin to send it. Returns: seconds until there is more to do, if nothing happens."""
        await self._repair()
        endpoints = {one.id: one for one in await self._sender.endpoints.all(self._at) if one.enabled}
        async with self._sender.turn:  # couriers of other partitions count the same room
            free = self._sender.free
            if not endpoints or free <= 0:
                return LONGEST_WAIT_S
            taken = await self._sender.deliveries.take(
                self._at, self._rooms(endpoints), total=free, hold_ms=self._sender.sending.hold_ms
            )
            for due in taken.deliveries:
                self._sender.send(self._at, endpoints[due.endpoint_id], due, taken.now_ms, self.look)
        return min(LONGEST_WAIT_S, taken.next_ms / 1000)

    def _rooms(self, endpoints: dict[str, Endpoint]) -> list[tuple[str, int]]:
        """Each time another one comes first, so that none is left out when there is less room than deliveries."""
        ids = sorted(endpoints)
        self._first = (self._first + 1) % len(ids)
        return [(one, max(0, self._sender.room(one))) for one in ids[self._first :] + ids[: self._first]]

    async def _repair(self) -> None:
        now = self._seams.clock.monotonic()
        if now >= self._repair_at:
            await self._sender.endpoints.repair(self._at)
            self._repair_at = now + REPAIR_S

    async def _rest(self, seconds: float) -> None:
        """Wait, but not beyond `stop`, news, or the end of an attempt."""
        waits = (self._seams.clock.sleep(seconds), self._stop.wait(), self._news.wait())
        tasks = [asyncio.ensure_future(wait) for wait in waits]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
