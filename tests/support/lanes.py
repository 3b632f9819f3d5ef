"""A managed service by hand: no engine, a virtual clock, a worker that takes what is there."""

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.engine import Seams
from orchestrator.engine.advancer import Advancer
from orchestrator.engine.materializer import Materializer
from orchestrator.store.flow import Flow
from orchestrator.store.flow_records import Limits
from orchestrator.store.records import Line, NewScenario
from orchestrator.store.store import Policy, Store
from tests.support.graphs import graph
from tests.support.plain_worker import PlainWorker
from tests.support.scripts import CLOCK, START_MS, virtual_scripts
from workers_sdk.protocol.keys import Partitions
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import TaskEntry

SERVICE = "test-service"


class Lanes:
    """See the module. `link` leads to an empty server."""

    def __init__(self, link: RedisLink, *, chunk: int = 64) -> None:
        self.link = link
        self.store = Store(link, Partitions(1), Policy(chunk=chunk), scripts=virtual_scripts())
        self.at = self.store.partitions[0]
        self.flow = Flow(self.store)
        self.worker = PlainWorker(link)
        self.advancer = Advancer(self.store, Seams(link), self.at, "a1")
        self.now = START_MS

    async def open(self, limits: Limits | None = None) -> "Lanes":
        """Make the groups, and limit the service."""
        await self.store.agree(sets_lease=True)
        await self.worker.take()
        await self.advancer.step()
        if limits:
            await self.flow.limit(SERVICE, limits)
        return self

    async def add(self, names: Sequence[str], flow: Mapping[str, Any] | None = None) -> NewScenario:
        """A scenario of tasks that wait for nothing; all of them under the same rules of flow."""
        rules = {name: {"flow": dict(flow)} for name in names} if flow else None
        scenario = graph({name: [] for name in names}, rules=rules)
        await self.submit(scenario)
        return scenario

    async def submit(self, scenario: NewScenario, line: Line | None = None) -> None:
        """Submit a scenario and make its tasks."""
        await self.store.submit(scenario, line=line)
        while await self.link.execute("XLEN", self.at.scenarios):
            await Materializer(self.store, Seams(self.link), self.at, "m1").step()

    async def due(self) -> None:
        """Do what the engine does about timers of flow."""
        for _ in range(100):
            timers = (await self.store.due(self.at)).timers
            ours = [one for one in timers if one[0] in ("fill", "unpark")]
            if not ours:
                return
            for kind, subject in sorted(ours, reverse=True):
                service, _, key = subject.partition(" ")
                if kind == "unpark":
                    await self.flow.unpark(self.at, service, key)
                else:
                    await self.flow.fill(self.at, service)
        raise AssertionError(f"timers of flow are never done: {ours}")

    async def take(self) -> list[TaskEntry]:
        """What the worker gets now."""
        await self.due()
        return await self.worker.take()

    async def end(self, entries: Sequence[TaskEntry]) -> None:
        """The worker succeeds with some."""
        for entry in entries:
            await self.worker.succeed(entry)
        while await self.link.execute("XLEN", self.at.task_events):
            await self.advancer.step()

    async def passed(self, ms: int) -> None:
        """Let time pass."""
        self.now += ms
        await self.link.execute("SET", CLOCK, self.now)

    async def waits_until(self) -> int | None:
        """Milliseconds until the engine looks at the service again."""
        due = await self.link.execute("ZSCORE", self.at.timers, f"fill:{SERVICE}")
        return None if due is None else int(float(due)) - self.now


def names(entries: Sequence[TaskEntry]) -> list[str]:
    """What the tasks are called in their scenario."""
    return [entry.name for entry in entries]
