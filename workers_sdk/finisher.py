"""Reports finished attempts, whatever has gathered in one call; an attempt is reported when Redis has said so."""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from .attempt_log import names_of
from .held import Delivery
from .outcome import Outcome
from .protocol.keys import Partition
from .protocol.link import Refused
from .seams import Patience
from .shift import Shift

BATCH: Final = 64
"""Reports per call, as many as the engine applies in one; with results of the largest size that is 4 MiB."""

MOST: Final = 4 * BATCH
"""Reports that may wait before no more work is taken: handlers may end faster than Redis takes what they say."""

Finished = tuple[Delivery, Outcome]


class Finisher:
    """Reports to each partition by a lane of its own, so that a server of a cluster that is gone delays no others."""

    def __init__(self, shift: Shift) -> None:
        self.give_up = asyncio.Event()
        """Set to end without Redis: what is left then is done again by another worker."""
        self._lanes = {at.index: _Lane(shift, at, self.give_up) for at in shift.partitions}

    def add(self, delivery: Delivery, outcome: Outcome) -> None:
        """Report this one with the next batch."""
        self._lanes[delivery.at.index].add(delivery, outcome)

    def close(self) -> None:
        """Nothing is added any more: `run` ends when everything is reported."""
        for lane in self._lanes.values():
            lane.close()

    async def run(self) -> None:
        """Report until closed."""
        async with asyncio.TaskGroup() as group:
            for lane in self._lanes.values():
                group.create_task(lane.run())


class _Lane:
    """Sends one batch at a time, in order. Through an outage it tries on: a report that comes too late changes nothing."""

    def __init__(self, shift: Shift, at: Partition, give_up: asyncio.Event) -> None:
        self._shift = shift
        self._at = at
        self._give_up = give_up
        self._patience = Patience(shift.seams, f"finisher-{at.index}")
        self._outbox: list[Finished] = []
        self._some = asyncio.Event()
        self._closed = False
        self._log = structlog.get_logger("workers_sdk")

    def add(self, delivery: Delivery, outcome: Outcome) -> None:
        self._outbox.append((delivery, outcome))
        self._some.set()
        if len(self._outbox) >= MOST:
            self._shift.seats.pause(True)

    def close(self) -> None:
        self._closed = True
        self._some.set()

    async def run(self) -> None:
        while self._outbox or not self._closed:
            await self._some.wait()
            if not self._closed:
                self._some.clear()
            gathered, self._outbox = self._outbox, []
            self._shift.seats.pause(False)
            for first in range(0, len(gathered), BATCH):
                await self._send(gathered[first : first + BATCH])

    async def _send(self, batch: Sequence[Finished]) -> None:
        wire = self._shift.wire
        try:
            answers = await self._patience.insist(lambda: wire.finish(self._at, batch), self._give_up)
        except Refused as error:
            await self._send_singly(batch, error)
            return
        if answers is None:
            self._log.error("not_reported", attempts=len(batch))
            return
        for (delivery, outcome), accepted in zip(batch, answers, strict=True):
            self._shift.held.remove(delivery)
            if not accepted:  # or accepted before, and that answer was lost
                self._log.info("report_not_new", **names_of(delivery), kind=outcome.kind.value)

    async def _send_singly(self, batch: Sequence[Finished], error: Refused) -> None:
        """A batch was refused whole: find the report that cannot be taken. Its task counts as lost by its worker."""
        if len(batch) > 1:
            for finished in batch:
                await self._send([finished])
            return
        delivery = batch[0][0]
        self._log.error("report_refused", **names_of(delivery), error=str(error))
        self._shift.held.abandon(delivery)
