"""An engine by hand under a virtual clock: scenarios are submitted, worked off, cancelled and purged, one step after the other."""

import asyncio
from typing import Any

from orchestrator.artifacts import Artifacts
from orchestrator.engine import Seams
from orchestrator.engine.advancer import Advancer
from orchestrator.engine.materializer import Materializer
from orchestrator.engine.purger import Purger
from orchestrator.store.batches import Batches
from orchestrator.store.records import Line, NewScenario, ScenarioRecord
from orchestrator.store.store import Policy, Store
from tests.support.plain_worker import PlainWorker
from tests.support.scripts import CLOCK, START_MS, virtual_scripts
from workers_sdk.protocol.keys import Partitions
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import EventKind


class Works:
    """See the module. `link` leads to an empty server."""

    def __init__(
        self, link: RedisLink, policy: Policy | None = None, artifacts: Artifacts | None = None
    ) -> None:
        self.link = link
        self.store = Store(link, Partitions(1), policy or Policy(), scripts=virtual_scripts())
        self.batches = Batches(self.store)
        self.at = self.store.partitions[0]
        self.worker = PlainWorker(link)
        self.advancer = Advancer(self.store, Seams(link), self.at, "a1")
        self.materializer = Materializer(self.store, Seams(link), self.at, "m1")
        self.purger = Purger(self.store, Seams(link), self.at, asyncio.Event(), artifacts)
        self.now = START_MS

    async def open(self) -> "Works":
        """Make the groups."""
        await self.store.agree(sets_lease=True)
        await self.advancer.step()
        await self.materializer.step()
        return self

    async def submit(self, scenario: NewScenario, line: Line | None = None, **more: Any) -> str:
        """Submit a scenario and make its tasks; returns its id."""
        await self.store.submit(scenario, line=line, **more)
        while await self.link.execute("XLEN", self.at.scenarios):
            await self.materializer.step()
        return scenario.scenario_id

    async def work(self, *failing: str) -> None:
        """Do all that is ready, until nothing is: tasks of the scenarios `failing` fail."""
        while entries := await self.worker.take():
            for entry in entries:
                if entry.scenario_id in failing:
                    await self.worker.report(entry, EventKind.FAILED, error='{"type":"Boom"}')
                else:
                    await self.worker.succeed(entry)
            await self.settle()

    async def settle(self) -> None:
        """Apply what was reported."""
        while await self.link.execute("XLEN", self.at.task_events):
            await self.advancer.step()

    async def pass_by(self, ms: int) -> None:
        """Let time pass, and do what is due then."""
        self.now += ms
        await self.link.execute("SET", CLOCK, self.now)
        for kind, subject in (await self.store.due(self.at)).timers:
            if kind == "cancel":
                await self.store.cancel(subject)
            elif kind == "cancel-batch":
                await self.batches.carry_on(self.at, subject)
            elif kind == "purge" and await self.purger.due(self.at, subject):
                await self.purger.step()
        await self.settle()

    async def record(self, scenario_id: str) -> ScenarioRecord | None:
        """A scenario as it is."""
        return await self.store.scenario(scenario_id)

    async def due_in(self, member: str) -> int | None:
        """Milliseconds until a timer; None: there is none."""
        due = await self.link.execute("ZSCORE", self.at.timers, member)
        return None if due is None else int(float(due)) - self.now

    async def tenants(self) -> dict[str, int]:
        """Unfinished scenarios by tenant, as they are counted."""
        flat = await self.link.execute("HGETALL", self.at.tenants)
        return {tenant.decode(): int(n) for tenant, n in zip(flat[::2], flat[1::2], strict=True)}
