"""Stores and running engines for tests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from orchestrator.engine import BLOCK_MS, Engine, Seams, Sending
from orchestrator.engine.launcher import Launcher
from orchestrator.engine.materializer import Materializer
from orchestrator.store.records import NewScenario, ScenarioRecord
from orchestrator.store.store import Policy, Store
from orchestrator.templates import Registry
from tests.support.wait import wait_until
from workers_sdk.protocol.link import RedisLink

PATIENT = Policy(retention_ms=600_000, chunk=50)
"""For tests where no worker is lost: a slow machine makes none of theirs a lost one."""
QUICK = Policy(lease_ms=1_000, http_lease_ms=1_000, retention_ms=600_000, chunk=50)


@dataclass
class Running:
    """An engine at work and its store."""

    store: Store
    stop: asyncio.Event

    async def finished(self, scenario_id: str) -> ScenarioRecord:
        """Wait until a scenario is final."""
        await wait_until(lambda: self._is_final(scenario_id), what=f"end of scenario {scenario_id}")
        record = await self.store.scenario(scenario_id)
        assert record is not None
        return record

    async def _is_final(self, scenario_id: str) -> bool:
        record = await self.store.scenario(scenario_id)
        return record is not None and record.status.is_final


@asynccontextmanager
async def running_engine(
    url: str,
    policy: Policy = PATIENT,
    *,
    partitions: int = 1,
    name: str = "",
    templates: Registry | None = None,
    sending: Sending | None = None,
) -> AsyncIterator[Running]:
    """One replica, until the block ends. With `templates` it starts scenarios itself."""
    link, reading = RedisLink(url), RedisLink(url, block_ms=BLOCK_MS)
    store = await Store.open(
        link, partitions=partitions, policy=policy, sets_lease=True, unsafe_volatile=True
    )
    stop = asyncio.Event()
    launcher = Launcher(store, templates) if templates else None
    replica = Engine(store, Seams(reading), name=name, launcher=launcher, sending=sending)
    engine = asyncio.create_task(replica.run(stop))
    try:
        yield Running(store, stop)
    finally:
        stop.set()
        await engine
        await reading.close()
        await link.close()


async def materialized(store: Store, scenario: NewScenario) -> None:
    """Submit a scenario and create its tasks, without an engine that goes on."""
    await store.submit(scenario)
    at = store.partitions.of(scenario.scenario_id)
    while await store.link.execute("XLEN", at.scenarios):  # the first step may have to make the group
        await Materializer(store, Seams(store.link), at, "once").step()
