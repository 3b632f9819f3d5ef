"""Questions of why, and the engine by hand to make the situations that are asked about."""

from typing import Any

from orchestrator.store.records import NewScenario
from orchestrator.store.why import Why
from orchestrator.store.why_records import Reason, ScenarioWhy
from tests.support.lanes import Lanes
from workers_sdk.protocol.messages import EventKind, TaskEntry


class Inquiry(Lanes):
    """See the module. Time is virtual."""

    async def why(self, scenario: NewScenario, name: str) -> list[Reason]:
        """Reasons of the task of a name."""
        found = await Why(self.store).task(self.id_of(scenario, name))
        assert found is not None
        assert (found.scenario_id, found.name) == (scenario.scenario_id, name)
        return found.reasons

    async def first(self, scenario: NewScenario, name: str) -> tuple[str, dict[str, Any]]:
        """Code and facts of the most decisive reason."""
        reason = (await self.why(scenario, name))[0]
        return reason.code, reason.facts

    async def codes(self, scenario: NewScenario, name: str) -> list[str]:
        """Codes of all reasons."""
        return [reason.code for reason in await self.why(scenario, name)]

    async def whole(self, scenario: NewScenario) -> ScenarioWhy:
        """Reasons of the scenario."""
        found = await Why(self.store).scenario(scenario.scenario_id)
        assert found is not None
        return found

    @staticmethod
    def id_of(scenario: NewScenario, name: str) -> str:
        """Id of the first task of a name."""
        return next(task.id for task in scenario.tasks if task.name == name)

    async def fail(self, entries: list[TaskEntry], error: str = '{"type":"Boom","message":"no"}') -> None:
        """The worker fails with some."""
        for entry in entries:
            await self.worker.report(entry, EventKind.FAILED, error=error)
        await self.end([])
