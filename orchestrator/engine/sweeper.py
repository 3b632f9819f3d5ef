"""Looks for what nobody will report: lost workers, leases that ran out, retention that ended, consumers that died."""

import asyncio
from typing import Any, Final

import structlog

from orchestrator.store.store import Store
from workers_sdk.protocol.keys import GROUP_ORCHESTRATOR, GROUP_WORKERS, Partition
from workers_sdk.protocol.link import Refused

from .loop import Seams, pause

LONGEST_INTERVAL_S: Final = 5.0
CONSUMER_GONE_MS: Final = 3_600_000
"""A consumer that holds nothing and did not read for an hour is a process that is no more."""


class Sweeper:
    """Sweeps one partition. All replicas sweep; the scripts make the second of two find nothing."""

    name = "sweeper"

    def __init__(self, store: Store, seams: Seams, at: Partition, stop: asyncio.Event) -> None:
        self._store = store
        self._seams = seams
        self._at = at
        self._stop = stop
        self._interval_s = min(LONGEST_INTERVAL_S, store.policy.lease_ms / 3000)
        self._log = structlog.get_logger().bind(duty=self.name)

    async def step(self) -> None:
        """See `Duty.step`."""
        await self._fire_due()
        for service in await self._store.services(self._at):
            await self._sweep(service)
            await self._remove_dead(self._at.queue(service), GROUP_WORKERS)
        for stream in (self._at.scenarios, self._at.task_events):
            await self._remove_dead(stream, GROUP_ORCHESTRATOR)
        # Jitter keeps replicas that started together from sweeping together.
        await pause(
            self._stop, self._seams.clock, self._interval_s * self._seams.randomness.uniform(0.7, 1.0)
        )

    async def _fire_due(self) -> None:
        while due := await self._store.due(self._at):
            for kind, subject in due:
                if kind == "lease":
                    self._log.warning(
                        "http_lease_expired",
                        task_id=subject,
                        outcome=await self._store.expire(self._at, subject),
                    )
                elif kind == "purge":
                    await self._purge(subject)
            if self._stop.is_set() or len(due) < self._store.policy.chunk:
                return

    async def _purge(self, scenario_id: str) -> None:
        while (answer := await self._store.purge(self._at, scenario_id)) == "MORE":
            continue
        self._log.info("scenario_purged", scenario_id=scenario_id, outcome=answer)

    async def _sweep(self, service: str) -> None:
        try:
            while swept := await self._store.sweep(self._at, service):
                for outcome, task_id in swept:
                    self._log.warning("worker_lost", task_id=task_id, service=service, outcome=outcome)
                if len(swept) < self._store.policy.chunk:
                    return
        except Refused as error:
            if error.code != "NOGROUP":  # no worker of this service was ever here, so none can have died
                raise

    async def _remove_dead(self, stream: str, group: str) -> None:
        try:
            consumers = await self._store.link.execute("XINFO", "CONSUMERS", stream, group)
        except Refused:  # no stream or no group yet
            return
        for consumer in (_facts(flat) for flat in consumers):
            if consumer["pending"] == 0 and consumer["idle"] > CONSUMER_GONE_MS:
                await self._store.leave(stream, group, consumer["name"].decode())


def _facts(flat: list[Any]) -> dict[str, Any]:
    return {flat[i].decode(): flat[i + 1] for i in range(0, len(flat), 2)}
