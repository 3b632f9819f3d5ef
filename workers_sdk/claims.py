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
from .protocol.link import Refused, Unavailable
from .seams import Patience, first_of, is_about_data
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
        open_ones = [one for one in dict.fromkeys(deliveries) if not one.ended and not one.claimed]
        problem: Unavailable | Refused | None = None
        for batch in batches(open_ones, lambda delivery: delivery.at, BATCH):
            try:
                await self._send(batch)
            except (Unavailable, Refused) as error:  # those of other partitions may go through
                problem = error
                self._begun += batch
        if not problem:
            self._patience.worked()
        elif not self._shift.stop.is_set():  # else what is held is handed back at the end
            self._some.set()
            await self._patience.failed(problem)

    async def _send(self, batch: Sequence[Delivery]) -> None:
        try:
            answers = await self._shift.wire.claim(batch[0].at, batch)
        except Refused as error:
            if not is_about_data(error):
                raise
            await self._send_singly(batch, error)
            return
        for delivery, answer in zip(batch, answers, strict=True):
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
