"""Scenarios within scenarios, moved by hand."""

from pathlib import Path

from orchestrator.engine.filler import Filler
from orchestrator.store.flow import Flow
from orchestrator.store.flow_records import Pause
from orchestrator.store.records import NewScenario, ScenarioRecord
from tests.support.bench import Bench
from tests.support.graphs import graph

WHY = Pause("repair", "ann", "")


class House(Bench):
    """A scenario whose tasks are scenarios, each with some work and a scenario of its own."""

    flow: Flow

    async def enter(self) -> "House":
        """All scenarios are there, with all their tasks."""
        self.flow = Flow(self.store)
        await self.open()
        await self.settle()
        return self

    async def settle(self) -> None:
        """Also write what was submitted meanwhile."""
        await super().settle()
        while await self.link.execute("XLEN", self.at.scenarios):
            await self.materializer.step()
            await super().settle()

    async def due(self) -> None:
        """What the engine does about pauses, until it has done all."""
        filler = Filler(self.store, self.at, None)  # type: ignore[arg-type]
        for _ in range(50):
            timers = [one for one in (await self.store.due(self.at)).timers if one[0] in ("pause", "resume")]
            if not timers:
                return await self.settle()
            for kind, subject in timers:
                await filler.handlers()[kind](self.at, subject)
        raise AssertionError(f"never done: {timers}")

    async def pause(self, scenario_id: str, pause: Pause = WHY) -> None:
        await self.flow.pause_scenario(scenario_id, pause)
        await self.due()

    async def resume(self, scenario_id: str) -> str:
        word = await self.flow.resume_scenario(scenario_id, begin=True)
        await self.due()
        return word

    async def record(self, scenario_id: str) -> ScenarioRecord:
        found = await self.store.scenario(scenario_id)
        assert found
        return found

    async def below(self, scenario_id: str) -> list[str]:
        """Ids of the scenarios that the tasks of one are."""
        tasks = await self.store.tasks((await self.record(scenario_id)).task_ids)
        return [task.child_scenario_id for task in tasks if task and task.child_scenario_id]

    async def paused(self, *ids: str) -> list[str | None]:
        """Of each: None when it is not paused; whose pause it is, `own` when it is its own."""
        found = [(await self.record(one)).paused for one in ids]
        return [pause and pause.get("scenario_id", "own") for pause in found]


def templates(folder: Path) -> Path:
    """`Inner`: two tasks, one after the other, and a scenario within; `Deep`: the two tasks."""
    work = "tasks:\n  - name: Work\n    service: test-service\n  - name: More\n    service: test-service\n    needs: [Work]\n"
    (folder / "Inner.yml").write_text(f"{work}  - name: Deep\n    scenario: Deep\n")
    (folder / "Deep.yml").write_text(work)
    return folder


def outer(width: int = 1) -> NewScenario:
    names = [f"sub{number}" for number in range(width)]
    terms = {name: {"ask": True} for name in names}, {name: {"scenario": {"name": "Inner"}} for name in names}
    return graph(dict.fromkeys(names, ()), rules=terms[0], on_ready=terms[1], service="orchestrator")


async def tree(house: House) -> tuple[str, str, str]:
    """A scenario, the one within, and the one within that."""
    top = house.scenario.scenario_id
    (middle,) = await house.below(top)
    (deep,) = await house.below(middle)
    return top, middle, deep
