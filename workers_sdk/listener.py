"""Hears at once of tasks that are to stop. What it misses, the next renewal of the lease finds out."""

from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Final

from .held import Delivery, Held
from .protocol.keys import Partition
from .protocol.link import Link, Refused, Unavailable
from .seams import Patience

BLOCK_MS: Final = 1_000

Told = tuple[str, str, str]
"""Task id, token of the attempt that is to stop (empty: any), cause."""


class Listener:
    """Reads the cancellations of one partition, from now on.

    Args:
        reading: a link of its own, with one connection, for blocking reads.
        lost: called, with the cause, for each delivery that is to stop.
    """

    def __init__(
        self,
        reading: Link,
        at: Partition,
        held: Held,
        patience: Patience,
        lost: Callable[[Delivery, str], object],
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
            self._tell([told for _, flat in entries for told in _told(flat)])

    def _tell(self, told: Sequence[Told]) -> None:
        by_id = {task_id: (token, cause) for task_id, token, cause in told}
        stopped = []
        for delivery in self._held.all():
            token, cause = by_id.get(delivery.entry.task_id, ("", ""))
            if cause and delivery.at == self._at and token in ("", delivery.entry.token):
                delivery.cancelled.set(cause)
                stopped.append((delivery, cause))
        # All tokens first: whatever else is done lets threads that compute have the interpreter in between.
        for delivery, cause in stopped:
            self._lost(delivery, cause)


def _told(flat: Sequence[bytes]) -> list[Told]:
    """What one entry says; `tokens` and `causes` may be missing. What is no text names no task."""
    said = {flat[i]: flat[i + 1].decode(errors="replace") for i in range(0, len(flat) - 1, 2)}
    ids = said.get(b"tasks", "").split()
    tokens, causes = (said.get(name, "").split(" ")[: len(ids)] for name in (b"tokens", b"causes"))
    rows = zip_longest(ids, tokens, causes, fillvalue="")
    return [(task_id, token, cause or "cancelled") for task_id, token, cause in rows]
