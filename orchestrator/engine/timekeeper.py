"""Does what is due: next attempts, leases over HTTP that ran out, and what others handle."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog

from orchestrator.store.store import Store
from workers_sdk.protocol.keys import Partition
from workers_sdk.protocol.link import Refused, Unavailable

from .loop import Answering, Seams, pause

LONGEST_WAIT_S: Final = 0.25
"""Until it looks again, whatever is due next: another replica may have set a timer since."""
OF_LIFE: Final = frozenset(("lease",))
"""Kinds that mean a sign of life was missed: after an outage of Redis nobody could give one."""


Handler = Callable[[Partition, str], Awaitable[bool]]
"""Acts on a due timer: partition and what stands behind its kind. Says whether the timer is gone."""


class Timekeeper:
    """Fires the timers of one partition. All replicas do; the scripts make the second of two find nothing.

    Args:
        handlers: for more kinds of timers than it knows itself.
        answering: kept up to date by this one, for handlers that want to know it.
    """

    name = "timekeeper"

    def __init__(
        self,
        store: Store,
        seams: Seams,
        at: Partition,
        stop: asyncio.Event,
        handlers: Mapping[str, Handler] | None = None,
        answering: Answering | None = None,
    ) -> None:
        self._store = store
        self._seams = seams
        self._at = at
        self._stop = stop
        self._answering = answering or Answering(seams.clock)
        self._handlers: Mapping[str, Handler] = {
            "start": self._start,
            "cancel": self._cancel,
            "lease": self._expire,
            **(handlers or {}),
        }
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
        fired: set[tuple[str, str]] = set()
        left = 0
        while True:
            due = await self._store.due(self._at, left)
            for timer in due.timers:
                # One that comes again was set anew, and waits for the next step: it could come for ever.
                gone = timer not in fired and await self._fire(*timer, leases=leases)
                fired.add(timer)
                left += not gone
            # Asked once more at the end: what fired may have set others, which the wait must not pass.
            if self._stop.is_set() or not due.timers:
                return min(LONGEST_WAIT_S, due.next_ms / 1000)

    async def _fire(self, kind: str, subject: str, *, leases: bool) -> bool:
        """Whether the timer is gone."""
        handler = self._handlers.get(kind)
        if handler is None or (kind in OF_LIFE and not leases):
            return False
        try:
            return await handler(self._at, subject)
        except Refused as error:
            self._log.error("timer_refused", kind=kind, subject=subject, error=str(error))
            return False

    async def _start(self, at: Partition, task_id: str) -> bool:
        return await self._store.wake(at, task_id) != "NOT_DUE"

    async def _expire(self, at: Partition, task_id: str) -> bool:
        outcome = await self._store.expire(at, task_id)
        self._log.warning("http_lease_expired", task_id=task_id, outcome=outcome)
        return outcome != "NOT_DUE"

    async def _cancel(self, _at: Partition, scenario_id: str) -> bool:
        """Go on where the one who asked for it stopped."""
        while (outcome := await self._store.cancel(scenario_id)) == "MORE":
            continue
        return outcome in ("DONE", "FINAL", "UNKNOWN")
