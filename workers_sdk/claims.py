"""Claims what runs, a moment after it began (docs/decisions/0009).

An entry is only in its queue while its token is the current one, so a handler may start as soon as it is delivered. The
claim makes the task `processing` and visible under this worker's name. Most short handlers have ended before; then the
report says who ran it, and the claim is saved.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import structlog

from .attempt_log import names_of
from .held import Delivery
from .protocol.link import Refused
from .seams import Patience, first_of
from .shift import Shift, batches
from .wire import GO, HELD

DELAY_S: Final = 0.01
BATCH: Final = 64


class Claims:
    """Claims deliveries that still run after `DELAY_S`.

    Args:
        lost: called, with the cause, for a delivery that another has, or that nobody wants any more.
    """

    def __init__(self, shift: Shift, lost: Callable[[Delivery, str], object]) -> None:
        self._shift = shift
        self._lost = lost
        self._patience = Patience(shift.seams, "claims")
        self._begun: list[Delivery] = []
        self._some = asyncio.Event()
        self._closed = asyncio.Event()
        self._log = structlog.get_logger("workers_sdk")

    def add(self, delivery: Delivery) -> None:
        """Its handler begins now."""
        self._begun.append(delivery)
        self._some.set()

    def close(self) -> None:
        """Nothing begins any more."""
        self._closed.set()

    async def run(self) -> None:
        """Claim until closed."""
        while not self._closed.is_set():
            await first_of(self._some.wait(), self._closed.wait())
            await first_of(self._shift.seams.clock.sleep(DELAY_S), self._closed.wait())
            self._some.clear()
            begun, self._begun = self._begun, []
            await self.claim(begun)

    async def claim(self, deliveries: Iterable[Delivery]) -> None:
        """Claim now those that run and are not claimed yet."""
        open_ones = [one for one in deliveries if not one.ended and not one.claimed]
        for batch in batches(open_ones, lambda delivery: delivery.at, BATCH):
            await self._send(batch)

    async def _send(self, batch: Sequence[Delivery]) -> None:
        wire, at = self._shift.wire, batch[0].at
        try:
            answers = await self._patience.insist(lambda: wire.claim(at, batch), self._shift.stop)
        except Refused as error:
            await self._send_singly(batch, error)
            return
        # None: stopping without Redis. What is held is handed back at the end.
        for delivery, answer in zip(batch, answers or (), strict=answers is not None):
            delivery.claimed = answer == GO
            if not delivery.claimed and not delivery.ended:
                self._log.info("not_ours", **names_of(delivery), why=answer.decode())
                self._lost(delivery, "lease_lost")
                if answer == HELD:
                    self._shift.held.abandon(delivery)

    async def _send_singly(self, batch: Sequence[Delivery], error: Refused) -> None:
        """A batch was refused whole: find the task that cannot be claimed, so that it does not stop the others."""
        if len(batch) > 1:
            for delivery in batch:
                await self._send([delivery])
            return
        self._lost(batch[0], "lease_lost")
        entry = batch[0].entry
        await self._shift.set_aside(batch[0].at, entry.service, entry.entry_id, str(error), self._patience)
