"""Replicas that fire schedules under the virtual clock, step by step."""

import asyncio
from pathlib import Path
from typing import Any

from orchestrator.engine import Launcher, Seams
from orchestrator.engine.scheduler import Scheduler
from orchestrator.engine.timekeeper import Timekeeper
from orchestrator.store.admission import Admission
from orchestrator.store.schedule_records import Definition, ScheduleRecord
from orchestrator.store.schedules import Schedules
from orchestrator.store.store import Policy, Store
from orchestrator.store.turns import Misfire, Overlap
from orchestrator.store.when import When
from orchestrator.templates import Registry
from tests.support.scripts import CLOCK, START_MS, virtual_scripts
from workers_sdk.protocol.keys import Partitions, scenario_id_from
from workers_sdk.protocol.link import RedisLink

HOUR = 3_600_000
HOLD_MS = 15_000
RETENTION_MS = 24 * HOUR
ID = scenario_id_from(b"a schedule")
TEMPLATE = """\
name: Report
variables: {CITY: Berlin}
tasks:
  - name: Write
    service: test-service
    prompt: "{{ CITY }} {{ now() }}"
"""


class NoWaiting:
    """A clock of a process that never waits; the time of the state is that of the scripts."""

    def monotonic(self) -> float:
        """See `Clock`."""
        return 0.0

    async def sleep(self, seconds: float) -> None:
        """See `Clock`."""
        await asyncio.sleep(0)


class Town:
    """A server under a virtual clock with templates, and schedules in it."""

    def __init__(self, link: RedisLink, folder: Path, *, partitions: int = 1) -> None:
        self.link = link
        (folder / "Report.yml").write_text(TEMPLATE)
        self.registry = Registry([folder])
        self.policy = Policy(lease_ms=HOLD_MS, retention_ms=RETENTION_MS, max_unfinished_of_tenant=1)
        self.partitions = Partitions(partitions)
        self.store = self.new_store(Store)
        self.at = self.partitions.of(ID)
        self.schedules = Schedules(self.store)
        self.admission: Admission | None = None
        self.now = START_MS

    def new_store(self, kind: type[Store]) -> Store:
        """Another connection's view of the same server."""
        return kind(self.link, self.partitions, self.policy, scripts=virtual_scripts())

    async def make(
        self, when: When, *, misfire: Misfire = Misfire.ONCE, overlap: Overlap = Overlap.ALLOW, **more: Any
    ) -> ScheduleRecord:
        """A schedule of `Report` under the id `ID`."""
        delay_ms = more.pop("delay_ms", 0)
        definition = Definition("Report", when, misfire=misfire, overlap=overlap, **more)
        made, created = await self.schedules.create(ID, definition, delay_ms=delay_ms)
        assert created
        return made

    async def at_time(self, now_ms: int) -> None:
        """Set the clock."""
        self.now = now_ms
        await self.link.execute("SET", CLOCK, now_ms)

    async def read(self) -> ScheduleRecord:
        """The schedule."""
        _, record = await self.schedules.read(ID)
        assert record is not None
        return record

    async def told(self) -> list[tuple[str, int]]:
        """What became of the last fires, oldest first: outcome, and time or number of those that were missed."""
        fires = await self.schedules.fires(ID)
        return [
            (one.outcome.value, one.count if one.outcome.value == "missed" else one.at_ms)
            for one in reversed(fires)
        ]

    async def accepted(self) -> list[str]:
        """Ids of the scenarios that were submitted, in order; one that was submitted twice would stand here twice."""
        entries = [
            entry
            for at in self.partitions
            for entry in await self.link.execute("XRANGE", at.scenarios, "-", "+")
        ]
        return [dict(zip(flat[::2], flat[1::2], strict=True))[b"scenario_id"].decode() for _, flat in entries]

    async def end_of(self, scenario_id: str) -> None:
        """As if a scenario had succeeded."""
        at = self.partitions.of(scenario_id)
        await self.link.execute("HSET", at.scenario(scenario_id), "status", "success")
        await self.link.execute("ZADD", at.timers, self.now + 365 * 24 * HOUR, f"purge:{scenario_id}")


class Replica:
    """The two duties of an engine that fire schedules."""

    def __init__(self, town: Town, store: Store | None = None) -> None:
        store = store or town.new_store(Store)
        seams, stop = Seams(town.link, NoWaiting()), asyncio.Event()
        launcher = Launcher(store, town.registry, admission=town.admission)
        self.scheduler = Scheduler(store, launcher, seams, town.at, stop)
        self.timekeeper = Timekeeper(store, seams, town.at, stop, {"schedule": self.scheduler.due})

    async def step(self) -> None:
        """See what is due, and do it."""
        await self.timekeeper.step()
        await self.scheduler.step()
