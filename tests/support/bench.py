"""A scenario that is moved by hand: nothing runs beside the test, and a script can be interrupted."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from orchestrator.engine import Seams
from orchestrator.engine.advancer import Advancer
from orchestrator.engine.decider import Decider
from orchestrator.engine.launcher import Launcher
from orchestrator.engine.materializer import Materializer
from orchestrator.engine.overdue import Overdue
from orchestrator.store.records import Cause, NewScenario, TaskRecord
from orchestrator.store.store import Policy, Store
from orchestrator.templates import Registry
from tests.support.plain_worker import PlainWorker
from tests.support.scripts import CLOCK, START_MS, virtual_scripts
from workers_sdk.protocol.keys import Partitions
from workers_sdk.protocol.link import RedisLink
from workers_sdk.protocol.messages import EventKind, Status, TaskEntry


class Bench:
    """A scenario, and all that moves it, by hand."""

    def __init__(
        self, link: RedisLink, scenario: NewScenario, *, chunk: int = 64, templates: Path | None = None
    ) -> None:
        self.link = link
        self.store = Store(link, Partitions(1), Policy(chunk=chunk), scripts=virtual_scripts())
        self.at = self.store.partitions[0]
        launcher = Launcher(self.store, Registry([templates])) if templates else None
        self.advancer = Advancer(self.store, Seams(link), self.at, "r1", Decider(self.store, launcher))
        self.materializer = Materializer(self.store, Seams(link), self.at, "r1")
        self.worker = PlainWorker(link)
        self.scenario = scenario
        self.ids = {task.name: task.id for task in scenario.tasks}
        self.now = START_MS

    async def submitted(self) -> "Bench":
        """It waits to be written."""
        await self.store.agree(sets_lease=True)
        await self.store.submit(self.scenario)
        await self.materializer.step()  # makes the group
        await self.advancer.step()
        return self

    async def open(self) -> "Bench":
        """Its tasks are there; what is to be looked at was looked at."""
        await self.submitted()
        await self.materializer.step()
        await self.settle()
        return self

    async def settle(self) -> None:
        """Apply all reports."""
        while await self.link.execute("XLEN", self.at.task_events):
            await self.advancer.step()

    def between(self, script: str, number: int, act: Callable[[], Awaitable[Any]]) -> None:
        """Do something just before the call of a script with that number."""
        call, calls = self.store.call, 0

        async def interrupted(
            name: str, values: dict[str, Any], rest: Sequence[str | bytes | int] = ()
        ) -> Any:
            nonlocal calls
            calls += name == script
            if name == script and calls == number:
                await act()
            return await call(name, values, rest)

        self.store.call = interrupted  # type: ignore[method-assign]

    async def takes(self) -> dict[str, TaskEntry]:
        return {entry.name: entry for entry in await self.worker.take()}

    async def ends(self, entry: TaskEntry, kind: EventKind = EventKind.SUCCESS, **fields: str) -> None:
        """A worker reports, and that is applied."""
        await self.worker.report(
            entry, kind, **({"error": "{}"} if kind is EventKind.FAILED else {}), **fields
        )
        await self.settle()

    async def works(self) -> Status:
        """Do what is there to be done, until nothing is; the scenario has ended then."""
        while entries := await self.worker.take():
            for entry in entries:
                await self.ends(entry, result="1")
        status = await self.status()
        assert status.is_final
        return status

    async def passes(self, ms: int) -> None:
        """Time goes on, and all that is due then is done."""
        self.now += ms
        await self.link.execute("SET", CLOCK, self.now)
        for kind, subject in (await self.store.due(self.at)).timers:
            if kind == "overdue":
                await Overdue(self.store).fire(self.at, subject)
            elif kind == "start":
                await self.store.wake(self.at, subject)
            elif kind == "cancel":
                await self.store.cancel(subject)
        await self.settle()

    async def cancels(self) -> None:
        while await self.store.cancel(self.scenario.scenario_id, Cause()) == "MORE":
            continue

    async def task(self, name: str) -> TaskRecord:
        found = await self.store.task(self.ids[name])
        assert found
        return found

    async def child(self, name: str) -> Any:
        """The scenario that a task is."""
        return await self.store.scenario((await self.task(name)).child_scenario_id)

    async def status(self) -> Status:
        record = await self.store.scenario(self.scenario.scenario_id)
        assert record
        return record.status
