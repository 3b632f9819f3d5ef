"""Does what is due: next attempts, leases over HTTP that ran out, retention that ended."""

import asyncio
from typing import Final

import structlog

from orchestrator.store.store import Store
from workers_sdk.protocol.keys import Partition
from workers_sdk.protocol.link import Refused, Unavailable

from .loop import Answering, Seams, pause

LONGEST_WAIT_S: Final = 1.0
"""Until it looks again, whatever is due next: another replica may have set a timer since."""


class Timekeeper:
    """Fires the timers of one partition. All replicas do; the scripts make the second of two find nothing."""

    name = "timekeeper"

    def __init__(self, store: Store, seams: Seams, at: Partition, stop: asyncio.Event) -> None:
        self._store = store
        self._seams = seams
        self._at = at
        self._stop = stop
        self._answering = Answering(seams.clock)
        self._log = structlog.get_logger().bind(duty=self.name)

    async def step(self) -> None:
        """See `Duty.step`."""
        try:
            wait_s = await self._fire_all()
        except Unavailable:
            self._answering.stopped()
            raise
        await pause(self._stop, self._seams.clock, wait_s)

    async def _fire_all(self) -> float:
        """Each timer once a step: one that stays (not for us, or refused) must not hide those behind it.

        Returns:
            Seconds until the next one, at most `LONGEST_WAIT_S`.
        """
        leases = self._answering.for_s() >= self._store.policy.lease_ms / 1000
        left = 0
        while True:
            due = await self._store.due(self._at, left)
            for kind, subject in due.timers:
                left += not await self._fire(kind, subject, leases=leases)
            if self._stop.is_set() or len(due.timers) < self._store.policy.chunk:
                return min(LONGEST_WAIT_S, due.next_ms / 1000)

    async def _fire(self, kind: str, subject: str, *, leases: bool) -> bool:
        """Whether the timer is gone."""
        try:
            if kind == "retry":
                return await self._store.wake(self._at, subject) != "NOT_DUE"
            if kind == "cancel":
                return await self._cancel(subject)
            if kind == "purge":
                return await self._purge(subject)
            return kind == "lease" and leases and await self._expire(subject)
        except Refused as error:
            self._log.error("timer_refused", kind=kind, subject=subject, error=str(error))
            return False

    async def _expire(self, task_id: str) -> bool:
        outcome = await self._store.expire(self._at, task_id)
        self._log.warning("http_lease_expired", task_id=task_id, outcome=outcome)
        return outcome != "NOT_DUE"

    async def _cancel(self, scenario_id: str) -> bool:
        """Go on where the one who asked for it stopped."""
        while (outcome := await self._store.cancel(scenario_id)) == "MORE":
            continue
        return outcome in ("DONE", "FINAL", "UNKNOWN")

    async def _purge(self, scenario_id: str) -> bool:
        while (outcome := await self._store.purge(self._at, scenario_id)) == "MORE":
            continue
        if outcome == "DONE":
            self._log.info("scenario_purged", scenario_id=scenario_id)
        return outcome == "DONE"
