"""Looks for what nobody will report: lost workers, and consumers that died."""

import asyncio
from collections.abc import Awaitable
from typing import Any, Final

import structlog

from orchestrator.store.store import Store
from workers_sdk.protocol.keys import GROUP_ORCHESTRATOR, GROUP_WORKERS, Partition
from workers_sdk.protocol.link import Refused, Unavailable

from .loop import Answering, Seams, pause

LONGEST_INTERVAL_S: Final = 5.0
CONSUMER_GONE_MS: Final = 3_600_000
"""A consumer that holds nothing and did not read for an hour is a process that is no more."""
EXPECTED: Final = ("NOGROUP", "ERR")
"""No worker of a service, or no replica, was ever here: no group, or (`ERR no such key`) no stream."""


class Sweeper:
    """Sweeps one partition. All replicas sweep; the scripts make the second of two find nothing."""

    name = "sweeper"

    def __init__(self, store: Store, seams: Seams, at: Partition, stop: asyncio.Event) -> None:
        self._store = store
        self._seams = seams
        self._at = at
        self._stop = stop
        self._interval_s = min(LONGEST_INTERVAL_S, store.policy.lease_ms / 3000)
        self._answering = Answering(seams.clock)
        self._log = structlog.get_logger().bind(duty=self.name)

    async def step(self) -> None:
        """See `Duty.step`."""
        try:
            await self._sweep_all()
        except Unavailable:
            self._answering.stopped()
            raise
        # Jitter keeps replicas that started together from sweeping together.
        await pause(
            self._stop, self._seams.clock, self._interval_s * self._seams.randomness.uniform(0.7, 1.0)
        )

    async def _sweep_all(self) -> None:
        await self._store.agree(sets_lease=True)
        workers_could_renew = self._answering.for_s() >= self._store.policy.lease_ms / 1000
        for service in await self._store.services(self._at):
            if workers_could_renew:
                await self._unless_refused(self._sweep(service), service=service)
            await self._unless_refused(
                self._remove_dead(self._at.queue(service), GROUP_WORKERS), service=service
            )
        for stream in (self._at.scenarios, self._at.task_events, self._at.outbox):
            await self._unless_refused(self._remove_dead(stream, GROUP_ORCHESTRATOR), stream=stream)

    async def _unless_refused(self, work: Awaitable[None], **what: str) -> None:
        """One key of a wrong type, or one missing group, must not keep the rest from being looked after."""
        try:
            await work
        except Refused as error:
            if error.code not in EXPECTED:
                self._log.error("not_swept", error=str(error), **what)

    async def _sweep(self, service: str) -> None:
        while swept := await self._store.sweep(self._at, service):
            for outcome, task_id, scenario_id in swept:
                ids = {"task_id": task_id, "scenario_id": scenario_id}
                self._log.warning("worker_lost", service=service, outcome=outcome, **ids)
            if len(swept) < self._store.policy.chunk:
                return

    async def _remove_dead(self, stream: str, group: str) -> None:
        for flat in await self._store.link.execute("XINFO", "CONSUMERS", stream, group):
            consumer = _facts(flat)
            if consumer["pending"] == 0 and consumer["idle"] > CONSUMER_GONE_MS:
                await self._store.leave(stream, group, consumer["name"])


def _facts(flat: list[Any]) -> dict[str, Any]:
    return {flat[i].decode(): flat[i + 1] for i in range(0, len(flat), 2)}
