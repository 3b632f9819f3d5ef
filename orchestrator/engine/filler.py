"""Keeps the streams of managed services filled from their lanes."""

import asyncio
from collections.abc import Sequence

import structlog

from orchestrator.store.flow import Flow, parted
from orchestrator.store.store import Store
from workers_sdk.protocol.keys import Partition
from workers_sdk.protocol.link import Refused

from .timekeeper import Handler


class Filler:
    """Fills, for one partition, as soon as a script of this replica made it due. What other processes made due comes as a
    timer: all replicas act on that, and the scripts make the second of two find nothing."""

    name = "filler"

    def __init__(self, store: Store, at: Partition, stop: asyncio.Event) -> None:
        self._flow = Flow(store)
        self._at = at
        self._stop = stop
        self._due: set[bytes] = set()
        self._some = asyncio.Event()
        self._log = structlog.get_logger().bind(duty=self.name)

    def touched(self, timers: Sequence[bytes]) -> None:
        """See `Store.on_touched`."""
        if timers:
            self._due.update(timers)
            self._some.set()

    def handlers(self) -> dict[str, Handler]:
        """For the timekeeper."""
        return {"fill": self.fill, "unpark": self.unpark, "pause": self.pause, "resume": self.resume}

    async def step(self) -> None:
        """See `Duty.step`."""
        await self._wait()
        self._some.clear()
        due, self._due = self._due, set()
        handlers = self.handlers()
        for kind, subject in parted(list(due)):
            try:
                await handlers[kind](self._at, subject)
            except Refused as error:
                self._log.error("not_filled", kind=kind, subject=subject, error=str(error))

    async def fill(self, at: Partition, service: str) -> bool:
        """See `Handler`."""
        await self._flow.fill(at, service)
        return True

    async def unpark(self, at: Partition, subject: str) -> bool:
        """See `Handler`. Whoever waited for the key waits for the service now."""
        service, _, key = subject.partition(" ")
        await self._flow.unpark(at, service, key)
        await self._flow.fill(at, service)
        return True

    async def pause(self, _at: Partition, scenario_id: str) -> bool:
        """See `Handler`. Go on where the one who asked for it stopped."""
        while await self._flow.pause_scenario(scenario_id) == "MORE":
            continue
        return True

    async def resume(self, at: Partition, scenario_id: str) -> bool:
        """See `Handler`."""
        while await self._flow.resume_scenario(scenario_id, begin=False) == "MORE":
            continue
        return True

    async def _wait(self) -> None:
        tasks = [asyncio.ensure_future(wait) for wait in (self._some.wait(), self._stop.wait())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
