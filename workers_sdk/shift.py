"""What the loops of a working worker share, and the one thing that several of them do: hand work back."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from .held import Delivery, Held
from .protocol.keys import Partition, Partitions
from .protocol.link import Refused
from .seams import Patience, Seams
from .seats import Seats
from .wire import Wire

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shift:
    """The working time of a worker, from start to drain.

    Attributes:
        lease_s: a delivery that is not renewed for so many seconds goes to another worker.
        stop: set when no new work may start.
    """

    seams: Seams
    wire: Wire
    partitions: Partitions
    services: Sequence[str]
    lease_s: float
    seats: Seats
    stop: asyncio.Event
    held: Held = field(default_factory=Held)

    async def hand_back(self, at: Partition, deliveries: Sequence[Delivery], patience: Patience) -> None:
        """Give deliveries to other workers at once. Without Redis, during a stop, they go over when the lease ends."""
        if not deliveries:
            return
        nonce = self.seams.randomness.nonce()
        try:
            answers = await patience.insist(lambda: self.wire.give_back(at, deliveries, nonce), self.stop)
        except Refused:
            answers = None  # one of them cannot be handed back; their leases end by themselves
        for delivery in deliveries:
            self.held.remove(delivery)
        if answers is None:
            patience.log.error("not_handed_back", deliveries=len(deliveries))

    async def set_aside(
        self, at: Partition, service: str, entry_id: str, reason: str, patience: Patience
    ) -> None:
        """Remove an entry that cannot be used; facts about it are kept."""
        patience.log.error("entry_set_aside", service=service, entry_id=entry_id, reason=reason)
        try:
            await patience.insist(lambda: self.wire.quarantine(at, service, entry_id, reason), self.stop)
        except Refused as error:  # it stays pending, and goes through other hands
            patience.log.error("entry_not_set_aside", service=service, entry_id=entry_id, error=str(error))


def batches(items: Sequence[T], at: Callable[[T], Partition], size: int) -> Iterator[list[T]]:
    """Split items by partition, and each part into lists of at most `size`."""
    parts: dict[int, list[T]] = {}
    for item in items:
        parts.setdefault(at(item).index, []).append(item)
    for part in parts.values():
        for first in range(0, len(part), size):
            yield part[first : first + size]
