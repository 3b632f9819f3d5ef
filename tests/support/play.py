"""A scenario worked off by a plain worker, with failures at will."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.store.dead_letters import DeadLetters
from orchestrator.store.records import NewScenario, ScenarioRecord
from orchestrator.store.revival import Revival
from tests.support.engines import Running
from tests.support.graphs import graph
from tests.support.plain_worker import PlainWorker
from tests.support.wait import wait_until
from workers_sdk.protocol.messages import EventKind, Status

Rule = dict[str, Any]


@dataclass
class Play:
    """Works off one scenario; each name fails as often as `failures` says."""

    engine: Running
    worker: PlainWorker
    scenario: NewScenario
    failures: dict[str, int] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)
    succeeded: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        names = {task.id: task.name for task in self.scenario.tasks}
        self.ids = {names[task_id]: task_id for task_id in self.scenario.task_ids}
        self.letters = DeadLetters(self.engine.store)
        self.revival = Revival(self.engine.store)

    async def step(self) -> bool:
        """Do what is ready; whether the scenario has ended."""
        for entry in await self.worker.take():
            self.seen.append(entry.name)
            if self.failures.get(entry.name, 0) > 0:
                self.failures[entry.name] -= 1
                await self.worker.report(entry, EventKind.FAILED, error='{"type":"Boom","message":"no 7"}')
            else:
                self.succeeded.append(entry.name)
                await self.worker.succeed(entry)
        return (await self.record()).status.is_final

    async def end(self) -> Status:
        await wait_until(self.step, what="the scenario to end")
        return (await self.record()).status

    async def record(self) -> ScenarioRecord:
        record = await self.engine.store.scenario(self.scenario.scenario_id)
        assert record
        return record

    async def statuses(self) -> dict[str, str]:
        tasks = await self.engine.store.tasks(list(self.ids.values()))
        return {task.name: task.status.value for task in tasks if task}

    async def dead(self) -> list[str]:
        """Names of the dead letters."""
        page = await self.letters.letters(None, cursor=None, limit=100)
        return sorted(task.name for task in page.items)

    async def has_succeeded(self, count: int) -> bool:
        """Do what is ready; whether so many have succeeded."""
        await self.step()
        return len(self.succeeded) == count

    async def waits_for(self, name: str, count: int) -> bool:
        """Whether a task waits for so many others."""
        task = await self.engine.store.task(self.ids[name])
        return task is not None and task.queue == count


async def play(
    engine: Running,
    worker: PlainWorker,
    needs: Mapping[str, Sequence[str]],
    failures: dict[str, int],
    rules: dict[str, Rule] | None = None,
) -> Play:
    scenario = graph(needs, rules=rules)
    await engine.store.submit(scenario)
    return Play(engine, worker, scenario, dict(failures))
