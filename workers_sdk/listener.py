"""Hears at once of tasks that were cancelled. What it misses, the next renewal of the lease finds out."""

from collections.abc import Callable, Sequence
from typing import Final

from .held import Delivery, Held
from .protocol.keys import Partition
from .protocol.link import Link, Refused, Unavailable
from .seams import Patience

BLOCK_MS: Final = 1_000


class Listener:
    """Reads the cancellations of one partition, from now on.

    Args:
        reading: a link of its own, with one connection, for blocking reads.
        lost: called for each delivery that is to stop.
    """

    def __init__(
        self, reading: Link, at: Partition, held: Held, patience: Patience, lost: Callable[[Delivery], object]
    ) -> None:
        self._reading = reading
        self._at = at
        self._held = held
        self._patience = patience
        self._lost = lost
        self._last = b""

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            try:
                await self._step()
            except (Unavailable, Refused) as error:
                self._last = b""
                await self._patience.failed(error)
            else:
                self._patience.worked()

    async def _step(self) -> None:
        stream = self._at.cancellations
        if not self._last:
            newest = await self._reading.execute("XREVRANGE", stream, "+", "-", "COUNT", 1)
            self._last = newest[0][0] if newest else b"0-0"
        command = ("XREAD", "COUNT", 100, "BLOCK", BLOCK_MS, "STREAMS", stream, self._last)
        for _, entries in await self._reading.execute(*command) or ():
            self._last = entries[-1][0]
            self._tell({task_id for _, flat in entries for task_id in _ids(flat)})

    def _tell(self, task_ids: set[str]) -> None:
        for delivery in self._held.all():
            if delivery.at == self._at and delivery.entry.task_id in task_ids:
                self._lost(delivery)


def _ids(flat: Sequence[bytes]) -> list[str]:
    """What is no text names no task."""
    return flat[1].decode(errors="replace").split() if len(flat) > 1 else []
