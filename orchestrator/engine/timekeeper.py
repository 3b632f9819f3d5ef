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
LENGTHY: Final = frozenset(("purge", "cancel", "cancel-batch", "revive", "redrive", "pause", "resume"))
"""Kinds of which there may be thousands at once (the end of a retention, a batch that is cancelled), or one of which may
take a second; no retry and no timeout should wait for them."""
A_STEP: Final = 256
"""How many of these are fired at least before it looks again for others; of very many a share, since finding the others
takes a while too."""

Timer = tuple[str, str]
"""Kind, and what it is about."""

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
        self._passed_by = 0
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
        """Each timer once a step: one that stays (not for us, or refused) must not hide those behind it. What takes long comes
        after all others, and for about as long as those took.

        Returns:
            Seconds until the next one, at most `LONGEST_WAIT_S`.
        """
        leases = self._answering.for_s() >= self._store.policy.lease_ms / 1000
        fired: set[Timer] = set()
        while True:
            # Asked once more at the end: what fired may have set others, which the wait must not pass.
            lengthy, next_ms = await self._fire_quick(fired, leases)
            if self._stop.is_set() or not lengthy:
                return min(LONGEST_WAIT_S, next_ms / 1000)
            share, stayed = self._share(lengthy), 0
            for timer in share:
                if self._stop.is_set():
                    return 0.0
                fired.add(timer)
                stayed += not await self._fire(*timer, leases=leases)
            if len(lengthy) > len(share):
                self._passed_by += stayed
                return LONGEST_WAIT_S if stayed == len(share) else 0.0

    def _share(self, lengthy: list[Timer]) -> list[Timer]:
        """What one step fires of these: those that come after the ones that stayed so far (the purger may have enough)."""
        room = max(A_STEP, len(lengthy) // 40)
        if len(lengthy) <= max(room, self._passed_by):
            self._passed_by = 0
        return lengthy[self._passed_by :][:room]

    async def _fire_quick(self, fired: set[Timer], leases: bool) -> tuple[list[Timer], int]:
        """Fire all that are due but those of `LENGTHY`: these, and the milliseconds until the next timer."""
        lengthy: list[Timer] = []
        since, passed = "-inf", 0
        while True:
            due = await self._store.due(self._at, since, passed)
            for timer, since_then in zip(due.timers, due.since, strict=True):
                gone = False
                # One that comes again was set anew, and waits for the next step: it could come for ever.
                if timer not in fired and timer[0] not in LENGTHY:
                    gone = await self._fire(*timer, leases=leases)
                    fired.add(timer)
                elif timer not in fired:
                    lengthy.append(timer)
                passed = (passed if since_then == since else 0) + (not gone)
                since = since_then
            if self._stop.is_set() or not due.timers:
                return lengthy, due.next_ms

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
